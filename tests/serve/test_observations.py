"""From client keys to the observation: both forms give the same, and each wrong field is refused with its name and the fix."""

import numpy as np
import pytest
from arm_policy import ArmPolicy, flat, observations

from praxia.errors import ObservationError
from praxia.serve.observations import to_observation

POLICY = ArmPolicy()
K = [[60.0, 0, 32], [0, 60, 24], [0, 0, 1]]
POSE = [[0.0, -1, 0, 0.3], [1, 0, 0, 0], [0, 0, 1, 0.5], [0, 0, 0, 1]]


def same(a, b) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and np.array_equal(a, b) and getattr(a, "dtype", None) == getattr(b, "dtype", None)


def full() -> dict:
    extra = {
        "depth": {"head": np.full((48, 64), 0.7, np.float32)},
        "cameras": {"head": {"K": np.array(K), "T_base_cam": np.array(POSE)}},
        "episode_id": "e1",
        "executed": np.ones((3, 4), np.float32),
        "executed_states": np.zeros((3, 4), np.float32),
    }
    return observations(0, 1)[0] | extra


def test_a_praxia_observation_passes_unchanged():
    assert same(to_observation(full(), POLICY), full())


def test_openpi_keys_mean_the_same_as_the_nested_form():
    nested = full()
    assert same(to_observation(flat(observations(0, 1)[0]), POLICY), observations(0, 1)[0])
    message = flat(nested) | {
        "observation/depth/head": nested["depth"]["head"],
        "observation/camera/head": {"K": K, "T_base_cam": POSE},
        "observation/executed": nested["executed"],
        "observation/executed_states": nested["executed_states"],
        "episode_id": "e1",
    }
    assert same(to_observation(message, POLICY), nested)


def test_a_view_may_be_sent_under_its_role_alone():
    nested = observations(0, 1)[0]
    message = {f"observation/{role}": image for role, image in nested["images"].items()} | {"state": nested["state"], "prompt": nested["instruction"]}
    assert same(to_observation(message, POLICY), nested)


def test_other_number_types_become_float32_and_whole_episode_numbers_text():
    message = observations(0, 1)[0] | {"state": [1, 2, 3, 4], "executed": np.zeros((0, 4)), "episode_id": 7}
    observation = to_observation(message, POLICY)
    assert observation["state"].dtype == np.float32 and observation["state"].tolist() == [1, 2, 3, 4]
    assert observation["executed"].shape == (0, 4)
    assert observation["episode_id"] == "7"


def test_depth_that_a_camera_marks_nan_or_infinite_is_unknown():
    depth = np.full((48, 64), 0.7)
    depth[0, 0], depth[0, 1] = np.nan, np.inf
    seen = to_observation(observations(0, 1)[0] | {"depth": {"head": depth}}, POLICY)["depth"]["head"]
    assert seen.dtype == np.float32 and seen[0, 0] == seen[0, 1] == 0 and (seen.ravel()[2:] == np.float32(0.7)).all()


def test_pictures_of_the_same_format_may_have_another_size():
    message = flat(observations(0, 1)[0]) | {"observation/image/head": np.zeros((240, 320, 3), np.uint8)}
    assert to_observation(message, POLICY)["images"]["head"].shape == (240, 320, 3)


def test_a_wrong_view_name_shows_both_key_lists():
    message = flat(observations(0, 1)[0])
    message["observation/image/left"] = message.pop("observation/image/wrist")
    with pytest.raises(ObservationError) as caught:
        to_observation(message, POLICY)
    text = str(caught.value)
    assert "missing: wrist; unknown: left" in text
    assert "sent: head, left" in text and "policy expects: head, wrist" in text


def test_an_unknown_key_shows_what_was_sent_and_what_is_known():
    message = flat(observations(0, 1)[0])
    message["observation/joint_state"] = message.pop("observation/state")
    with pytest.raises(ObservationError) as caught:
        to_observation(message, POLICY)
    text = str(caught.value)
    assert "did you mean 'observation/state'?" in text
    assert "sent: observation/image/head, observation/image/wrist, observation/joint_state, prompt" in text


def picture(*shape, dtype=np.uint8) -> np.ndarray:
    return np.zeros(shape, dtype)


WRONG = [
    ("image/head", picture(1, 48, 64, 3), "image[0]"),
    ("image/head", picture(3, 48, 64), "image.transpose(1, 2, 0)"),
    ("image/head", picture(48, 64, 4), "drop an alpha channel"),
    ("image/head", picture(48, 64), "uint8 [48, 64, 3]"),
    ("image/head", picture(48, 64, 3, dtype=np.float32), "(image * 255).round()"),
    ("image/head", picture(48, 48, 3), "48 x 48 (height x width); expected the aspect ratio of 48 x 64"),
    ("image/head", picture(0, 64, 3), "image/head is uint8 [0, 64, 3]"),
    ("image/head", "head.png", "image/head is a str"),
    ("state", np.zeros(3, np.float32), "state has shape [3]; expected [4]: joint_1 (rad), joint_2 (rad), joint_3 (rad), gripper"),
    ("state", np.zeros((1, 4), np.float32), "without a batch dimension"),
    ("state", np.array([0, np.nan, 0, np.inf]), "2 value(s) that are not finite; first: dim 1 'joint_2' = nan"),
    ("state", [1e300, 0, 0, 0], "dim 0 'joint_1' = inf"),
    ("state", ["a"] * 4, "expected numbers (float32)"),
    ("state", [[1], [2, 3]], "ragged"),
    ("state", None, "state is object; expected numbers"),
    ("prompt", 3, "prompt is a int; expected text"),
    ("executed", np.zeros((2, 3)), "expected [n, 4]"),
    ("executed", np.full((2, 4), np.nan), "executed holds 8 value(s)"),
    ("executed_states", np.zeros((2, 5)), "executed_states has shape [2, 5]; expected [n, 4]"),
    ("depth/head", np.full((48, 64), 700, np.uint16), "depth.astype(np.float32) / 1000"),
    ("depth/head", np.full((48, 64), 700, np.float32), "divide by 1000"),
    ("depth/head", np.full((48, 64), -1, np.float32), "holds negative values (lowest -1)"),
    ("depth/head", np.full((24, 32), 1, np.float32), "expected [48, 64], the size of its image"),
    ("depth/left", np.full((48, 64), 1, np.float32), "unknown view 'left'"),
    ("cameras/head/T_base_cam", POSE, "cameras/head has no K"),
    ("cameras/head/K", [[0, 0, 32], [0, 60, 24], [0, 0, 1]], "observation cameras/head: K is not invertible"),
    ("cameras/head/K", np.zeros((4, 4)), "expected [3, 3]"),
    ("cameras/head/K", [["a"] * 3] * 3, "cameras/head/K is <U1; expected numbers"),
    ("cameras/head", {"K": K, "T_base_cam": np.diag([2, 2, 2, 1])}, "observation cameras/head: T_base_cam"),
    ("image/head/extra", 1, "unknown observation key"),
    ("instruction", "twice", "a second time"),
]


@pytest.mark.parametrize(("key", "value", "said"), WRONG, ids=[f"{key} {said[:24]}" for key, _, said in WRONG])
def test_a_wrong_field_is_refused_with_the_fix(key, value, said):
    message = {name.removeprefix("observation/"): item for name, item in flat(observations(0, 1)[0]).items()} | {key: value}
    with pytest.raises(ObservationError) as caught:
        to_observation(message, POLICY)
    assert said in str(caught.value)


@pytest.mark.parametrize("missing", ["observation/state", "prompt", "observation/image/head"])
def test_what_is_missing_is_named(missing):
    message = flat(observations(0, 1)[0])
    del message[missing]
    with pytest.raises(ObservationError, match=missing.split("/")[-1]):
        to_observation(message, POLICY)


@pytest.mark.parametrize("message", [None, 3, [1, 2], np.zeros(3)])
def test_a_message_that_is_no_map_is_told_what_to_send(message):
    with pytest.raises(ObservationError, match="'observation/image/head': uint8"):
        to_observation(message, POLICY)
