"""Weights on disk: parts that several processes wrote are one file to whoever reads them, and a lost part is named."""

import pytest
import torch

from praxia.errors import CheckpointError
from praxia.stages.weights import MODEL_FILE, StoredTensors, is_stored, part_path, read_tensors, read_weights, write_tensors


@pytest.fixture
def parts(tmp_path):
    """Three processes' rows of a [5, 2] tensor (two, two, one), and a number that the first one wrote alone."""
    whole = torch.arange(10.0).view(5, 2)
    for number, rows in enumerate(whole.split(2)):
        write_tensors(part_path(tmp_path / MODEL_FILE, number, 3), {"a": rows} | ({"scale": torch.tensor(7.0)} if number == 0 else {}))
    return tmp_path, whole


def test_parts_are_read_as_one(parts):
    folder, whole = parts
    stored = StoredTensors(folder / MODEL_FILE)
    assert set(stored) == {"a", "scale"} and len(stored) == 2 and "b" not in stored
    assert stored.shape("a") == (5, 2) and stored.shape("scale") == ()
    assert torch.equal(stored["a"], whole) and stored["scale"].shape == ()
    assert is_stored(folder / MODEL_FILE) and torch.equal(read_weights(folder)["a"], whole)


def test_a_lost_or_cut_part_is_named(parts):
    folder, _ = parts
    middle = part_path(folder / MODEL_FILE, 1, 3)
    content = middle.read_bytes()
    middle.write_bytes(content[:-4])
    with pytest.raises(CheckpointError, match="cannot read.*model-00002-of-00003"):
        read_tensors(folder / MODEL_FILE)
    middle.unlink()
    with pytest.raises(CheckpointError, match="model-00002-of-00003"):
        read_tensors(folder / MODEL_FILE)


def test_one_process_writes_one_file(tmp_path):
    assert part_path(tmp_path / MODEL_FILE, 0, 1) == tmp_path / MODEL_FILE
    assert not is_stored(tmp_path / MODEL_FILE)
    with pytest.raises(CheckpointError, match="missing or truncated"):
        read_tensors(tmp_path / MODEL_FILE)
