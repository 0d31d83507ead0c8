import importlib.util

import pytest

from praxia.errors import ConfigError
from praxia.train import progress
from praxia.train.metrics import open_trackers
from praxia.train.progress import StageProgress


def test_without_a_terminal_progress_is_a_line_with_loss_rate_and_time_left(capsys, monkeypatch):
    seconds = iter((0.0, 20.0, 21.0))
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(seconds))
    with StageProgress("robot", 110, 10, quiet=False) as bar:
        bar.losses({"loss": 0.25, "gradient_norm": 3.0})
        bar.update(30, 640)
        bar.update(31, 32)  # a second later: no line yet
    assert capsys.readouterr().err == "robot 30/110  loss 0.25  32 samples/s  1:20 left\n"


def test_quiet_says_nothing(capsys):
    with StageProgress("robot", 10, 0, quiet=True) as bar:
        bar.say("table")
        bar.update(10, 64)
    assert capsys.readouterr() == ("", "")


@pytest.mark.skipif(importlib.util.find_spec("wandb") is not None, reason="wandb is installed here")
def test_a_tracker_that_is_not_installed_says_how_to_install_it(tmp_path):
    with pytest.raises(ConfigError, match=r"tracker 'wandb' is not installed\n  fix: pip install wandb"):
        open_trackers(("wandb",), tmp_path, "run")
