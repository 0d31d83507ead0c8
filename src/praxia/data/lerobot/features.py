"""What a LeRobotDataset declares about its columns (`meta/info.json`) and where its files are."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from praxia.errors import DataError

V30 = "v3.0"
DATA_PATH = "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"
VIDEO_PATH = "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4"
EPISODES_PATH = "meta/episodes/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet"

# Columns every LeRobotDataset has, written by the writer and never by the caller.
BOOKKEEPING: dict[str, str] = {
    "timestamp": "float32",
    "frame_index": "int64",
    "episode_index": "int64",
    "index": "int64",
    "task_index": "int64",
}

FRESH = "observation.fresh"  # bool: this row has a new picture; elsewhere the video repeats the last one
EXECUTED = "executed_action"  # float32 [Da]: what the robot did where it was not `action`, the expert's label (recovery noise)
GOAL = "observation.goal"  # float32 [3]: where the task's goal is now, base frame; NaN = the task has none
TARGET = "observation.objects.target"  # int64: slot of the object that is to be acted on now (of several steps the one not yet done), -1 = none
OBJECT_POSES = "observation.objects.pose"  # float32 [slots * 7]: x y z, quaternion w x y z; NaN = absent


@dataclass(frozen=True)
class Feature:
    """One column or stream: dtype as in `info.json` ("video", "image", "float32", "int64", "bool", "string", ...)."""

    dtype: str
    shape: tuple[int, ...]
    names: Any = None  # None, a list of names, or a dictionary as some recorders write it
    info: dict[str, Any] = field(default_factory=dict)

    @property
    def is_picture(self) -> bool:
        """Pictures in a video file or as encoded bytes in the parquet."""
        return self.dtype in ("video", "image")

    @property
    def is_depth(self) -> bool:
        """Codes of distance, not colours."""
        return bool(self.info.get("is_depth_map") or self.info.get("video.is_depth_map"))

    @property
    def width(self) -> int:
        """Numbers per row of a vector feature."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of a picture; shapes may be HWC or CHW: the axis names decide, then the small axis."""
        if len(self.shape) != 3:
            raise DataError(f"picture feature has shape {list(self.shape)}; expected three axes, [height, width, channels]")
        names = self.names if isinstance(self.names, list) else []
        channels_first = names[:1] in (["channel"], ["channels"]) or (not names and self.shape[0] in (1, 3) and self.shape[2] not in (1, 3))
        height, width = self.shape[1:] if channels_first else self.shape[:2]
        return height, width


@dataclass(frozen=True)
class Info:
    """`meta/info.json`, whatever version wrote it."""

    version: str  # "v3.0", "v2.1", "v2.0"
    fps: float
    features: dict[str, Feature]
    total_episodes: int
    total_frames: int
    data_path: str
    video_path: str | None
    chunks_size: int = 1000
    robot_type: str = ""
    raw: dict[str, Any] = field(default_factory=dict)

    def keys(self, *dtypes: str) -> tuple[str, ...]:
        """Names of the features of the given dtypes, in file order."""
        return tuple(key for key, feature in self.features.items() if feature.dtype in dtypes)


def read_info(root: Path | str) -> Info:
    """Read and check `meta/info.json`. Raises DataError when the folder is no LeRobotDataset or its version is not read."""
    path = Path(root) / "meta" / "info.json"
    if not path.is_file():
        raise DataError(f"{root} is no LeRobotDataset: {path} is missing; give the folder that contains meta/, data/ and videos/")
    try:
        raw = json.loads(path.read_text())
    except ValueError as error:
        raise DataError(f"{path} is not valid JSON ({error}); copy or download the dataset's meta folder again") from error
    version = str(raw.get("codebase_version", ""))
    if version not in (V30, "v2.1", "v2.0"):
        raise DataError(f"{path}: codebase_version is {version!r}; v3.0, v2.1 and v2.0 are read")
    try:
        features = {
            key: Feature(f["dtype"], tuple(f["shape"]), f.get("names"), dict(f.get("info") or {}) | dict(f.get("video_info") or {}))
            for key, f in raw["features"].items()
        }
        info = Info(
            version=version,
            fps=float(raw["fps"]),
            features=features,
            total_episodes=int(raw["total_episodes"]),
            total_frames=int(raw["total_frames"]),
            data_path=raw["data_path"],
            video_path=raw.get("video_path"),
            chunks_size=int(raw.get("chunks_size", 1000)),
            robot_type=raw.get("robot_type") or "",
            raw=raw,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path}: field {error} is missing or malformed; the file was not written by a LeRobotDataset writer") from error
    if info.total_episodes == 0 or info.total_frames == 0:
        raise DataError(f"{root} is empty: info.json counts {info.total_episodes} episodes and {info.total_frames} frames; record or make some first")
    if not info.fps > 0:
        raise DataError(f"{path}: fps is {info.fps}; expected a positive number of frames per second")
    return info
