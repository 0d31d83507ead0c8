"""Messages between praxia and LIBERO's process: MessagePack behind a length of four bytes.

{"call": name, ...} is answered by {"ok": value} or {"error": text, "trace": text}.
"""

import socket
import struct
from typing import Any

import msgpack
import numpy as np


def send(connection: socket.socket, value: Any) -> None:
    """Write one message; NumPy arrays become {"dtype", "shape", "bytes"}."""
    data: Any = msgpack.packb(value, default=_encode)
    connection.sendall(struct.pack("<I", len(data)) + data)


def receive(connection: socket.socket) -> Any:
    """Read one message. EOFError when the other side is gone."""
    (length,) = struct.unpack("<I", _read(connection, 4))
    return msgpack.unpackb(_read(connection, length), object_hook=_decode, strict_map_key=False)


def _encode(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.str, "shape": value.shape, "bytes": np.ascontiguousarray(value).tobytes()}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"cannot send {type(value)}")


def _decode(value: dict[str, Any]) -> Any:
    if value.keys() == {"dtype", "shape", "bytes"}:
        return np.frombuffer(value["bytes"], value["dtype"]).reshape(value["shape"]).copy()
    return value


def _read(connection: socket.socket, length: int) -> bytes:
    data = bytearray()
    while len(data) < length:
        part = connection.recv(min(length - len(data), 1 << 20))
        if not part:
            raise EOFError("the other side closed the connection")
        data += part
    return bytes(data)
