"""Run by lerobot's own environment: `read ROOT` reports what lerobot sees; `write ROOT` records a dataset with it."""

import json
import sys

import numpy as np
from lerobot.datasets.lerobot_dataset import LeRobotDataset


def read(root: str, out: str) -> None:
    """Rows 0, 9 and the last as lerobot gives them, with a window of actions."""
    dataset = LeRobotDataset("praxia/little", root=root, delta_timestamps={"action": [0.0, 0.05, 0.1]})
    arrays, rows = {}, []
    for row in (0, 9, len(dataset) - 1):
        item = dataset[row]
        rows.append({"row": row, "task": item["task"]})
        arrays |= {f"{row}/{key}": np.asarray(value) for key, value in item.items() if key != "task"}
    np.savez(out, **arrays)
    report = {
        "length": len(dataset),
        "episodes": dataset.num_episodes,
        "fps": dataset.fps,
        "features": sorted(dataset.features),
        "rows": rows,
        "action_mean": dataset.meta.stats["action"]["mean"].tolist(),
        "one_episode": len(LeRobotDataset("praxia/little", root=root, episodes=[1])),
    }
    print(json.dumps(report))


def picture(episode: int, step: int) -> np.ndarray:
    image = np.full((48, 64, 3), 60 + 20 * episode, np.uint8)
    image[8:40, 4 * step : 4 * step + 12] = (200, 60, 40)
    return image


def write(root: str, out: str) -> None:
    """Two episodes with one video and one image feature."""
    features = {
        "observation.state": {"dtype": "float32", "shape": (2,), "names": ["shoulder_pan.pos", "gripper.pos"]},
        "action": {"dtype": "float32", "shape": (2,), "names": ["shoulder_pan.pos", "gripper.pos"]},
        "observation.images.front": {"dtype": "video", "shape": (48, 64, 3), "names": ["height", "width", "channels"]},
        "observation.images.wrist": {"dtype": "image", "shape": (48, 64, 3), "names": ["height", "width", "channels"]},
    }
    dataset = LeRobotDataset.create("praxia/theirs", fps=10, features=features, root=root, robot_type="so100", use_videos=True)
    for episode, (length, task) in enumerate(((8, "wave"), (6, "grasp the cube"))):
        for step in range(length):
            state = np.array([step, episode], np.float32)
            shown = picture(episode, step)
            frame = {"observation.state": state, "action": state + 10, "observation.images.front": shown, "observation.images.wrist": shown}
            dataset.add_frame(frame | {"task": task})
        dataset.save_episode()
    dataset.finalize()
    np.savez(out, **{f"{e}/{s}": picture(e, s) for e, n in ((0, 8), (1, 6)) for s in range(n)})
    print(json.dumps({"length": len(dataset)}))


if __name__ == "__main__":
    {"read": read, "write": write}[sys.argv[1]](sys.argv[2], sys.argv[3])
