"""Frame stores: made once, by one process, whole or not at all, within the space they are given."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
import recordings as R

from praxia.data.lerobot import frame_store
from praxia.data.lerobot.frame_store import open_frames, resize_codes, resize_colour, shown_size
from praxia.data.lerobot.tables import Tables
from praxia.data.lerobot.video import encode
from praxia.errors import DataError

KEY = "observation.images.head"


def _open(root: Path, cache: Path, slow: float = 0.0) -> None:
    """In a process of its own: open the store, decoding slowly."""
    decode = frame_store.decode_in_order

    def slowly(path, wanted):
        for numbered in decode(path, wanted):
            time.sleep(slow)
            yield numbered

    frame_store.decode_in_order = slowly
    open_frames(Tables(root), KEY, cache=cache).get(0)


def start(*args) -> multiprocessing.Process:
    run = multiprocessing.get_context("spawn").Process(target=_open, args=args)
    run.start()
    return run


def test_a_killed_build_leaves_nothing_that_is_taken_for_whole(shared_little, tmp_path):
    run = start(shared_little, tmp_path, 0.2)
    deadline = time.monotonic() + 30
    while not list(tmp_path.glob("*/frames.npy.part")):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(run.pid, signal.SIGKILL)
    run.join()
    assert not list(tmp_path.glob("*/done.json")) and not list(tmp_path.glob("*/frames.npy"))
    frames = open_frames(Tables(shared_little), KEY, cache=tmp_path)
    assert np.abs(frames.get(23).astype(int) - R.picture(2, 4)).mean() < 2.5
    assert not list(tmp_path.glob("*/*.part"))


def test_processes_that_open_at_once_share_one_store(shared_little, tmp_path):
    runs = [start(shared_little, tmp_path, 0.02) for _ in range(2)]
    for run in runs:
        run.join(60)
        assert run.exitcode == 0
    (store,) = tmp_path.iterdir()
    assert sorted(p.name for p in store.iterdir()) == ["done.json", "frames.npy"]


def test_a_made_store_is_read_without_decoding(shared_little, tmp_path, monkeypatch):
    first = open_frames(Tables(shared_little), KEY, cache=tmp_path).get(7)

    def never(path, wanted):
        raise AssertionError("decoded again")

    monkeypatch.setattr(frame_store, "decode_in_order", never)
    assert np.array_equal(open_frames(Tables(shared_little), KEY, cache=tmp_path).get(7), first)


def test_changed_videos_make_another_store(copy_little, tmp_path):
    root, cache = copy_little(), tmp_path / "cache"
    before = open_frames(Tables(root), KEY, cache=cache).get(3)
    video = root / "videos" / KEY / "chunk-000/file-000.mp4"
    encode(video, [255 - R.picture(0, 0)] * 24, R.FPS)
    after = open_frames(Tables(root), KEY, cache=cache).get(3)
    assert np.abs(after.astype(int) - before).mean() > 20 and len(list(cache.iterdir())) == 2


def test_above_the_cap_pictures_are_decoded_on_demand_and_said_so(shared_little, tmp_path):
    with pytest.warns(UserWarning, match="the cap is 1e-06 GB .* decoding on demand"):
        frames = open_frames(Tables(shared_little), KEY, cap_gb=1e-6, cache=tmp_path)
    assert frames.path is None and np.abs(frames.get(9).astype(int) - R.picture(1, 2)).mean() < 2.5
    assert not list(tmp_path.iterdir())


def test_a_full_disk_is_an_error_and_not_a_crash(shared_little, tmp_path, monkeypatch):
    def full(handle, offset, size):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DataError, match=r"No space left on device.*free space"):
        open_frames(Tables(shared_little), KEY, cache=tmp_path)
    assert not list(tmp_path.glob("*/frames.npy*"))


def test_sizes_keep_aspect_and_codes_keep_their_values(rng):
    assert shown_size((480, 640), 96) == (72, 96) and shown_size((64, 48), 96) == (64, 48) and shown_size((100, 100), None) == (100, 100)
    codes = rng.integers(0, 5, (48, 64)) * 1000
    assert set(np.unique(resize_codes(codes, (20, 30)))) <= set(np.unique(codes))
    assert np.array_equal(resize_codes(codes, (24, 32)), codes[1::2, 1::2])
    stripes = np.zeros((48, 64, 3), np.uint8)
    stripes[:, ::2] = 255  # finer than the small picture can show: antialiased it is grey
    assert np.abs(resize_colour(stripes, (12, 16)).astype(int)[2:-2, 2:-2] - 127).max() < 20
