"""Shared by all tests: a cache of their own, and one small real dataset from tabletop."""

import os
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("MUJOCO_GL", "egl")  # before mujoco chooses
os.environ.setdefault("HF_HUB_OFFLINE", "1")
# the oracles' environments take minutes to make: they stay where they are when the tests get a cache of their own
os.environ.setdefault("PRAXIA_ORACLES", str(Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "praxia" / "oracles"))

import pytest

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
