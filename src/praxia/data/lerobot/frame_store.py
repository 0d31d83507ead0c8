"""Frame store: every picture decoded once into a memory-mapped file of raw frames, so that training reads at memory speed.

A store is a folder in the cache named by the content of the files it was made of; one process builds it, others wait for it.
"""

import os
import shutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from praxia.data.cache import cache_folder, content_key, one_process
from praxia.data.lerobot.features import FRESH
from praxia.data.lerobot.frames import LazyFrames
from praxia.data.lerobot.tables import Tables
from praxia.data.lerobot.video import decode_in_order
from praxia.data.progress import progress
from praxia.errors import DataError
from praxia.files import write_json
from praxia.geometry.image_transform import stretch

DEFAULT_CAP_GB = 40.0
_FORMAT = 1


def shown_size(stored: tuple[int, int], max_side: int | None) -> tuple[int, int]:
    """(height, width) after shrinking so that the longer side is at most `max_side`; aspect kept, never enlarged."""
    height, width = stored
    if max_side is None or max(height, width) <= max_side:
        return stored
    scale = max_side / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))


def resize_colour(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Antialiased resize of uint8 [H, W, 3]."""
    if picture.shape[:2] == size:
        return picture
    return np.asarray(Image.fromarray(picture).resize((size[1], size[0]), Image.Resampling.BILINEAR))


def resize_codes(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Nearest-neighbour resize of depth codes or instance ids [H, W]: never a value that was not there."""
    if picture.shape[:2] == size:
        return picture
    rows = ((np.arange(size[0]) + 0.5) * picture.shape[0] / size[0]).astype(int)
    columns = ((np.arange(size[1]) + 0.5) * picture.shape[1] / size[1]).astype(int)
    return picture[rows[:, None], columns]


@dataclass(frozen=True)
class Frames:
    """Pictures of one feature by dataset row: from the memory map when a store was built, else decoded on demand.

    `get(row)` gives a fresh uint8 [h, w, 3] (or integer codes [h, w]); `affine` float64 [2, 3] maps stored to shown pixels.
    """

    size: tuple[int, int]
    affine: np.ndarray
    codes: bool
    lazy: LazyFrames
    path: Path | None  # raw frames [slots, h, w(, 3)]
    slot: np.ndarray | None  # int32 [N]: dataset row -> slot

    def get(self, row: int) -> np.ndarray:
        """The picture of a row."""
        if self.path is None or self.slot is None:
            picture = self.lazy.get(row)
            return resize_codes(picture, self.size) if self.codes else resize_colour(picture, self.size)
        return np.array(self._map[self.slot[row]])

    @cached_property
    def _map(self) -> np.ndarray:
        assert self.path is not None
        return np.load(self.path, mmap_mode="r").view(np.ndarray)  # plain indexing is cheaper than that of np.memmap

    def __getstate__(self) -> dict:
        """Without the map: pickling it would copy every frame; the other process opens its own."""
        return {k: v for k, v in self.__dict__.items() if k != "_map"}


def open_frames(
    tables: Tables,
    key: str,
    codes: bool = False,
    max_side: int | None = None,
    store: bool = True,
    cap_gb: float = DEFAULT_CAP_GB,
    cache: Path | None = None,
) -> Frames:
    """Pictures of a feature, through a frame store when it fits below `cap_gb` and half of the free disk, else decoded on demand.

    cache: folder of the stores; the user's cache folder if None. codes: depth or masks, integers [h, w].
    """
    lazy = LazyFrames(tables, key, codes)
    size = shown_size(lazy.size, max_side)
    plain = Frames(size, stretch(lazy.size, size).affine, codes, lazy, None, None)
    if not store:
        return plain
    rows, slot = _distinct_rows(tables)
    need = len(rows) * size[0] * size[1] * (2 if codes else 3)
    base = cache or cache_folder("frames")
    base.mkdir(parents=True, exist_ok=True)
    path = base / content_key(_sources(tables, key), _FORMAT, key, codes, size, len(tables)) if need <= cap_gb * 1e9 else None
    if path is not None and not (path / "done.json").is_file() and need > shutil.disk_usage(base).free / 2:
        path = None
    if path is None:
        warnings.warn(
            f"frames of {key!r} need {need / 1e9:.1f} GB decoded; the cap is {cap_gb:g} GB and half of the free disk under {base}: "
            f"decoding on demand instead (slower). Raise the cap, free space, or give a smaller max_side",
            stacklevel=2,
        )
        return plain
    _build(path, tables, plain, key, rows)
    return Frames(size, plain.affine, codes, lazy, path / "frames.npy", slot)


def _distinct_rows(tables: Tables) -> tuple[np.ndarray, np.ndarray]:
    """Rows with a new picture, and for every row the slot of the picture it shows."""
    if FRESH not in tables.info.features:
        return np.arange(len(tables)), np.arange(len(tables), dtype=np.int32)
    fresh = np.array(tables.column(FRESH), bool)
    fresh[[e.start for e in tables.episodes]] = True
    return np.flatnonzero(fresh), np.cumsum(fresh, dtype=np.int32) - 1


def _sources(tables: Tables, key: str) -> tuple[Path, ...]:
    if tables.info.features[key].dtype == "image":
        return tables.files
    paths = tuple(dict.fromkeys(e.videos[key].path for e in tables.episodes))
    for path in paths:
        if not path.is_file():
            raise DataError(f"video {path} is missing; copy or download the dataset's videos/ folder completely")
    return paths


def _build(path: Path, tables: Tables, frames: Frames, key: str, rows: np.ndarray) -> None:
    """Make the store unless it is there. A lock lets one process build; a half-made file never gets the final name."""
    if (path / "done.json").is_file():
        return
    path.mkdir(parents=True, exist_ok=True)
    with one_process(path):
        if (path / "done.json").is_file():
            return
        shape = (len(rows), *frames.size) if frames.codes else (len(rows), *frames.size, 3)
        work = path / "frames.npy.part"
        out = np.lib.format.open_memmap(work, mode="w+", dtype=np.uint16 if frames.codes else np.uint8, shape=shape)
        _reserve(work)
        resize = resize_codes if frames.codes else resize_colour
        with progress(f"decoding {key}", len(rows)) as advance:
            for slot, picture in _in_order(tables, frames.lazy, key, rows):
                out[slot] = resize(picture, frames.size)
                advance(1)
        out.flush()
        del out
        os.replace(work, path / "frames.npy")
        write_json(path / "done.json", {"key": key, "shape": shape, "affine": frames.affine, "stored": frames.lazy.size})


def _reserve(path: Path) -> None:
    """Claim the disk space now: running out of it while writing to a memory map kills the process without a word."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            path.unlink()
            raise DataError(
                f"{size / 1e9:.1f} GB for decoded frames cannot be had under {path.parent} ({error.strerror}); "
                f"free space, set XDG_CACHE_HOME to another disk, or give a smaller picture size"
            ) from error


def _in_order(tables: Tables, lazy: LazyFrames, key: str, rows: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """(slot, picture) of the wanted rows; every video file is decoded once from front to back."""
    if tables.info.features[key].dtype == "image":
        for slot, row in enumerate(rows):
            yield slot, lazy.get(int(row))
        return
    wanted: dict[Path, dict[int, list[int]]] = {}
    for slot, row in enumerate(rows):
        path, number = lazy.place(int(row))
        wanted.setdefault(path, {}).setdefault(number, []).append(slot)
    for path, numbers in wanted.items():
        left = len(numbers)
        for number, picture in decode_in_order(path, numbers):
            lazy.check_size(picture, f"frame {number} of {path.name}")
            left -= 1
            for slot in numbers[number]:
                yield slot, picture
        if left:
            raise DataError(
                f"video {path} ends before frame {max(numbers)}: {left} of {len(numbers)} wanted frames are missing; it is truncated, copy it again"
            )
