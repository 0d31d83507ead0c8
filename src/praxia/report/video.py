"""Frames -> mp4 bytes (H.264 through PyAV) that every browser plays."""

import io
from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np

from praxia.errors import DataError

_HEIGHT = 280  # px aimed at when a small picture is enlarged
_OPTIONS = {"crf": "22", "preset": "veryfast", "threads": "1", "x264-params": "threads=1"}


def encode_mp4(frames: Sequence[np.ndarray], fps: float) -> bytes:
    """uint8 [H, W, 3] frames of one size as an mp4; an odd side loses its last row or column (yuv420p has even sides).

    The frames come out of a decoder in the same number and order. Raises DataError for no frames or frames of different sizes.
    """
    if not frames or len({frame.shape for frame in frames}) != 1 or frames[0].ndim != 3 or min(frames[0].shape[:2]) < 2:
        raise DataError(
            f"video of {len(frames)} frames of shapes {sorted({f.shape for f in frames})}: expected at least one, all [H, W, 3] of one size"
        )
    height, width = (side // 2 * 2 for side in frames[0].shape[:2])
    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4", options={"fflags": "+bitexact"}) as file:
        stream = file.add_stream("libx264", rate=Fraction(fps).limit_denominator(1001), options=_OPTIONS)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        for frame in frames:
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(frame[:height, :width]), format="rgb24")))
        file.mux(stream.encode())
    return buffer.getvalue()


def enlarge(frame: np.ndarray) -> np.ndarray:
    """A small frame [H, W, 3] with every pixel repeated, so that it is about 280 px high; larger ones as they are."""
    factor = max(1, round(_HEIGHT / frame.shape[0]))
    return frame.repeat(factor, axis=0).repeat(factor, axis=1)
