"""lerobot itself opens what we write, and we open what it writes (in an environment of its own: scripts/oracles)."""

import json
import subprocess
from pathlib import Path

import numpy as np
import pytest
import recordings as R

from praxia.data.card import CARD
from praxia.data.inspect import write_draft
from praxia.data.lerobot.pictures import decode_codes, depth_png
from praxia.data.lerobot.reader import LeRobotSource, Want
from praxia.data.statistics import declared_statistics
from praxia.data.verify import verify

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("oracle_lerobot.py")


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory):
    """Calls the oracle's script; the environment is made on first use."""
    made = subprocess.run([ROOT / "scripts" / "oracles", "lerobot"], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"lerobot's environment cannot be made here: {made.stderr[-400:]}")
    folder = tmp_path_factory.mktemp("oracle")

    def call(command: str, root: Path) -> tuple[dict, dict[str, np.ndarray]]:
        out = folder / f"{command}.npz"
        done = subprocess.run([made.stdout.strip().splitlines()[-1], SCRIPT, command, root, out], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[-3000:]
        with np.load(out) as arrays:
            return json.loads(done.stdout.strip().splitlines()[-1]), dict(arrays)

    return call


def test_oracle_lerobot_opens_what_we_write(oracle, shared_little):
    report, arrays = oracle("read", shared_little)
    assert (report["length"], report["episodes"], report["fps"], report["one_episode"]) == (24, 3, 20, 12)
    assert set(R.FEATURES) < set(report["features"])
    assert [row["task"] for row in report["rows"]] == [R.TASKS[0], R.TASKS[1], R.TASKS[2]]
    assert np.allclose(report["action_mean"], np.concatenate([R.vectors(i, n)["action"] for i, n in enumerate(R.LENGTHS)]).mean(axis=0))
    for row, episode, step in ((0, 0, 0), (9, 1, 2), (23, 2, 4)):
        shown = arrays[f"{row}/observation.images.head"].transpose(1, 2, 0) * 255
        assert np.abs(shown - R.picture(episode, step)).mean() < 2.5
        assert np.array_equal(arrays[f"{row}/observation.masks.head"][0], R.mask(step))
        assert np.array_equal(arrays[f"{row}/observation.depth.head"][0], decode_codes(depth_png(R.depth(step)), "here"))
        columns = R.vectors(episode, R.LENGTHS[episode])
        assert np.array_equal(arrays[f"{row}/observation.state"], columns["observation.state"][step])
        last = R.LENGTHS[episode] - 1
        assert np.array_equal(arrays[f"{row}/action"], columns["action"][[min(step + i, last) for i in range(3)]])
        assert np.array_equal(arrays[f"{row}/action_is_pad"], [step + i > last for i in range(3)])


def test_oracle_we_open_what_lerobot_writes(oracle, tmp_path):
    root = tmp_path / "theirs"
    report, pictures = oracle("write", root)
    assert report["length"] == 14
    write_draft(root)
    card = (root / CARD).read_text()
    assert "role: front" in card and "role: wrist" in card
    (root / CARD).write_text(card.replace("sense: unknown", "sense: open_positive"))
    assert [f for f in verify(root) if f.level == "error"] == []
    source = LeRobotSource(root)
    for row, episode, step in ((0, 0, 0), (7, 0, 7), (8, 1, 0), (13, 1, 5)):
        sample = source.sample_at(row, Want(horizon=3))
        assert sample.instruction == ("wave", "grasp the cube")[episode]
        assert np.array_equal(sample.state, np.float32([step, episode])) and np.array_equal(
            sample.future.actions[0], np.float32([step + 10, episode + 10])
        )
        front, wrist = (view.image for view in sample.views)
        assert np.array_equal(wrist, pictures[f"{episode}/{step}"])  # PNG in the parquet: lossless
        assert np.abs(front.astype(int) - wrist).mean() < 6  # their lossy AV1
    said, found = declared_statistics(root)["action"], source.statistics()["action"]
    assert np.allclose(said.mean, found.mean) and np.allclose(said.std, found.std)
