"""Pictures for the page: small ones lossless and shown with hard pixels, large ones shrunk to a JPEG."""

import base64
import io

import numpy as np
from PIL import Image

from praxia.report.html import Markup, tag

_SMALL = 256  # px; robot pictures up to here keep every pixel
_LARGEST = 480


def picture(image: np.ndarray, words: str) -> Markup:
    """uint8 [H, W, 3] as an <img> with its bytes inside."""
    height, width = image.shape[:2]
    small = max(height, width) <= _SMALL
    return tag("img", src=data_uri(image), alt=words, width=width, height=height, class_="pixels" if small else "photo")


def data_uri(image: np.ndarray) -> str:
    """uint8 [H, W, 3] as a data URI: PNG if small, else JPEG of at most 480 px a side."""
    shown = Image.fromarray(np.ascontiguousarray(image))
    buffer = io.BytesIO()
    if max(shown.size) <= _SMALL:
        shown.save(buffer, "PNG", optimize=True)
        return _uri("image/png", buffer.getvalue())
    shown.thumbnail((_LARGEST, _LARGEST))
    shown.save(buffer, "JPEG", quality=85)
    return _uri("image/jpeg", buffer.getvalue())


def video_uri(data: bytes) -> str:
    """mp4 bytes as a data URI."""
    return _uri("video/mp4", data)


def side_by_side(images: list[np.ndarray], gap: int = 2) -> np.ndarray:
    """uint8 [H, W, 3] pictures as one, as high as the highest, a white line between them."""
    height = max(image.shape[0] for image in images)
    parts: list[np.ndarray] = []
    for image in images:
        padded = np.full((height, image.shape[1], 3), 255, np.uint8)
        padded[: image.shape[0]] = image
        parts += [np.full((height, gap, 3), 255, np.uint8), padded]
    return np.concatenate(parts[1:], axis=1)


def _uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
