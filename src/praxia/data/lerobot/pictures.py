"""Pictures inside the parquet: PNG for instance masks and 16-bit depth, any PIL format for colour."""

import io

import numpy as np
from PIL import Image

from praxia.data.lerobot.features import Feature
from praxia.errors import DataError

METRES_PER_UNIT = {"m": 1.0, "mm": 1e-3}
MAX_DEPTH_CODE = 65535
PLAUSIBLE_DEPTH_M = (0.02, 30.0)  # median of the known depth of a picture of a robot's work space


def depth_feature(height: int, width: int) -> Feature:
    """Depth as this package writes it: uint16 millimetres, 0 = unknown."""
    info = {"is_depth_map": True, "depth_unit": "mm", "depth_scale": 1.0}
    return Feature("image", (height, width, 1), ["height", "width", "channels"], info)


def mask_feature(height: int, width: int) -> Feature:
    """Instance ids, 0 = background."""
    return Feature("image", (height, width, 1), ["height", "width", "channels"], {"is_instance_mask": True})


def png(codes: np.ndarray) -> bytes:
    """Lossless PNG of integers [H, W]: 8 bits a pixel when they fit, else 16."""
    low, high = int(codes.min(initial=0)), int(codes.max(initial=0))
    if low < 0 or high > MAX_DEPTH_CODE:
        raise DataError(f"picture codes run from {low} to {high}; a PNG holds 0..{MAX_DEPTH_CODE}")
    picture = Image.fromarray(np.ascontiguousarray(codes, np.uint8 if high < 256 else np.uint16))
    file = io.BytesIO()
    picture.save(file, "PNG", compress_level=3)
    return file.getvalue()


def depth_png(depth: np.ndarray) -> bytes:
    """Metric depth float32 [H, W] (0 or not finite = unknown) as 16-bit millimetres; beyond 65.535 m is unknown."""
    millimetres = np.rint(np.nan_to_num(depth, nan=0.0, posinf=0.0, neginf=0.0) * 1000.0)
    millimetres[(millimetres < 0) | (millimetres > MAX_DEPTH_CODE)] = 0
    file = io.BytesIO()
    Image.fromarray(millimetres.astype(np.uint16)).save(file, "PNG", compress_level=3)
    return file.getvalue()


def decode_codes(data: bytes, where: str) -> np.ndarray:
    """Integers [H, W] of a one-channel picture."""
    codes = _open(data, where)
    if codes.ndim != 2:
        raise DataError(f"{where}: picture has shape {list(codes.shape)}; depth and masks have one channel")
    return codes


def decode_colour(data: bytes, where: str) -> np.ndarray:
    """uint8 [H, W, 3] of a colour or grey picture."""
    picture = _open(data, where)
    if picture.ndim == 2:
        picture = np.repeat(picture[..., None], 3, axis=2)
    if picture.dtype != np.uint8:
        raise DataError(f"{where}: colour picture has dtype {picture.dtype}; expected uint8 (16 bits are for depth: see the feature's info)")
    return np.ascontiguousarray(picture[..., :3])


def _open(data: bytes, where: str) -> np.ndarray:
    try:
        with Image.open(io.BytesIO(data)) as picture:
            if picture.mode == "P":
                picture = picture.convert("RGB")
            return np.asarray(picture)
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{where}: picture cannot be decoded ({error}); the row is corrupt: copy the data file again") from error


def metres(codes: np.ndarray, unit: str, scale: float, where: str) -> np.ndarray:
    """Stored depth codes [H, W] -> float32 metres. Raises DataError when the median is implausible for the declared unit."""
    if unit not in METRES_PER_UNIT:
        raise DataError(f"{where}: depth unit is {unit!r}; valid: m, mm")
    depth = codes.astype(np.float32) * np.float32(scale * METRES_PER_UNIT[unit])
    check_depth(depth, unit, where)
    return depth


def check_depth(depth: np.ndarray, unit: str, where: str) -> None:
    """Refuse metric depth whose median of known pixels cannot be a robot's work space; the message names the likely unit."""
    known = depth[depth > 0]
    if not known.size:
        return
    median = float(np.median(known))
    low, high = PLAUSIBLE_DEPTH_M
    if low <= median <= high:
        return
    other = "mm" if unit == "m" else "m"
    factor = METRES_PER_UNIT[other] / METRES_PER_UNIT[unit]
    likely = f"; as {other} it would be {median * factor:.3g} m: set depth_unit: {other}" if low <= median * factor <= high else ""
    raise DataError(
        f"{where}: median depth is {median:.4g} m when read as {unit}; expected {low}..{high} m{likely} in dataset.yaml "
        f"(stored code * depth_scale = depth in depth_unit)"
    )
