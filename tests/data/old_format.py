"""Writes the little recording in the layout of LeRobotDataset v2.1 (independent of the package's writer)."""

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import recordings as R

from praxia.data.card import write_card
from praxia.data.lerobot.video import encode
from praxia.specs import DatasetCard, ViewKeys

KEY = "observation.images.head"


def card() -> DatasetCard:
    """Pictures, states and actions only, with constant calibration."""
    T = tuple(R.camera_pose(0).reshape(-1).tolist())
    view = ViewKeys("head", KEY, K=(60.0, 61.0, 31.5, 23.5), T_base_cam=T)
    full = R.card()
    return DatasetCard("old", "arm", R.FPS, (view,), full.action, full.state)


def write_v21(root: Path, version: str = "v2.1") -> Path:
    """Three episodes, two per chunk."""
    lines: dict[str, list[dict]] = {"episodes": [], "episodes_stats": []}
    tasks = list(dict.fromkeys(R.TASKS))
    first = 0
    for number, (length, task) in enumerate(zip(R.LENGTHS, R.TASKS, strict=True)):
        chunk = f"chunk-{number // 2:03d}"
        columns = R.vectors(number, length)
        table = {
            "observation.state": pa.array(columns["observation.state"].tolist(), pa.list_(pa.float32())),  # variable-size lists, as old files have
            "action": pa.array(columns["action"].tolist(), pa.list_(pa.float32())),
            "timestamp": pa.array((np.arange(length) / R.FPS).astype(np.float32)),
            "frame_index": pa.array(np.arange(length)),
            "episode_index": pa.array(np.full(length, number)),
            "index": pa.array(first + np.arange(length)),
            "task_index": pa.array(np.full(length, tasks.index(task))),
        }
        first += length
        path = root / "data" / chunk / f"episode_{number:06d}.parquet"
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(pa.table(table), path)
        video = root / "videos" / chunk / KEY / f"episode_{number:06d}.mp4"
        video.parent.mkdir(parents=True, exist_ok=True)
        encode(video, (R.picture(number, s) for s in range(length)), R.FPS)
        lines["episodes"].append({"episode_index": number, "tasks": [task], "length": length})
        stats = {
            key: {name: getattr(v, name)(axis=0).tolist() for name in ("min", "max", "mean", "std")} | {"count": [length]}
            for key, v in columns.items()
        }
        lines["episodes_stats"].append({"episode_index": number, "stats": stats})
    features = {
        key: {"dtype": f.dtype, "shape": list(f.shape), "names": f.names}
        for key, f in R.FEATURES.items()
        if key in ("observation.state", "action", KEY)
    }
    features |= {key: {"dtype": "int64", "shape": [1], "names": None} for key in ("frame_index", "episode_index", "index", "task_index")}
    features |= {"timestamp": {"dtype": "float32", "shape": [1], "names": None}}
    info = {
        "codebase_version": version,
        "robot_type": "arm",
        "total_episodes": 3,
        "total_frames": first,
        "total_tasks": 2,
        "total_videos": 3,
        "total_chunks": 2,
        "chunks_size": 2,
        "fps": 20,
        "splits": {"train": "0:3"},
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
        "features": features,
    }
    meta = root / "meta"
    meta.mkdir()
    (meta / "info.json").write_text(json.dumps(info))
    lines["tasks"] = [{"task_index": i, "task": task} for i, task in enumerate(tasks)]
    for name, rows in lines.items():
        if version == "v2.1" or name != "episodes_stats":
            (meta / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    write_card(root, card())
    return root
