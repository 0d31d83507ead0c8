"""Annotate a folder of hand clips: find out what it holds, check licences, run the engine, draw a sheet that a person can look at."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from praxia.annotate.hands import Annotation, HandRules, Looks, annotate_hands
from praxia.annotate.hands.given_boxes import GivenBoxes
from praxia.annotate.hands.moments import in_camera
from praxia.annotate.hands.run import summary
from praxia.data.hand_clips import RecordedClips
from praxia.data.hand_clips.clip import Clip, ClipSet
from praxia.data.hand_clips.egodex import EgoDex, is_egodex
from praxia.data.hand_clips.tables import CATEGORIES, CLIPS, MOTIONS, QUESTIONS, SPLITS, read_annotated
from praxia.data.lerobot.meta import read_parquet
from praxia.errors import ConfigError
from praxia.geometry.hands import palm
from praxia.policy.net_catalogue import PUBLIC, net_licences, net_spec
from praxia.report.hand_sheet import Card, Drawn, write_sheet
from praxia.report.tables import Table
from praxia.specs.hands import SIDES, WRIST
from praxia.specs.licences import LicensePolicy, check_licences

SHEET = "sheet.html"
_DETECTORS: dict[str, str] = dict.fromkeys(("IDEA-Research/grounding-dino-tiny", "IDEA-Research/grounding-dino-base"), "apache-2.0")


def annotate(
    clips: Path,
    out: Path | None,
    rules: HandRules,
    net: str = "",
    checkpoint: str = "",
    together: int = 1,
    detector: str = "",
    boxes: str = "",
    workers: int = 0,
    license_policy: LicensePolicy = "any",
    shown: int = 6,
    batch: int = 1,
    device: str = "cpu",
    size: int = 448,
    stride: int = 2,
) -> Annotation:
    """Annotate `clips` into `out` (`hands` in the folder of the clips if None) and write its sheet with `shown` samples of every kind.

    net: public name or folder of a geometry net, "" = recorded depth. together, detector, boxes, batch, device: as in `Looks`; size, stride: as in
    `EgoDex`. Raises ConfigError for what is missing or refused by the licence policy, DataError for what cannot be read.
    """
    for name, value, least in (("workers", workers, 0), ("shown", shown, 1)):
        if value < least:
            raise ConfigError(f"{name} is {value}; expected a whole number of at least {least}")
    spec = clip_spec(clips, size, stride)
    source: ClipSet = spec.open()
    motions = "or take --only motions, which needs none"
    if not rules.questions and (net or detector or boxes):
        raise ConfigError("motions alone need no clouds and no boxes; leave out --net, --detector and --boxes, or ask questions")
    if rules.questions and not net and not source.depth:
        raise ConfigError(f"{clips} has no recorded depth; name a geometry net with --net (the folder of a trained one, cut3r, vggt ...), {motions}")
    if rules.questions and not detector and not boxes and not source.masks:
        raise ConfigError(
            f"{clips} has no instance masks; name a detector with --detector, e.g. IDEA-Research/grounding-dino-tiny or a folder, "
            f"give boxes of your own with --boxes, {motions}"
        )
    looks = Looks(net_spec(net, checkpoint) if net else None, together, detector, boxes, batch, device)
    if boxes:
        names = {source.label(number)[0] for number in range(len(source))}
        GivenBoxes(boxes).check_clips(names)  # says now what is wrong, not in a worker
    licences = (
        {source.name: source.licence}
        | (net_licences(looks.net) if net else {})
        | ({detector: _DETECTORS.get(detector, "unknown")} if detector else {})
    )
    check_licences(licences, license_policy, {public.name: public.instead for public in PUBLIC})
    folder = out or clips / "hands"
    done = annotate_hands(spec, folder, rules, looks, workers, licences)
    write_hand_sheet(folder, shown)
    return done


def clip_spec(folder: Path, size: int = 448, stride: int = 2) -> Any:
    """The kind of clips in a folder. size, stride: of recordings (`EgoDex`)."""
    if (folder / "meta" / "info.json").is_file():
        return RecordedClips(str(folder))
    if is_egodex(folder):
        return EgoDex(str(folder), size, stride)
    raise ConfigError(
        f"{folder} holds no clips of hands: expected a dataset made by `praxia data make hands --out {folder} --depth --masks` (meta/info.json), "
        "or EgoDex's pairs of .hdf5 and .mp4"
    )


def count_tables(done: Annotation) -> list[tuple[str, Table]]:
    """Counts by kind and split, of questions also how many different labels they have, and what was left out."""
    tables = [
        ("Questions", _counts({"": done.categories, ", labels": done.labels})),
        ("Motions", _counts({"": done.families})),
    ]
    left = [(f"clip: {reason}", str(count)) for reason, count in done.rejected.items()]
    left += [(reason, str(count)) for reason, count in done.rejections.items()]
    if left:
        tables.append(("Left out", Table(("reason", "how often"), tuple(left), frozenset({1}))))
    return tables


def _counts(of: dict[str, dict[str, dict[str, int]]]) -> Table:
    """of: what is counted, as the end of a column's name -> kind -> split -> count; kinds are those of the first."""
    columns = [(f"{s.replace('_', ' ')}{end}", [by[name].get(s, 0) for name in next(iter(of.values()))]) for s in SPLITS for end, by in of.items()]
    kinds = [name.replace("_", " ") for name in next(iter(of.values()))]
    rows = [(name, *(str(counts[i]) for _, counts in columns)) for i, name in enumerate(kinds)]
    total = ("all", *(str(sum(counts)) for _, counts in columns))
    head = ("kind", *(name for name, _ in columns))
    return Table(head, (*rows, total), frozenset(range(1, len(head))), frozenset({len(rows)}))


def write_hand_sheet(folder: Path, shown: int) -> Path:
    """sheet.html beside the tables: `shown` samples of every category and family, spread over the clips."""
    found = read_annotated(folder)
    source: ClipSet = found.clips.open()
    rng = np.random.default_rng(0)
    parts: dict[str, list[Card]] = {}
    motions = found.rows(MOTIONS)
    for category in CATEGORIES:
        mine = found.rows(QUESTIONS, kinds=(category,), kind="category")
        parts[category] = [_question(source, mine[i]) for i in rng.permutation(len(mine))[:shown]]
    parts["motions"] = [_motion(source, motions[i]) for i in rng.permutation(len(motions))[: 2 * shown]]
    parts = {name: cards for name, cards in parts.items() if cards}
    scales = read_parquet(folder / CLIPS, ["scale"])["scale"]
    known = scales.drop_null().to_numpy()
    said = f"s {known.min():.3f} to {known.max():.3f}" if len(known) else "no scale"
    return write_sheet(folder / SHEET, f"{source.name}: {len(scales)} clips, {said}", count_tables(summary(folder)), parts, source.licence)


def _hands(clip: Clip, step: int, T_base_cam: np.ndarray) -> dict[str, np.ndarray]:
    joints = in_camera(clip, step, T_base_cam)
    return {side: joints[i] for i, side in enumerate(SIDES) if clip.hands.confidence[step, i, WRIST] > 0}


def _frame(source: ClipSet, clip: Clip, number: int, step: int) -> Drawn:
    view = source.view(number, step)
    assert view.camera is not None and view.camera.T_base_cam is not None
    return Drawn(view, _hands(clip, step, view.camera.T_base_cam))


def _question(source: ClipSet, row: dict[str, Any]) -> Card:
    clip = source.clip(row["clip"])
    frames = [_frame(source, clip, row["clip"], step) for step in row["frames"]]
    if row["box"]:
        frames[-1] = replace(frames[-1], box=tuple(row["box"]))
    last, vector = frames[-1], np.array(row["vector"])
    if row["hand"] in last.joints:
        joints = last.joints[row["hand"]]
        match row["category"]:
            case "spatial_relationship":
                frames[-1] = replace(last, arrow=(palm(joints), palm(joints) + vector), thing=palm(joints) + vector)
            case "hand_movement":
                frames[-1] = replace(last, arrow=(joints[WRIST] - vector, joints[WRIST]))
            case "task_completion":
                frames[-1] = replace(last, arrow=(joints[WRIST], joints[WRIST] + vector))
    return Card(frames, row["question"], row["answer"], f"{row['name']}, {row['task']}, {row['split'].replace('_', ' ')}")


def _motion(source: ClipSet, row: dict[str, Any]) -> Card:
    clip = source.clip(row["clip"])
    path = lambda key: np.array(row[key]).reshape(-1, 3)  # noqa: E731
    paths = {side: (path(f"{side}_past"), path(f"{side}_future")) for side in SIDES if row[f"{side}_future"]}
    frame = replace(_frame(source, clip, row["clip"], row["frame"]), paths=paths)
    seconds = max(len(future) for _, future in paths.values()) / row["rate_hz"]
    answer = f"{row['family']}, {seconds:.0f} s, {' and '.join(paths)}"
    return Card([frame], row["instruction"], answer, f"{row['name']}, {row['task']}, {row['split'].replace('_', ' ')}")
