"""Video files through PyAV: H.264 with a key frame every second frame, so that random reads decode at most two frames."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter

from praxia.errors import DataError

# One encoder thread, no B-frames, the same algorithms whatever the processor offers: equal frames give equal bytes on any machine with this build of
# the encoder. Left to choose for itself, x264 wrote other bytes with AVX-512 than with AVX2, and now and then (one video in a thousand) others again.
_ENCODER = {
    "crf": "18",
    "preset": "veryfast",
    "g": "2",
    "bf": "0",
    "threads": "1",
    "x264-params": "keyint=2:min-keyint=1:scenecut=0:bframes=0:threads=1:cpu-independent=1",
}
_SMALL = 256 * 256  # pixels: threads that each decode a frame pay off above it
_CONTAINER = {"fflags": "+bitexact"}  # no version tags and dates in the file


def rate(fps: float) -> Fraction:
    """Frame rate as a ratio an mp4 can hold."""
    return Fraction(fps).limit_denominator(1001)


def video_info(fps: float, height: int, width: int) -> dict[str, Any]:
    """The `info` entry LeRobot keeps with a video feature."""
    return {
        "video.fps": int(fps) if float(fps).is_integer() else fps,
        "video.height": height,
        "video.width": width,
        "video.channels": 3,
        "video.codec": "h264",
        "video.pix_fmt": "yuv420p",
        "video.is_depth_map": False,
        "has_audio": False,
    }


def encode(path: Path, frames: Iterable[np.ndarray], fps: float) -> int:
    """Write uint8 [H, W, 3] frames to an mp4; returns their number. H and W must be even (yuv420p)."""
    count, stream = 0, None
    with av.open(str(path), "w", format="mp4", options=_CONTAINER) as file:
        for frame in frames:
            if stream is None:
                height, width = frame.shape[:2]
                if height % 2 or width % 2:
                    raise DataError(f"video frames are {height} x {width}; H.264 yuv420p needs even sides: render or crop to even sizes")
                stream = file.add_stream("libx264", rate=rate(fps), options=_ENCODER)
                stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame), format="rgb24")))
            count += 1
        if stream is None:
            raise DataError(f"no frames to write to {path}; an episode needs at least one picture")
        file.mux(stream.encode())
    return count


def concatenate(path: Path, parts: Sequence[Path], fps: float) -> None:
    """Join mp4 files of one encoder and size without decoding: packets are copied, their times set to frame number / fps."""
    with av.open(str(path), "w", format="mp4", options=_CONTAINER) as out:
        target, first = None, 0
        for part in parts:
            with av.open(str(part)) as source:
                stream = source.streams.video[0]
                if target is None:
                    target = out.add_stream_from_template(stream)
                packets = [packet for packet in source.demux(stream) if packet.dts is not None]
                for i, packet in enumerate(packets):  # no B-frames: decoding order is display order
                    time = int((first + i) / rate(fps) / packet.time_base)
                    packet.pts = packet.dts = time
                    packet.stream = target
                    out.mux(packet)
                first += len(packets)


class VideoReader:
    """Frames of one video file by number. Keeps the file open; sequential reads do not seek. Not thread-safe."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise DataError(f"video {path} is missing; copy or download the dataset's videos/ folder completely")
        try:
            self._file = av.open(str(path))
            self._stream = self._file.streams.video[0]
            self._times = sorted(packet.pts for packet in self._file.demux(self._stream) if packet.pts is not None)
        except (FFmpegError, IndexError) as error:
            raise DataError(f"video {path} cannot be opened ({error}); the file is truncated or no video: copy or download it again") from error
        self._stream.thread_type = "SLICE"  # frame threads would add latency to every seek
        self._number = {time: i for i, time in enumerate(self._times)}
        self._decoder: Iterator[av.VideoFrame] | None = None
        self._next = 0

    def __len__(self) -> int:
        return len(self._times)

    @property
    def fps(self) -> float:
        """Average frame rate of the stream."""
        return float(self._stream.average_rate or 0)

    def times(self) -> np.ndarray:
        """Presentation time of every frame, float64 [N] seconds."""
        return np.asarray(self._times, np.float64) * float(self._stream.time_base or 0)

    def read(self, number: int) -> np.ndarray:
        """Frame `number` as uint8 [H, W, 3]."""
        if not 0 <= number < len(self._times):
            raise DataError(f"video {self.path} has {len(self._times)} frames, frame {number} was asked for; the file is truncated: copy it again")
        if self._decoder is None or not self._next <= number < self._next + 4:
            self._file.seek(self._times[number], stream=self._stream)
            self._decoder = self._file.decode(self._stream)
        try:
            for frame in self._decoder:
                at = self._number.get(frame.pts or 0, -1)
                if at >= number:
                    self._next = at + 1
                    return frame.to_ndarray(format="rgb24")
        except FFmpegError as error:
            raise DataError(f"video {self.path}: frame {number} cannot be decoded ({error}); copy or download the file again") from error
        raise DataError(f"video {self.path}: frame {number} of {len(self._times)} cannot be decoded; copy or download the file again")

    def close(self) -> None:
        """Release the file."""
        self._file.close()


def decode_in_order(path: Path, wanted: Collection[int]) -> Iterator[tuple[int, np.ndarray]]:
    """(number, uint8 [H, W, 3]) of the wanted frames in display order, up to the last of them."""
    if not path.is_file():
        raise DataError(f"video {path} is missing; copy or download the dataset's videos/ folder completely")
    try:
        with av.open(str(path)) as file:
            stream = file.streams.video[0]
            small = stream.width * stream.height <= _SMALL
            stream.thread_type = "SLICE" if small else "AUTO"
            reformatter = VideoReformatter()  # one for all frames: a frame's own `to_ndarray` sets up a conversion each time
            last = max(wanted, default=-1)
            for number, frame in enumerate(file.decode(stream)):
                if number in wanted:
                    yield number, reformatter.reformat(frame, format="rgb24").to_ndarray()
                if number >= last:
                    break
    except (FFmpegError, IndexError) as error:
        raise DataError(f"video {path} cannot be decoded ({error}); the file is truncated or corrupt: copy or download it again") from error
