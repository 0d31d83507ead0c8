"""The wire codec: openpi's golden frames, round trips, and nothing but WireError for whatever arrives."""

import pickle
import struct
import tracemalloc

import msgpack
import numpy as np
import pytest
from arm_policy import observations

from praxia.serve.codec import WireError, pack, unpack

# Made with the packer of the real openpi-client 0.1.2.
GOLDEN = [
    ({}, "80"),
    (
        {"actions": np.array([0, 1], np.float32)},
        "81a7616374696f6e7384c40b5f5f6e6461727261795f5fc3c40464617461c408000000000000803fc4056474797065a33c6634c40573686170659102",
    ),
    ({"s": np.float32(1.5)}, "81a17383c40d5f5f6e7067656e657269635f5fc3c40464617461cb3ff8000000000000c4056474797065a33c6634"),
]


@pytest.mark.parametrize(("value", "frame"), GOLDEN)
def test_frames_equal_those_of_the_openpi_packer_byte_for_byte(value, frame):
    assert pack(value).hex() == frame
    assert pack(unpack(bytes.fromhex(frame))).hex() == frame


@pytest.mark.parametrize("dtype", ["?", "u1", "i2", "<i8", "<f2", "<f4", ">f4", "<f8", "<U5", "S3"])
@pytest.mark.parametrize("shape", [(), (3,), (2, 0), (2, 3, 1)])
def test_arrays_come_back_equal_with_dtype_and_shape(dtype, shape):
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    back = unpack(pack({"a": [array]}))["a"][0]
    assert back.dtype == array.dtype and back.shape == array.shape
    assert np.array_equal(back, array)


def test_a_transposed_array_comes_back_as_it_was_seen():
    array = np.arange(12).reshape(3, 4).T
    assert np.array_equal(unpack(pack(array)), array)


def test_decoded_arrays_can_be_written():
    array = unpack(pack(np.zeros(3, np.float32)))
    array += 1
    assert array.tolist() == [1, 1, 1]


def test_scalars_and_plain_values_come_back_as_they_were():
    value = {"f": np.float32(0.1), "b": np.bool_(True), "i": np.int16(-3), "n": None, "t": "grün", "x": b"\0", "l": [1, 2.5, True], "m": {"": 2**63}}
    back = unpack(pack(value))
    assert back == value
    assert [type(back[key]) for key in "fbi"] == [np.float32, np.bool_, np.int16]


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ({"a": {"b": np.array([None])}}, "message['a']['b'] has dtype '|O'"),
        (np.array([1j]), "dtype '<c16'"),
        (np.zeros(2, "i4,f4"), "dtype '|V8'"),
        (np.array(["2020-01-01"], "M8[D]"), "dtype '<M8[D]'"),
        ([object()], "message[0] is a object"),
        ({"n": 2**70}, "64-bit"),
        ({"s": "\ud800"}, "UTF-8"),
    ],
)
def test_what_cannot_travel_is_named(value, named):
    with pytest.raises(WireError) as caught:
        pack(value)
    assert named in str(caught.value)


def array_frame(**changes) -> bytes:
    fields = {b"__ndarray__": True, b"data": b"\0" * 8, b"dtype": "<f4", b"shape": [2]}
    return msgpack.packb({"a": fields | {key.encode(): value for key, value in changes.items()}})


BROKEN = {
    "empty": b"",
    "no msgpack": b"\xc1",
    "truncated": bytes.fromhex(GOLDEN[1][1])[:-5],
    "trailing bytes": b"\x80\x80",
    "not UTF-8": b"\x81\xa2\xff\xfe\x01",
    "a pickle": pickle.dumps(np.array([None])),
    "an extension": msgpack.packb({"a": msgpack.ExtType(5, b"abc")}),
    "a date": msgpack.packb({"a": msgpack.Timestamp(1)}),
    "a number as key": msgpack.packb({1: 2}),
    "objects": array_frame(dtype="|O"),
    "records": array_frame(dtype="f4,O"),
    "an odd dtype": array_frame(dtype="<f3"),
    "a huge dtype": array_frame(dtype="<U999999999"),
    "a dtype that is no text": array_frame(dtype=[["a", "O"]]),
    "a shape of other size": array_frame(shape=[3]),
    "a shape below zero": array_frame(shape=[-1, -2]),
    "a huge shape": array_frame(shape=[2**40, 2**40, 0, 2]),
    "a huge shape of nothing": array_frame(data=b"", shape=[2**40, 2**40, 0]),
    "a shape of 33 axes": array_frame(shape=[1] * 32 + [2]),
    "a shape that is no list": array_frame(shape="ab"),
    "data that is no bytes": array_frame(data="abcdefgh"),
    "a scalar that is a list": msgpack.packb({b"__npgeneric__": True, b"data": [1, 2], b"dtype": "<f4"}),
    "a scalar that overflows": msgpack.packb({b"__npgeneric__": True, b"data": 300, b"dtype": "|u1"}),
    "deep nesting": b"\x91" * 500 + b"\x00",
    "deeper nesting": b"\x91" * 5000 + b"\x00",
}


@pytest.mark.parametrize("frame", BROKEN.values(), ids=BROKEN.keys())
def test_broken_messages_raise_wire_errors_only(frame):
    with pytest.raises(WireError):
        unpack(frame)


def test_nested_list_headers_cannot_ask_for_memory():
    bomb = (b"\xdd" + struct.pack(">I", 1 << 20)) * 500 + b"\0" * (1 << 20)
    tracemalloc.start()
    try:
        with pytest.raises(WireError):
            unpack(bomb)
        assert tracemalloc.get_traced_memory()[1] < 8 << 20
    finally:
        tracemalloc.stop()


def test_flipped_bytes_decode_or_raise_wire_errors_and_nothing_else():
    frame = pack(observations(0, 1)[0] | {"n": np.float32(2)})
    random = np.random.default_rng(0)
    raised = 0
    for _ in range(500):
        damaged = bytearray(frame)
        for at in random.integers(0, 60, 3):
            damaged[at] = random.integers(256)
        try:
            unpack(bytes(damaged))
        except WireError:
            raised += 1
    assert raised > 100
