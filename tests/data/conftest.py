"""Fixtures of the data tests: one little dataset, copies of it to damage, and a cache of its own."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from recordings import write_little


@pytest.fixture(scope="session")
def shared_little(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of three episodes; do not change it."""
    return write_little(tmp_path_factory.mktemp("shared") / "little")


@pytest.fixture
def copy_little(shared_little: Path, tmp_path: Path) -> Callable[[], Path]:
    """Makes copies that a test may damage."""

    def copy() -> Path:
        return Path(shutil.copytree(shared_little, tmp_path / f"little{len(list(tmp_path.iterdir()))}"))

    return copy


@pytest.fixture
def rng() -> np.random.Generator:
    """Seeded randomness."""
    return np.random.default_rng(0)
