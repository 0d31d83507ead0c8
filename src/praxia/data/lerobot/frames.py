"""Pictures of one feature by dataset row, decoded when asked for."""

import os
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pyarrow as pa

from praxia.data.lerobot.pictures import decode_codes, decode_colour
from praxia.data.lerobot.tables import Tables
from praxia.data.lerobot.video import VideoReader
from praxia.errors import DataError

_OPEN_VIDEOS = 8
_OPEN_FILES = 2


class LazyFrames:
    """Random access to the pictures of a video or image feature. `get(row)`: uint8 [H, W, 3], or integer codes [H, W]."""

    def __init__(self, tables: Tables, key: str, codes: bool = False) -> None:
        self._tables, self.key, self._codes = tables, key, codes
        self._feature = tables.info.features[key]
        self._videos: OrderedDict[Path, VideoReader] = OrderedDict()
        self._process = os.getpid()
        self._files: OrderedDict[int, pa.ChunkedArray] = OrderedDict()
        if self._feature.dtype == "video":
            if codes:
                raise DataError(f"{tables.root}: {key!r} is a video; depth and masks are read from image features (16-bit PNG) only")
            self._starts = np.asarray([e.start for e in tables.episodes])

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) as declared."""
        return self._feature.size

    def place(self, row: int) -> tuple[Path, int]:
        """Video file and frame number of a row: the frame whose time is nearest to the episode's start plus the row's."""
        episode = self._tables.episodes[int(np.searchsorted(self._starts, row, side="right")) - 1]
        span = episode.videos[self.key]
        return span.path, round(span.from_seconds * self._tables.info.fps) + row - episode.start

    def get(self, row: int) -> np.ndarray:
        """The picture of a row. Raises DataError when it has another size than declared: K would belong to another picture."""
        picture = self._decode(row)
        self.check_size(picture, f"row {row}")
        return picture

    def check_size(self, picture: np.ndarray, where: str) -> None:
        """Raises DataError unless a picture has the size that info.json declares."""
        if picture.shape[:2] != self.size:
            raise DataError(
                f"{self._tables.root}, {self.key!r}, {where}: the picture is {picture.shape[0]} x {picture.shape[1]}, info.json says "
                f"{self.size[0]} x {self.size[1]}; correct the feature's shape, or store the pictures in one size"
            )

    def _decode(self, row: int) -> np.ndarray:
        if self._feature.dtype == "video":
            path, number = self.place(row)
            return self._video(path).read(number)
        starts = self._tables.file_rows
        file = int(np.searchsorted(starts, row, side="right")) - 1
        data = self._file(file)[row - int(starts[file])].as_py()
        where = f"{self._tables.files[file]}, {self.key!r}, row {row - int(starts[file])}"
        if data is None:
            raise DataError(f"{where}: the picture is null (stored as a path outside the dataset?); write pictures into the parquet")
        return decode_codes(data, where) if self._codes else decode_colour(data, where)

    def _video(self, path: Path) -> VideoReader:
        if self._process != os.getpid():
            # A forked process shares the position in each open file and has none of the decoders' threads. Closing would wait for those.
            self._inherited, self._videos, self._process = self._videos, OrderedDict(), os.getpid()
        if path not in self._videos:
            while len(self._videos) >= _OPEN_VIDEOS:
                self._videos.popitem(last=False)[1].close()
            self._videos[path] = VideoReader(path)
        self._videos.move_to_end(path)
        return self._videos[path]

    def _file(self, file: int) -> pa.ChunkedArray:
        if file not in self._files:
            while len(self._files) >= _OPEN_FILES:
                self._files.popitem(last=False)
            self._files[file] = self._tables.picture_bytes(self.key, file)
        self._files.move_to_end(file)
        return self._files[file]

    def __getstate__(self) -> dict:
        return self.__dict__ | {"_videos": OrderedDict(), "_files": OrderedDict()}
