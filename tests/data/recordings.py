"""Small recordings with known contents, for the data tests."""

from pathlib import Path

import numpy as np

from praxia.data.lerobot.features import FRESH, OBJECT_POSES, Feature
from praxia.data.lerobot.objects import object_poses, object_rows
from praxia.data.lerobot.pictures import depth_feature, depth_png, mask_feature, png
from praxia.data.lerobot.shard import EpisodeData
from praxia.data.lerobot.writer import LeRobotWriter
from praxia.geometry.scene import ObjectTruth
from praxia.specs import ActionSpec, DatasetCard, Dim, StateSpec, ViewKeys

H, W, FPS = 48, 64, 20.0
LENGTHS = (7, 12, 5)
TASKS = ("push the red box", "reach the blue ball", "push the red box")

FEATURES = {
    "observation.state": Feature("float32", (3,), ["x", "y", "gripper"]),
    "action": Feature("float32", (2,), ["x", "gripper"]),
    "observation.images.head": Feature("video", (H, W, 3), ["height", "width", "channels"]),
    "observation.depth.head": depth_feature(H, W),
    "observation.masks.head": mask_feature(H, W),
    "observation.cameras.head.intrinsics": Feature("float32", (4,)),
    "observation.cameras.head.T_base_cam": Feature("float32", (16,)),
    "observation.tool.arm": Feature("float32", (16,)),
    OBJECT_POSES: Feature("float32", (7,)),
    FRESH: Feature("bool", (1,)),
}


def card() -> DatasetCard:
    """The meaning of what `episode` records."""
    view = ViewKeys(
        role="head",
        image="observation.images.head",
        depth="observation.depth.head",
        mask="observation.masks.head",
        intrinsics="observation.cameras.head.intrinsics",
        extrinsics="observation.cameras.head.T_base_cam",
        depth_unit="mm",
    )
    x, y = Dim("x", "position", "m", "base"), Dim("y", "position", "m", "base")
    gripper = Dim("gripper", "gripper", sense="open_positive")
    action = ActionSpec((Dim("x", "position", "m", "base", "delta"), gripper), FPS)
    return DatasetCard(
        "little", "arm", FPS, (view,), action, StateSpec((x, y, gripper)), tool_keys={"arm": "observation.tool.arm"}, licence="CC0-1.0"
    )


def picture(episode: int, step: int) -> np.ndarray:
    """uint8 [H, W, 3]: a smooth ramp whose brightness tells the step, with a bar that moves."""
    image = np.zeros((H, W, 3), np.uint8)
    image[..., 0] = np.linspace(0, 120, W)[None, :]
    image[..., 1] = 40 + 12 * (step % 16)
    image[..., 2] = 60 + 50 * episode
    image[16:32, (4 * step) % W : (4 * step) % W + 8] = 230
    return image


def depth(step: int) -> np.ndarray:
    """float32 [H, W] metres with an unknown corner."""
    out = np.full((H, W), 0.5 + 0.01 * step, np.float32)
    out[:4, :4] = 0.0
    return out


def mask(step: int) -> np.ndarray:
    """int32 [H, W]: one object, id 300 (does not fit 8 bits)."""
    out = np.zeros((H, W), np.int32)
    out[10:20, step : step + 9] = 300
    return out


def camera_pose(step: int) -> np.ndarray:
    """float64 [4, 4]: looks down from above and slides."""
    T = np.diag([1.0, -1.0, -1.0, 1.0])
    T[:3, 3] = [0.01 * step, 0.0, 1.0]
    return T


def tool_pose(step: int) -> np.ndarray:
    """float64 [4, 4]."""
    T = np.eye(4)
    T[:3, 3] = [0.1 * step, 0.2, 0.3]
    return T


def objects(step: int) -> tuple[ObjectTruth, ...]:
    """One box that turns about z, then disappears."""
    if step >= 4:
        return ()
    angle = 0.3 * step
    T = np.eye(4)
    T[:2, :2] = [[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]
    T[:3, 3] = [0.4, 0.01 * step, 0.05]
    return (ObjectTruth("red box", "box", "red", T, np.array([0.04, 0.05, 0.06]), 300),)


def vectors(episode: int, length: int) -> dict[str, np.ndarray]:
    """State and action columns whose numbers name their episode and step."""
    step = np.arange(length, dtype=np.float32)
    state = np.stack([step, np.full(length, episode, np.float32), step % 2], axis=1)
    return {"observation.state": state, "action": np.stack([100.0 * episode + step, step % 2], axis=1).astype(np.float32)}


def episode(number: int, length: int, task: str, picture_every: int = 1) -> EpisodeData:
    """One episode with every kind of feature."""
    steps = range(length)
    shown = [step - step % picture_every for step in steps]
    names = ["red box"]
    columns = vectors(number, length) | {
        "observation.cameras.head.intrinsics": np.tile(np.float32([60, 61, 31.5, 23.5]), (length, 1)),
        "observation.cameras.head.T_base_cam": np.stack([camera_pose(s).reshape(-1) for s in steps]).astype(np.float32),
        "observation.tool.arm": np.stack([tool_pose(s).reshape(-1) for s in steps]).astype(np.float32),
        OBJECT_POSES: np.stack([object_poses(names, objects(s)) for s in steps]),
        FRESH: np.array([s % picture_every == 0 for s in steps]),
    }
    return EpisodeData(
        task=task,
        columns=columns,
        frames={"observation.images.head": (picture(number, s) for s in shown)},
        pictures={"observation.depth.head": [depth_png(depth(s)) for s in shown], "observation.masks.head": [png(mask(s)) for s in shown]},
        objects=object_rows(objects(0), "red box"),
        fields={"seed": 10 + number, "attempts": 1, "success": True},
    )


def write_little(root: Path, picture_every: int = 1) -> Path:
    """A dataset of three episodes."""
    writer = LeRobotWriter(root, FEATURES, FPS, robot_type="arm", card=card())
    for number, (length, task) in enumerate(zip(LENGTHS, TASKS, strict=True)):
        writer.add(episode(number, length, task, picture_every))
    return writer.finalize()
