"""Damaged data given to `praxia train`, and machines without GL: one message that says what to do, status 2, nothing half-written."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.recipes.micro_recipe import MICRO

from praxia.data.card import read_card, write_card

DATA, VIDEO = "data/chunk-000/file-000.parquet", "videos/observation.images.head/chunk-000/file-000.mp4"


def column(root: Path, key: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
    """Change a column of the data file."""
    table = pq.read_table(root / DATA)
    values = change(np.stack(table.column(key).to_numpy(zero_copy_only=False)).astype(np.float32))
    rows = pa.FixedSizeListArray.from_arrays(pa.array(values.reshape(-1)), values.shape[1])
    place = table.column_names.index(key)
    pq.write_table(table.set_column(place, table.schema.field(key).with_type(rows.type), rows), root / DATA)


def broken_state(root: Path) -> None:
    def change(values: np.ndarray) -> np.ndarray:
        values[7, 2] = np.nan
        return values

    column(root, "observation.state", change)


def flat_camera(root: Path) -> None:
    column(root, "observation.cameras.head.intrinsics", np.zeros_like)


def cut_file(root: Path) -> None:
    data = (root / DATA).read_bytes()
    (root / DATA).write_bytes(data[: len(data) // 2])


def wrong_width(root: Path) -> None:
    card = read_card(root)
    write_card(root, replace(card, action=replace(card.action, dims=card.action.dims[1:])))


CASES = {
    "a NaN in the state": (broken_state, "'observation.state' is not finite in 1 rows"),
    "a camera matrix of zeros": (flat_camera, "K is not invertible"),
    "half a data file": (cut_file, "truncated or corrupt"),
    "no video": (lambda root: (root / VIDEO).unlink(), "file-000.mp4 is missing; copy or download"),
    "half a video": (lambda root: (root / VIDEO).write_bytes((root / VIDEO).read_bytes()[:2000]), "file-000.mp4"),
    "no card": (lambda root: (root / "dataset.yaml").unlink(), "--write-card"),
    "a card with a dim too few": (wrong_width, "'action' has 7 numbers"),
}


@pytest.mark.parametrize("name", CASES)
def test_damaged_data_stops_training_with_a_message_and_leaves_no_checkpoint(praxia, tabletop_data, tmp_path, name):
    root = Path(shutil.copytree(tabletop_data, tmp_path / "mine"))
    damage, said = CASES[name]
    damage(root)
    done = praxia("train", MICRO, "--data", root, "--quiet")
    assert done.status == 2 and said in done.err and "Traceback" not in done.err, done
    assert not list((tmp_path / "runs").rglob("*.safetensors"))


@pytest.mark.parametrize("world", ["tabletop", "metaworld"])
def test_without_gl_no_episode_is_made_and_the_message_says_what_to_install(world, tmp_path):
    tasks = {"tabletop": "reach", "metaworld": "drawer-open"}
    command = ["data", "make", world, "--tasks", tasks[world], "--episodes", "1", "--size", "32", "--out", str(tmp_path / "data"), "--workers", "2"]
    env = {"MUJOCO_GL": "glfw", "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}  # a backend that needs a screen, and no DISPLAY
    done = subprocess.run([Path(sys.executable).with_name("praxia"), *command], env=env, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2 and "libegl1" in done.stderr and "MUJOCO_GL=egl" in done.stderr, done.stderr[-800:]
    assert "Traceback" not in done.stderr and not (tmp_path / "data").exists()
