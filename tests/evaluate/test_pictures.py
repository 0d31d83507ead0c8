"""A policy is judged on LIBERO pictures like those it was trained on."""

from types import SimpleNamespace

import pytest

from praxia.errors import ConfigError
from praxia.evaluate import pictures
from praxia.specs import CameraSpec


def judged(monkeypatch: pytest.MonkeyPatch, calibrated: bool, size: int | None = None, orientation: str | None = None):
    cameras = tuple(CameraSpec(role, 96, 96, calibrated) for role in ("head", "wrist"))
    robots = (SimpleNamespace(embodiment="sawyer", cameras=(CameraSpec("head", 48, 48, True),)), SimpleNamespace(embodiment="panda", cameras=cameras))
    monkeypatch.setattr(pictures, "read_config", lambda folder: SimpleNamespace(robots=robots))
    return pictures.libero_pictures("some/policy", "panda", size, orientation)


def test_the_size_is_the_one_it_was_trained_on_unless_told(monkeypatch):
    assert judged(monkeypatch, True) == ({"size": 96}, "")
    assert judged(monkeypatch, True, 256, "true") == ({"size": 256, "orientation": "true"}, "")


def test_true_pictures_learnt_are_not_judged_mirrored_and_the_reverse_is_said(monkeypatch):
    with pytest.raises(ConfigError, match=r"trained on pictures with calibration \(head, wrist\)"):
        judged(monkeypatch, True, orientation="mirrored")
    assert judged(monkeypatch, False, orientation="mirrored") == ({"size": 96, "orientation": "mirrored"}, "")
    assert "--orientation mirrored gives the others" in judged(monkeypatch, False)[1]
