"""Films decode to what was filmed."""

import base64
import io
import re
from dataclasses import replace

import av
import numpy as np
import pytest

from praxia.errors import DataError
from praxia.report.pictures import side_by_side
from praxia.report.sections.rollouts import rollouts
from praxia.report.video import encode_mp4, enlarge


def decode(data: bytes) -> tuple[list[np.ndarray], float]:
    with av.open(io.BytesIO(data), "r") as file:
        stream = file.streams.video[0]
        assert stream.codec_context.name == "h264" and stream.codec_context.pix_fmt == "yuv420p"
        return [frame.to_ndarray(format="rgb24") for frame in file.decode(stream)], float(stream.average_rate or 0)


def moving_square(count: int, height: int = 48, width: int = 64) -> list[np.ndarray]:
    frames = np.full((count, height, width, 3), 90, np.uint8)
    for i in range(count):
        frames[i, 10:30, 2 * i : 2 * i + 16] = (200, 60, 40)
    return list(frames)


@pytest.mark.parametrize("count, fps", [(1, 10.0), (2, 5.0), (23, 12.5)])
def test_every_frame_comes_back_in_order_at_its_rate(count, fps):
    frames = [enlarge(frame) for frame in moving_square(count)]
    seen, rate = decode(encode_mp4(frames, fps))
    assert len(seen) == count
    if count > 1:
        assert rate == pytest.approx(fps)
    for ours, theirs in zip(frames, seen, strict=True):
        assert np.abs(ours.astype(int) - theirs).mean() < 4


def test_odd_sides_lose_one_line_and_nothing_else():
    seen, _ = decode(encode_mp4(moving_square(3, 47, 63), 10))
    assert seen[0].shape == (46, 62, 3)


@pytest.mark.parametrize("frames", [[], [np.zeros((8, 8, 3), np.uint8), np.zeros((8, 10, 3), np.uint8)]])
def test_frames_that_make_no_film_are_refused(frames):
    with pytest.raises(DataError, match="of one size"):
        encode_mp4(frames, 10)


def test_enlarging_repeats_pixels_and_leaves_large_pictures_alone():
    small = np.random.default_rng(0).integers(0, 255, (96, 194, 3), np.uint8)
    large = enlarge(small)
    assert large.shape == (288, 582, 3) and np.array_equal(large[::3, ::3], small) and np.array_equal(large[2::3, 2::3], small)
    assert enlarge(large).shape == large.shape


def test_views_of_different_height_stand_side_by_side_unchanged():
    a, b = np.full((4, 6, 3), 10, np.uint8), np.full((8, 5, 3), 20, np.uint8)
    both = side_by_side([a, b])
    assert both.shape == (8, 6 + 2 + 5, 3)
    assert np.array_equal(both[:4, :6], a) and np.array_equal(both[:, 8:], b)


def test_films_of_a_page_stay_within_the_limit_and_the_rest_is_counted(content):
    clips = content.clips * 4
    films = [base64.b64decode(film) for film in re.findall(r"data:video/mp4;base64,([^\"]+)", rollouts(replace(content, clips=clips)))]
    assert len(films) == 4
    limited = rollouts(replace(content, clips=clips), limit=2 * len(films[0]) + 10)
    assert limited.count("data:video/mp4") == 2 and "2 films are left out" in limited


def test_short_episodes_are_slowed_down_and_the_page_says_so(content):
    clip = replace(content.clips[0], frames=content.clips[0].frames[:6])  # 0.6 s
    page = rollouts(replace(content, clips=(clip,)))
    assert "quarter of real speed" in page
    seen, rate = decode(base64.b64decode(re.findall(r"data:video/mp4;base64,([^\"]+)", page)[0]))
    assert rate == pytest.approx(2.5) and len(seen) >= 6
