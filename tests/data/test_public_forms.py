"""Cards of public datasets: LIBERO's commands become what its world and its policies call an action."""

import numpy as np
import pytest
import recordings as R

from praxia.cli.main import main
from praxia.data.lerobot.features import Feature
from praxia.data.lerobot.reader import LeRobotSource, Want
from praxia.data.lerobot.writer import EpisodeData, LeRobotWriter
from praxia.data.public_forms import write_public_card
from praxia.data.recorded import Recorded
from praxia.errors import ConfigError, DataError
from praxia.worlds.libero.world import ACTION, STATE

COMMANDS = np.array([[1, -1, 0.5, 0.2, 0, -0.4, -1], [0, 0, 0, 0, 0, 0, 1], [0.1, 0.2, 0.3, 0, 0, 1, 1]], np.float32)


def recorded(root, names=("observation.images.image", "observation.images.image2", "observation.state", "action"), commands=COMMANDS):
    """An episode with public names."""
    head, wrist, state, action = names
    shape = (R.H, R.W, 3), ["height", "width", "channels"]
    features = {key: Feature("video", *shape) for key in (head, wrist)} | {state: Feature("float32", (8,)), action: Feature("float32", (7,))}
    writer = LeRobotWriter(root, features, 10, robot_type="panda")
    frames = {key: [R.picture(0, step) for step in range(len(commands))] for key in (head, wrist)}
    writer.add(EpisodeData("pick up the milk", {state: np.zeros((len(commands), 8), np.float32), action: commands}, frames))
    writer.finalize()
    return root


def test_shares_of_the_controllers_limits_become_metres_and_radians(tmp_path):
    write_public_card(recorded(tmp_path / "libero"), "libero")
    source = LeRobotSource(tmp_path / "libero")
    assert (source.card.action, source.card.state, source.card.embodiment) == (ACTION, STATE, "panda")
    np.testing.assert_allclose(source.actions[0], [0.05, -0.05, 0.025, 0.1, 0, -0.2, -1], rtol=1e-6)
    sample = source.sample_at(1, Want(horizon=2))
    np.testing.assert_allclose(sample.future.actions[1], [0.005, 0.01, 0.015, 0, 0, 0.5, 1], rtol=1e-6)
    assert [view.role for view in sample.views] == ["head", "wrist"] and all(view.camera is None for view in sample.views)
    assert all(camera.mirrored and not camera.calibrated for camera in Recorded(str(tmp_path / "libero")).open().cameras)


def test_grippers_from_0_to_1_are_turned_round_and_other_names_are_found(tmp_path):
    commands = COMMANDS.copy()
    commands[:, -1] = [1, 0, 0]  # 1 opens
    write_public_card(recorded(tmp_path / "suite", ("image", "wrist_image", "state", "actions"), commands), "libero")
    np.testing.assert_allclose(LeRobotSource(tmp_path / "suite").actions[:, -1], [-1, 1, 1])


def test_another_form_and_a_card_that_is_there_are_refused(tmp_path, monkeypatch, capsys):
    other = recorded(tmp_path / "other", ("front", "image2", "state", "action"))
    with pytest.raises(DataError, match="has none of observation.images.image, image"):
        write_public_card(other, "libero")
    with pytest.raises(ConfigError, match="unknown public form 'librero'.*libero"):
        write_public_card(other, "librero")
    root = recorded(tmp_path / "libero")
    monkeypatch.setattr("sys.argv", ["praxia", "data", "inspect", str(root), "--write-card", "--like", "libero"])
    main()
    assert "wrote" in capsys.readouterr().out
    with pytest.raises(DataError, match="exists; edit it"):
        write_public_card(root, "libero")
    card = root / "dataset.yaml"
    for wrong, message in (("action_scale: [1.0]", "expected a number for each of the 7 dims"), ("action_scale: [0, 1, 1, 1, 1, 1, 1]", "has a 0")):
        text = card.read_text()
        start = text.index("action_scale")
        card.write_text(text[:start] + wrong + "\n" + text[text.index("action_offset") :])
        with pytest.raises(DataError, match=message):
            LeRobotSource(root)
