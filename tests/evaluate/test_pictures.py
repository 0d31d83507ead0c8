"""A policy is judged on LIBERO pictures like those it was trained on."""

import pytest

from praxia.errors import ConfigError
from praxia.evaluate.pictures import libero_pictures
from praxia.specs import CameraSpec


def judged(calibrated: bool, size: int | None = None, orientation: str | None = None, mirrored: bool = False):
    cameras = tuple(CameraSpec(role, 96, 96, calibrated, mirrored) for role in ("head", "wrist"))
    return libero_pictures("some/policy", cameras, size, orientation)


def test_the_size_is_the_one_it_was_trained_on_unless_told():
    assert judged(True) == ({"size": 96}, "")
    assert judged(True, 256, "true") == ({"size": 256, "orientation": "true"}, "")


def test_true_pictures_learnt_are_not_judged_mirrored_and_the_reverse_is_said():
    with pytest.raises(ConfigError, match=r"trained on pictures with calibration \(head, wrist\)"):
        judged(True, orientation="mirrored")
    assert judged(False, orientation="mirrored") == ({"size": 96, "orientation": "mirrored"}, "")
    assert "--orientation mirrored gives the others" in judged(False)[1]


def test_a_policy_of_mirrored_pictures_sees_mirrored_ones_unless_told():
    assert judged(False, mirrored=True) == ({"size": 96, "orientation": "mirrored"}, "")
    world, note = judged(False, orientation="true", mirrored=True)
    assert world == {"size": 96, "orientation": "true"} and "trained on mirrored pictures and is judged on true ones" in note
    both = (CameraSpec("head", 96, 96, mirrored=True), CameraSpec("wrist", 96, 96))
    with pytest.raises(ConfigError, match="only head are mirrored, and LIBERO gives all alike; fix: set `mirrored` alike"):
        libero_pictures("some/policy", both, None, None)
