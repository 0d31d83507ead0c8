"""One episode on disk before assembly: a folder that is there whole or not at all, so that making can be killed and resumed."""

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from praxia.data.lerobot import video
from praxia.data.lerobot.features import BOOKKEEPING, OBJECT_POSES, Feature
from praxia.data.lerobot.pictures import decode_codes
from praxia.data.statistics import Statistics, statistics_of
from praxia.errors import DataError, unknown
from praxia.files import read_json, write_text
from praxia.registry import from_json, to_json

STATISTICS_FRAMES = 8  # pictures of an episode that are looked at for its statistics
STATISTICS_PIXELS = 32  # and about this many pixels along each side

PICTURE_TYPE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


@dataclass(frozen=True)
class EpisodeData:
    """One recorded episode of T steps.

    columns: vector features, [T, width] (or [T] for width 1). frames: video features, T pictures uint8 [H, W, 3] in order (any
    iterable; consumed once). pictures: image features, T encoded PNGs. objects: rows of the objects sidecar without episode_index.
    fields: numbers and strings kept with the episode in `meta/episodes`.
    """

    task: str
    columns: Mapping[str, np.ndarray]
    frames: Mapping[str, Iterable[np.ndarray]] = field(default_factory=dict)
    pictures: Mapping[str, Sequence[bytes]] = field(default_factory=dict)
    objects: Sequence[Mapping[str, Any]] = ()
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Shard:
    """What `shard.json` of a finished shard says."""

    path: Path
    length: int
    task: str
    fields: dict[str, Any]
    objects: tuple[dict[str, Any], ...]
    statistics: dict[str, Statistics]

    def table(self) -> pa.Table:
        """Vector and image columns, [length] rows."""
        return pq.ParquetFile(self.path / "columns.parquet").read()

    def video(self, key: str) -> Path:
        """The episode's own mp4."""
        return self.path / f"{key}.mp4"


def arrow_type(feature: Feature) -> pa.DataType:
    """Parquet type of a column: scalars for shape (1,), fixed-size lists for vectors, struct{bytes, path} for pictures."""
    if feature.dtype == "image":
        return PICTURE_TYPE
    kind = pa.bool_() if feature.dtype == "bool" else pa.string() if feature.dtype == "string" else pa.from_numpy_dtype(np.dtype(feature.dtype))
    return kind if feature.shape == (1,) else pa.list_(kind, feature.width)


def write_shard(path: Path, episode: EpisodeData, features: Mapping[str, Feature], fps: float) -> Shard:
    """Write one episode as a shard folder; returns what was written. Raises DataError when data and features disagree."""
    length = _check(episode, features)
    if OBJECT_POSES in features:  # as many slots as this scene has; assembly widens all episodes to the fullest
        features = dict(features) | {OBJECT_POSES: Feature("float32", (max(1, len(episode.objects)) * 7,))}
    work = path.parent / f".{path.name}.{os.getpid()}"
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    try:
        columns, statistics = {}, {}
        for key, feature in features.items():
            if feature.dtype == "video":
                sampler = _FrameSampler(length)
                count = video.encode(work / f"{key}.mp4", sampler.watch(episode.frames[key]), fps)
                if count != length:
                    raise DataError(
                        f"episode {episode.task!r}: video {key!r} has {count} frames, the columns have {length} rows; give one frame a row"
                    )
                statistics[key] = _channel_statistics(sampler.taken, length)
            elif feature.dtype == "image":
                pngs = episode.pictures[key]
                columns[key] = pa.array([{"bytes": data, "path": None} for data in pngs], PICTURE_TYPE)
                chosen = [decode_codes(pngs[i], f"{key!r}, row {i}")[..., None] for i in _chosen(length)]
                statistics[key] = _channel_statistics([_thinned(c) for c in chosen], length)
            else:
                values = np.asarray(episode.columns[key])
                columns[key] = _column(values, feature)
                if feature.dtype != "string":
                    statistics[key] = statistics_of(values)
        pq.write_table(pa.table(columns), work / "columns.parquet", compression="none")
        record = {
            "length": length,
            "task": episode.task,
            "fields": dict(episode.fields),
            "objects": [dict(row) for row in episode.objects],
            "statistics": statistics,
        }
        write_text(work / "shard.json", json.dumps(to_json(record)))  # thousands of numbers: without indents it is written in C
        shutil.rmtree(path, ignore_errors=True)
        os.rename(work, path)
    except BaseException:
        shutil.rmtree(work, ignore_errors=True)
        raise
    return Shard(path, length, episode.task, record["fields"], tuple(record["objects"]), statistics)


def read_shard(path: Path) -> Shard:
    """Open a finished shard."""
    record = read_json(path / "shard.json")
    statistics = {key: from_json(value) for key, value in record["statistics"].items()}
    return Shard(path, record["length"], record["task"], record["fields"], tuple(record["objects"]), statistics)


def _check(episode: EpisodeData, features: Mapping[str, Feature]) -> int:
    given = [*episode.columns, *episode.frames, *episode.pictures]
    for key in given:
        if key not in features:
            raise DataError(f"episode {episode.task!r}: {unknown('feature', key, features)}")
    for key in features:
        if key in BOOKKEEPING or "/" in key:
            raise DataError(f"feature name {key!r} is reserved or contains '/'; choose another name")
        if not features[key].is_picture and len(features[key].shape) != 1:
            raise DataError(f"feature {key!r} has shape {list(features[key].shape)}; vectors are written flat: declare [{features[key].width}]")
        if key not in given:
            raise DataError(f"episode {episode.task!r}: feature {key!r} is missing; given: {', '.join(given)}")
    lengths = {key: len(values) for key, values in [*episode.columns.items(), *episode.pictures.items()]}
    if len(set(lengths.values())) != 1 or not next(iter(lengths.values())):
        raise DataError(f"episode {episode.task!r}: features have unequal or zero lengths {lengths}; expected one row a step in each")
    return next(iter(lengths.values()))


def _column(values: np.ndarray, feature: Feature) -> pa.Array:
    kind = arrow_type(feature)
    if feature.dtype == "string":
        return pa.array(values.reshape(-1).tolist(), kind)
    flat = np.ascontiguousarray(values, "bool" if feature.dtype == "bool" else feature.dtype).reshape(-1)
    if feature.shape == (1,):
        return pa.array(flat, kind)
    if flat.size != len(values) * feature.width:
        raise DataError(
            f"a vector feature has {flat.size // max(1, len(values))} numbers a row; its declared shape {list(feature.shape)} has {feature.width}"
        )
    return pa.FixedSizeListArray.from_arrays(pa.array(flat), feature.width)


def _chosen(length: int) -> list[int]:
    return sorted(set(np.linspace(0, length - 1, min(length, STATISTICS_FRAMES)).round().astype(int).tolist()))


def _thinned(picture: np.ndarray) -> np.ndarray:
    step = max(1, max(picture.shape[:2]) // STATISTICS_PIXELS)
    return np.asarray(picture[::step, ::step], np.float64) / 255.0


class _FrameSampler:
    """Passes frames through and keeps a thinned copy of a few of them."""

    def __init__(self, length: int) -> None:
        self._numbers = set(_chosen(length))
        self.taken: list[np.ndarray] = []

    def watch(self, frames: Iterable[np.ndarray]) -> Iterable[np.ndarray]:
        for i, frame in enumerate(frames):
            if i in self._numbers:
                self.taken.append(_thinned(frame))
            yield frame


def _channel_statistics(pictures: list[np.ndarray], length: int) -> Statistics:
    """Per channel, in units of 1/255 of the stored code, as LeRobot has it; count = rows of the episode."""
    pixels = np.concatenate([p.reshape(-1, p.shape[-1]) for p in pictures])
    found = statistics_of(pixels)
    return Statistics(**{**found.__dict__, "count": length})
