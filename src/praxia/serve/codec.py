"""The openpi wire codec: msgpack with NumPy arrays and scalars as maps of *binary* keys (`__ndarray__`, `__npgeneric__`).

Nothing on the wire can name a Python object: dtypes are bool, integer, float and text only; every count is checked before memory is made.
"""

import math
import re
from collections.abc import Mapping
from typing import Any

import msgpack
import numpy as np

from praxia.errors import PraxiaError

_DTYPE = re.compile(r"[<>|=]?([biufSU])[0-9]{1,9}")
_FIX = "fix: pack messages as openpi_client.msgpack_numpy does"
_MAX_DEPTH = 16  # an observation nests three deep; a bound far below Python's recursion limit
_MAX_ITEMS = 1 << 14  # per list or map: msgpack reserves a list before it reads it, so nested headers could ask for gigabytes


class WireError(PraxiaError):
    """A message is not msgpack, or carries something that the openpi codec does not."""


def pack(value: Any) -> bytes:
    """Encode None, bool, int, float, str, bytes, maps, lists, NumPy arrays and scalars; WireError names what cannot travel."""
    try:
        return bytes(msgpack.Packer(autoreset=True).pack(_to_wire(value, "message", 0)))
    except (ValueError, OverflowError) as error:  # integers over 64 bits, text that is not Unicode
        raise WireError(f"message cannot be packed: {error}; send 64-bit integers and UTF-8 text") from error


def unpack(data: bytes) -> Any:
    """Decode one message. Arrays are own, writable copies. WireError says what is wrong and where."""
    try:
        value = msgpack.unpackb(data, raw=False, max_array_len=_MAX_ITEMS, max_map_len=_MAX_ITEMS, max_ext_len=0)
    except (msgpack.exceptions.UnpackException, ValueError, TypeError) as error:
        detail = str(error) or type(error).__name__
        raise WireError(
            f"message of {len(data)} bytes is not msgpack as openpi speaks it ({detail}); {_FIX}: one map with text keys, images as uint8 arrays"
        ) from error
    return _from_wire(value, "message", 0)


def _to_wire(value: Any, path: str, depth: int) -> Any:
    _check_depth(path, depth)
    if isinstance(value, np.ndarray):
        _check_kind(value.dtype.str, path)
        return {b"__ndarray__": True, b"data": value.tobytes(), b"dtype": value.dtype.str, b"shape": list(value.shape)}
    if value is None or isinstance(value, bool | int | float | str | bytes):  # includes np.float64 and np.str_, as upstream
        return value
    if isinstance(value, np.generic):
        _check_kind(value.dtype.str, path)
        return {b"__npgeneric__": True, b"data": value.item(), b"dtype": value.dtype.str}
    if isinstance(value, Mapping):
        return {key: _to_wire(item, f"{path}[{key!r}]", depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_to_wire(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(value)]
    raise WireError(f"{path} is a {type(value).__name__}; expected plain Python values, NumPy arrays or NumPy scalars")


def _from_wire(value: Any, path: str, depth: int) -> Any:
    _check_depth(path, depth)
    if isinstance(value, dict):
        if b"__ndarray__" in value:
            return _array(value, path)
        if b"__npgeneric__" in value:
            return _scalar(value, path)
        return {key: _from_wire(item, f"{path}[{key!r}]", depth + 1) for key, item in value.items()}
    if isinstance(value, list):
        return [_from_wire(item, f"{path}[{i}]", depth + 1) for i, item in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    raise WireError(f"{path} is a msgpack {type(value).__name__}; expected plain values or arrays")


def _array(fields: dict[Any, Any], path: str) -> np.ndarray:
    data, text, shape = (fields.get(key) for key in (b"data", b"dtype", b"shape"))
    dtype = _check_kind(text, path)
    if not isinstance(data, bytes) or not isinstance(shape, list) or not all(type(n) is int and n >= 0 for n in shape) or len(shape) > 32:
        raise WireError(f"{path} is a broken array: expected binary 'data' and a 'shape' of at most 32 whole numbers")
    needed = math.prod(shape) * dtype.itemsize
    if needed != len(data) or dtype.itemsize == 0:
        raise WireError(f"{path} is a broken array: shape {shape} of {dtype.str} needs {needed} bytes, got {len(data)}; {_FIX}")
    try:
        return np.frombuffer(data, dtype).reshape(shape).copy()
    except ValueError as error:  # an empty array with an axis too long to index
        raise WireError(f"{path} is a broken array: shape {shape}: {error}; {_FIX}") from error


def _scalar(fields: dict[Any, Any], path: str) -> np.generic:
    data, dtype = fields.get(b"data"), _check_kind(fields.get(b"dtype"), path)
    if not isinstance(data, bool | int | float | str | bytes):
        raise WireError(f"{path} is a broken scalar: 'data' is a {type(data).__name__}, expected one number or text")
    try:
        return dtype.type(data)
    except (ValueError, OverflowError, TypeError) as error:
        raise WireError(f"{path} is a broken scalar: {data!r} does not fit dtype {dtype.str}; {_FIX}") from error


def _check_kind(text: Any, path: str) -> np.dtype:
    """The dtype named by `text`; objects, records, complex numbers and dates are refused before NumPy sees the name."""
    try:
        if isinstance(text, str) and _DTYPE.fullmatch(text):
            return np.dtype(text)
    except TypeError:
        pass  # e.g. '<f3'
    allowed = "bool, integer, float or text (objects, records, complex numbers and dates cannot travel)"
    raise WireError(f"{path} has dtype {text!r}; expected {allowed}")


def _check_depth(path: str, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise WireError(f"message nests deeper than {_MAX_DEPTH} levels at {path[:80]}…; send a flat map or one of a few levels")
