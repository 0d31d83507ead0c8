"""Is a dataset on disk what it says it is? Everything a training run could trip over, as findings with fixes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from praxia.data.calibration import ALONE, EPISODE_ON_ROBOT, ON_ROBOT, RIGID, fixed_camera_quality, together, wrist_camera_spread
from praxia.data.card import CARD, check_card_against, read_card
from praxia.data.lerobot.frames import LazyFrames
from praxia.data.lerobot.pictures import METRES_PER_UNIT, check_depth
from praxia.data.lerobot.reader import LeRobotSource
from praxia.data.lerobot.tables import Tables
from praxia.data.lerobot.video import VideoReader
from praxia.data.statistics import declared_statistics, statistics_of
from praxia.data.supervision.waypoints import carries
from praxia.errors import DataError, PraxiaError
from praxia.geometry.camera import camera_from
from praxia.geometry.se3 import rigid_fault
from praxia.specs import DatasetCard, ViewKeys

DEPTH_ROWS = 5  # pictures whose depth is looked at
POSE_ROWS = 200  # calibrations that are looked at


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong. error: training would fail or learn from wrong numbers; warning: worth a look."""

    level: Literal["error", "warning"]
    message: str  # names the place, the value, what was expected and the fix


def verify(root: Path | str) -> list[Finding]:
    """All findings of a dataset folder; empty if it is sound. Reads all numbers, opens all videos, decodes few pictures."""
    try:
        tables = Tables(root)
        assert tables.file_rows is not None
        card = read_card(root) if (Path(root) / CARD).is_file() else None
    except PraxiaError as error:
        return [Finding("error", str(error))]
    findings = [] if card else [Finding("warning", f"{root} has no {CARD}; draft one with `praxia data inspect {root} --write-card`")]
    checks: list[Callable[[Tables], Iterator[Finding]]] = [_counts, _columns, _times, _videos, _declared]
    for check in checks:
        findings += _caught(check, tables)
    if card is not None:
        findings += _caught(lambda t: _card(t, card), tables)
    return findings


def _caught(check: Callable[[Tables], Iterator[Finding]], tables: Tables) -> list[Finding]:
    """A check's findings; if it cannot go on, its error is one of them."""
    found: list[Finding] = []
    try:
        for finding in check(tables):
            found.append(finding)
    except PraxiaError as error:
        found.append(Finding("error", str(error)))
    return found


def _counts(tables: Tables) -> Iterator[Finding]:
    info, episodes = tables.info, tables.episodes
    if info.total_episodes != len(episodes) or info.total_frames != len(tables):
        yield Finding(
            "error",
            f"{tables.root}: info.json counts {info.total_episodes} episodes and {info.total_frames} frames, the metadata has {len(episodes)} and "
            f"{len(tables)}; the copy is incomplete or info.json is stale: copy again or correct info.json",
        )
    expected = np.concatenate([np.full(e.stop - e.start, e.index) for e in episodes])
    wrong = np.flatnonzero(np.asarray(tables.column("episode_index")).reshape(-1) != expected)
    if wrong.size:
        yield Finding(
            "error", f"{tables.root}: row {int(wrong.min())} belongs to another episode than meta/ says; data and meta folders do not belong together"
        )
    tasks = set(np.unique(tables.column("task_index")).tolist())
    if tasks - set(tables.meta.tasks):
        yield Finding(
            "error", f"{tables.root}: task_index {sorted(tasks - set(tables.meta.tasks))} has no instruction in the tasks file; add the lines"
        )


def _columns(tables: Tables) -> Iterator[Finding]:
    for key in tables.vector_keys():
        values = tables.column(key)
        if values.dtype.kind != "f" or key.startswith("observation.objects."):  # there NaN says that an object is absent
            continue
        bad = np.logical_not(np.isfinite(values.reshape(len(values), -1)).all(axis=1))
        if bad.any():
            episodes = [e.index for e in tables.episodes if bad[e.start : e.stop].any()]
            yield Finding(
                "error", f"{tables.root}: {key!r} is not finite in {bad.sum()} rows of episodes {episodes[:10]}; drop or repair those episodes"
            )


def _times(tables: Tables) -> Iterator[Finding]:
    """Rows are meant to be frame_index / fps apart; videos are read by that rule."""
    if "timestamp" not in tables.info.features:
        return
    frame = np.asarray(tables.column("frame_index")).reshape(-1)
    drift = np.abs(np.asarray(tables.column("timestamp"), np.float64).reshape(-1) - frame / tables.info.fps)
    if drift.max() > 0.25 / tables.info.fps:
        row = int(drift.argmax())
        yield Finding(
            "warning",
            f"{tables.root}: timestamps drift up to {drift.max():.4f} s from frame_index / fps (row {row}, fps {tables.info.fps:g}); "
            f"pictures are matched by frame number: check fps in info.json",
        )


def _videos(tables: Tables) -> Iterator[Finding]:
    for key in tables.info.keys("video"):
        needed: dict[Path, int] = {}
        frames = LazyFrames(tables, key)
        for episode in tables.episodes:
            path, last = frames.place(episode.stop - 1)
            needed[path] = max(needed.get(path, 0), last + 1)
        for path, count in needed.items():
            yield from _caught(lambda _, path=path, count=count, key=key: _video(tables, key, path, count), tables)


def _video(tables: Tables, key: str, path: Path, needed: int) -> Iterator[Finding]:
    video = VideoReader(path)
    try:
        if len(video) < needed:
            yield Finding("error", f"video {path} has {len(video)} frames, its episodes need {needed}; it is truncated: copy or download it again")
            return
        times = video.times()[:needed]
        drift = np.abs(times - times[0] - np.arange(needed) / tables.info.fps).max()
        if drift > 0.5 / tables.info.fps:
            yield Finding(
                "error",
                f"video {path}: frame times drift up to {drift:.3f} s from {tables.info.fps:g} frames/s; encode at a constant rate or correct fps",
            )
        for number in (0, needed - 1):
            size, declared = video.read(number).shape[:2], tables.info.features[key].size
            if size != declared:
                yield Finding(
                    "error",
                    f"video {path}: frames are {size[0]} x {size[1]}, info.json says {declared[0]} x {declared[1]}; correct the shape of {key!r}",
                )
                return
    finally:
        video.close()


def _declared(tables: Tables) -> Iterator[Finding]:
    """Statistics files that no longer fit the data are the commonest reason for policies that do not move."""
    for key, said in declared_statistics(tables.root).items():
        values = tables.column(key)
        if key.startswith("observation.objects.") or values.dtype.kind not in "fiub" or key in ("index", "timestamp", "frame_index"):
            continue
        if not np.isfinite(values.astype(np.float64)).all():
            continue  # reported elsewhere
        found = statistics_of(values)
        if said.width != found.width or np.abs(np.subtract(said.mean, found.mean)).max() > 0.05 * max(1e-6, *found.std):
            yield Finding(
                "warning", f"{tables.root}: declared statistics of {key!r} do not fit the data; praxia computes its own, other tools would be misled"
            )


def _card(tables: Tables, card: DatasetCard) -> Iterator[Finding]:
    check_card_against(card, tables.info, f"card of {tables.root}")
    for view in card.views:
        where = f"{tables.root}, view {view.role!r}"
        yield from _caught(lambda t, view=view, where=where: _calibration(t, view, where), tables)
        if view.intrinsics and view.extrinsics and card.tool_keys:
            yield from _caught(lambda t, view=view, where=where: _trust(t, card, view, where), tables)
        if view.depth:
            yield from _caught(lambda t, view=view, where=where: _depth(t, view, where), tables)


def _calibration(tables: Tables, view: ViewKeys, where: str) -> Iterator[Finding]:
    rows = np.unique(np.linspace(0, len(tables) - 1, POSE_ROWS).astype(int))
    for row in rows if view.intrinsics else ():
        camera_from(tables.column(view.intrinsics)[row], None, f"{where}, row {row}")
    for row in rows if view.extrinsics else ():
        T = np.asarray(tables.column(view.extrinsics)[row], np.float64).reshape(-1, 4)
        T = np.vstack([T, (0.0, 0, 0, 1)]) if len(T) == 3 else T
        fault = rigid_fault(T) or ("is the identity, a placeholder" if np.array_equal(T, np.eye(4)) else "")
        if fault:
            yield Finding("error", f"{where}, row {row}: {view.extrinsics!r} {fault}; remove the key from the card, the view is then uncalibrated")
            return


def _trust(tables: Tables, card: DatasetCard, view: ViewKeys, where: str) -> Iterator[Finding]:
    """Poses that are rigid transforms and still wrong: inverted, of another camera, of another day. Each episode is judged by itself."""
    source = LeRobotSource(tables.root, card, store=False)
    fix = (
        "inverted (base-to-camera), of another camera, or recorded before it was moved? correct it, leave the episodes out (Recorded.left_out), "
        "or remove the key from the card"
    )
    on_wrist = view.role.startswith("wrist")
    arms = [arm for arm in card.tool_keys if not on_wrist or carries(view.role, arm, card.tool_keys)]
    if not arms:
        yield Finding(
            "warning",
            f"{where}: which of {', '.join(card.tool_keys)} carries this camera? its poses are not checked; name its role after the arm: wrist_left",
        )
    for arm in arms:
        if on_wrist:
            spread = wrist_camera_spread(source, view.role, arm)
            faults = {
                episode: [f"{100 * distance:.0f} cm and {np.rad2deg(angle):.0f} degrees"]
                for episode, (distance, angle) in spread.items()
                if distance > RIGID[0] or angle > RIGID[1]
            }
            level, what, seen = "error", f"moves on the tool of {arm!r} that it should sit on", len(spread)
        else:
            quality = fixed_camera_quality(source, view.role, arm)
            faults, pooled = {e: some for e, one in quality.items() if (some := one.faults(ALONE))}, together(quality.values())
            off_robot = pooled.on_robot < ON_ROBOT or any(one.on_robot < EPISODE_ON_ROBOT for one in quality.values())
            level, what, seen = "error" if off_robot else "warning", "does not fit its pictures", len(quality)
            if not faults and (some := pooled.faults()):
                yield Finding(level, f"{where}: {view.extrinsics!r} {what}, {seen} episodes together: {', '.join(some)}; {fix}")
        if faults:
            said = "; ".join(f"episode {episode}: {', '.join(some)}" for episode, some in list(faults.items())[:5])
            yield Finding(level, f"{where}: {view.extrinsics!r} {what} in {len(faults)} of {seen} episodes looked at: {said}; {fix}")


def _depth(tables: Tables, view: ViewKeys, where: str) -> Iterator[Finding]:
    frames = LazyFrames(tables, view.depth, codes=True)
    scale = view.depth_scale * METRES_PER_UNIT[view.depth_unit]
    for row in np.unique(np.linspace(0, len(tables) - 1, DEPTH_ROWS).astype(int)):
        codes = frames.get(int(row))
        try:
            check_depth(codes.astype(np.float32) * np.float32(scale), view.depth_unit, f"{where}, row {row}")
        except DataError as error:
            yield Finding("error", str(error))
            return
    declared = tables.info.features[view.depth].info.get("depth_unit")
    if declared and declared != view.depth_unit:
        yield Finding("error", f"{where}: the card says depth_unit {view.depth_unit!r}, info.json says {declared!r}; correct dataset.yaml")
