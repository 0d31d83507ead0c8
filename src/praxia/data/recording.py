"""From a world's expert to an EpisodeData: what a recorded world offers (features, card) and one recorded episode."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from praxia.data.lerobot.features import EXECUTED, FRESH, GOAL, OBJECT_POSES, TARGET, Feature
from praxia.data.lerobot.objects import object_poses, object_rows
from praxia.data.lerobot.pictures import depth_feature, depth_png, mask_feature, png
from praxia.data.lerobot.shard import EpisodeData
from praxia.data.recovery_noise import NoiseRun, RecoveryNoise
from praxia.errors import DataError
from praxia.geometry.scene import ObjectTruth, View
from praxia.registry import register
from praxia.specs import DatasetCard, ViewKeys
from praxia.worlds.world import Demonstrates, Episode, LooksBack, Truth, World

STATE, ACTION = "observation.state", "action"


@register("data/recording")
@dataclass(frozen=True)
class Recording:
    """What is written of every episode. picture_every: control steps from one picture to the next; states and actions are at every step.

    noise: the actions stay the expert's, EXECUTED keeps what was done; while it pushes no picture is taken, the next is taken right after.
    steps: only the first ones of every episode, whatever comes of it (1: still scenes); 0 = until success, failures are not kept.
    """

    noise: RecoveryNoise | None = None
    picture_every: int = 1
    depth: bool = False
    masks: bool = False
    steps: int = 0


def image_key(role: str) -> str:
    """Feature of a view's pictures."""
    return f"observation.images.{role}"


def depth_key(role: str) -> str:
    """Feature of a view's depth."""
    return f"observation.depth.{role}"


def mask_key(role: str) -> str:
    """Feature of a view's instance masks."""
    return f"observation.masks.{role}"


def intrinsics_key(role: str) -> str:
    """Column of a view's fx, fy, cx, cy."""
    return f"observation.cameras.{role}.intrinsics"


def extrinsics_key(role: str) -> str:
    """Column of a view's T_base_cam."""
    return f"observation.cameras.{role}.T_base_cam"


def tool_key(arm: str) -> str:
    """Column of an arm's T_base_tool."""
    return f"observation.tool.{arm}"


def features_of(world: World, truth: Truth, recording: Recording) -> dict[str, Feature]:
    """Features of a dataset recorded in this world. truth: of any running episode (it tells the arms)."""
    features = {
        STATE: Feature("float32", (world.state_spec.width,), [d.name for d in world.state_spec.dims]),
        ACTION: Feature("float32", (world.action_spec.width,), [d.name for d in world.action_spec.dims]),
    }
    for camera in world.cameras:
        features[image_key(camera.role)] = Feature("video", (camera.height, camera.width, 3), ["height", "width", "channels"])
        if recording.depth:
            features[depth_key(camera.role)] = depth_feature(camera.height, camera.width)
        if recording.masks:
            features[mask_key(camera.role)] = mask_feature(camera.height, camera.width)
        if camera.calibrated:
            features[intrinsics_key(camera.role)] = Feature("float32", (4,), ["fx", "fy", "cx", "cy"])
            features[extrinsics_key(camera.role)] = Feature("float32", (16,))
    if recording.noise is not None:
        features[EXECUTED] = features[ACTION]
    features |= {tool_key(arm): Feature("float32", (16,)) for arm in truth.T_base_tool}
    if truth.goal is not None:
        features[GOAL] = Feature("float32", (3,))
    features[OBJECT_POSES] = Feature("float32", (7,))  # widened to the fullest scene at assembly
    features[TARGET] = Feature("int64", (1,))
    features[FRESH] = Feature("bool", (1,))
    return features


def card_of(world: World, truth: Truth, recording: Recording) -> DatasetCard:
    """The card of such a dataset."""
    views = tuple(
        ViewKeys(
            role=c.role,
            image=image_key(c.role),
            depth=depth_key(c.role) if recording.depth else "",
            mask=mask_key(c.role) if recording.masks else "",
            intrinsics=intrinsics_key(c.role) if c.calibrated else "",
            extrinsics=extrinsics_key(c.role) if c.calibrated else "",
            depth_unit="mm" if recording.depth else "m",
            mirrored=c.mirrored,
        )
        for c in world.cameras
    )
    return DatasetCard(
        name=world.name,
        embodiment=world.embodiment,
        fps=world.action_spec.rate_hz,
        views=views,
        action=world.action_spec,
        state=world.state_spec,
        action_key=ACTION,
        state_key=STATE,
        tool_keys={arm: tool_key(arm) for arm in truth.T_base_tool},
        licence=world.licence,
        source=f"scripted experts in the world {world.name!r}",
    )


def record_success(world: World, episode: Episode, recording: Recording, noise_seed: tuple[int, ...], scout: bool = False) -> EpisodeData | None:
    """One episode of the world's expert, or None if it does not reach success (`recording.steps` keeps what there is).

    It goes on for `Demonstrates.release` steps after success. scout: run the episode without pictures first, and render only a success: cheaper where
    failures are likely. A world that `LooksBack` is rendered after success in any case.
    """
    if recording.steps or isinstance(world, LooksBack) or not scout:
        return _run(world, episode, recording, noise_seed, look=True)
    scouted = _run(world, episode, recording, noise_seed, look=False)
    if scouted is None:
        return None
    recorded = _run(world, episode, recording, noise_seed, look=True)
    if recorded is None or not np.array_equal(recorded.columns[STATE], scouted.columns[STATE]):
        raise DataError(
            f"world {world.name!r}: episode {episode} went differently when it was rendered; a world must depend on its episode and actions alone: "
            f"keep random draws and rendering out of its physics"
        )
    return recorded


def _run(world: World, episode: Episode, recording: Recording, noise_seed: tuple[int, ...], look: bool) -> EpisodeData | None:
    instruction = world.reset(episode)
    noise = None
    if recording.noise is not None:
        noise = NoiseRun(recording.noise, world.action_spec, np.random.Generator(np.random.Philox(np.random.SeedSequence(noise_seed))))
    back = world if isinstance(world, LooksBack) else None
    release = world.release if isinstance(world, Demonstrates) else 0
    log, success, last, left = _Log(), False, -recording.picture_every, release
    moments: list[Any] = []
    for step in range(world.max_steps(episode.task)):
        expert = np.asarray(world.expert(), np.float32)
        executed = noise.executed(expert) if noise and not success else expert  # nobody is pushed while letting go
        pushed = executed is not expert
        fresh = step == 0 or (not pushed and step - last >= recording.picture_every)
        last = -recording.picture_every if pushed else step if fresh else last
        if look:
            log.shown.append(log.shown[-1] + fresh if log.shown else 0)
            log.truths.append(world.truth())
            if fresh and back is not None:
                moments.append(back.moment())
            elif fresh:
                log.views.append(world.render(depth=recording.depth, masks=recording.masks))
        log.states.append(np.asarray(world.state(), np.float32))
        log.actions.append(expert)
        log.executed.append(executed)
        log.fresh.append(fresh)
        result = world.step(executed)
        left -= success
        success |= result.success
        if (success and not left) or result.done or step + 1 == recording.steps:
            break
    if not (success or recording.steps):
        return None
    if back is not None:
        log.views = [back.render_moment(moment, depth=recording.depth, masks=recording.masks) for moment in moments]
    fields = {"task_name": episode.task, "seed": episode.seed, "success": success}
    return log.finish(instruction, fields | ({"perturbation": episode.perturbation} if episode.perturbation else {}), recording)


@dataclass
class _Log:
    """Rows of a running episode."""

    states: list[np.ndarray] = field(default_factory=list)
    actions: list[np.ndarray] = field(default_factory=list)
    executed: list[np.ndarray] = field(default_factory=list)
    fresh: list[bool] = field(default_factory=list)
    views: list[tuple[View, ...]] = field(default_factory=list)  # one entry a picture
    shown: list[int] = field(default_factory=list)  # row -> picture
    truths: list[Truth] = field(default_factory=list)

    def finish(self, instruction: str, fields: dict[str, Any], recording: Recording) -> EpisodeData:
        columns: dict[str, np.ndarray] = {STATE: np.stack(self.states), ACTION: np.stack(self.actions), FRESH: np.array(self.fresh)}
        if recording.noise is not None:
            columns[EXECUTED] = np.stack(self.executed)
        if not self.views:  # a scouting run
            return EpisodeData(instruction, columns)
        frames, pictures = {}, {}
        for place, view in enumerate(self.views[0]):
            of_role = [views[place] for views in self.views]
            frames[image_key(view.role)] = [of_role[i].image for i in self.shown]
            if recording.depth:
                pictures[depth_key(view.role)] = self._encoded([depth_png(_present(v, "depth", v.depth)) for v in of_role])
            if recording.masks:
                pictures[mask_key(view.role)] = self._encoded([png(_present(v, "mask", v.mask)) for v in of_role])
            if view.camera is not None:
                columns |= self._cameras(view.role, of_role)
        first, scenes = self.truths[0], [t.objects for t in self.truths]
        for arm in first.T_base_tool:
            columns[tool_key(arm)] = np.stack([t.T_base_tool[arm].reshape(16) for t in self.truths]).astype(np.float32)
        if first.goal is not None:
            columns[GOAL] = np.stack([t.goal for t in self.truths if t.goal is not None]).astype(np.float32)
        scene = _everything(scenes)
        names = [o.name for o in scene]
        if len(set(names)) != len(names):
            raise DataError(f"object names repeat in one scene: {names}; a world must name its objects distinguishably")
        columns[OBJECT_POSES] = np.stack([object_poses(names, objects) for objects in scenes])
        slots = {name: slot for slot, name in enumerate(names)}
        columns[TARGET] = np.array([slots.get(t.target, -1) for t in self.truths], np.int64)
        return EpisodeData(instruction, columns, frames, pictures, object_rows(scene, first.target), fields)

    def _encoded(self, pngs: list[bytes]) -> list[bytes]:
        return [pngs[i] for i in self.shown]

    def _cameras(self, role: str, views: Sequence[View]) -> dict[str, np.ndarray]:
        """Calibration of the picture that a row shows: between two pictures it is the last picture's."""
        cameras = [v.camera for v in views if v.camera is not None]
        K = np.stack([c.K[[0, 1, 0, 1], [0, 1, 2, 2]] for c in cameras])[self.shown]
        columns = {intrinsics_key(role): K.astype(np.float32)}
        poses = [c.T_base_cam for c in cameras if c.T_base_cam is not None]
        if len(poses) == len(views):
            columns[extrinsics_key(role)] = np.stack(poses).reshape(-1, 16)[self.shown].astype(np.float32)
        return columns


def _present(view: View, name: str, picture: np.ndarray | None) -> np.ndarray:
    if picture is None:
        raise DataError(f"view {view.role!r} was rendered without {name}; the world's render() must give what it is asked for")
    return picture


def _everything(scenes: Sequence[tuple[ObjectTruth, ...]]) -> tuple[ObjectTruth, ...]:
    """All objects of an episode, also those that appear later: those of the first time, then the newcomers."""
    found = list(scenes[0])
    for objects in scenes[1:]:
        known = {o.name for o in found}
        found += [o for o in objects if o.name not in known]
    return tuple(found)


def with_fields(episode: EpisodeData, **fields: Any) -> EpisodeData:
    """The episode with further fields."""
    return replace(episode, fields=dict(episode.fields) | fields)
