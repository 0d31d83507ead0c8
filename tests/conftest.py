"""Shared by all tests: a cache of their own, and one small real dataset from tabletop."""

import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "egl")  # before mujoco chooses
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# the oracles' environments take minutes to make: they stay where they are when the tests get a cache of their own
os.environ.setdefault("PRAXIA_ORACLES", str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "praxia" / "oracles"))

import pytest

from praxia.annotate.hands import HandRules, annotate_hands
from praxia.data.hand_clips import RecordedClips
from praxia.data.making import make_dataset
from praxia.data.recorded import Recorded, RecordedSource


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Frame stores, statistics and made datasets of the tests never meet the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
        yield


@pytest.fixture(scope="session")
def tabletop_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of two tasks with two episodes each at 64 px, with depth and masks; do not change it."""
    root = tmp_path_factory.mktemp("tabletop") / "tabletop"
    make_dataset(
        "praxia.worlds.tabletop:Tabletop", {"size": 64}, root=root, tasks=("reach", "push"), episodes=2, seed=0, depth=True, masks=True, workers=1,
        progress=False,
    )  # fmt: skip
    return root


@pytest.fixture(scope="session")
def tabletop_source(tabletop_data: Path) -> RecordedSource:
    """Its samples."""
    return Recorded(str(tabletop_data)).open()


@pytest.fixture(scope="session")
def hand_clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of six clips of hands (two each of reach, move and pour) at 96 px, with depth and masks; do not change it."""
    root = tmp_path_factory.mktemp("hands") / "clips"
    make_dataset(
        "praxia.worlds.hands:Hands", {"size": 96}, root=root, tasks=("reach", "move", "pour"), episodes=2, seed=0, picture_every=3, depth=True,
        masks=True, workers=1, progress=False,
    )  # fmt: skip
    return root


@pytest.fixture(scope="session")
def annotated_hands(hand_clips: Path) -> Path:
    """What `praxia annotate hands` makes of them, the task `pour` held out; do not change it."""
    out = hand_clips / "hands"
    annotate_hands(RecordedClips(str(hand_clips)), out, HandRules(held_tasks=("pour",)), workers=1)
    return out
