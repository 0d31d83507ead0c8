"""A policy is one folder: it gives the same actions after loading, without recipe code; sessions are reproducible; a broken folder says so."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.policy.micro_policy import HORIZON, micro_policy, observation_of

from praxia.data.batch import Tokens
from praxia.data.collate import Collate
from praxia.data.sample_transforms import CentreCrop
from praxia.errors import CheckpointError, ConfigError, EvaluationError, ObservationError
from praxia.files import read_json, write_json
from praxia.geometry.image_transform import realise
from praxia.models.vision.ray_depth import RayDepth
from praxia.policy import Policy
from praxia.registry import from_json
from praxia.specs import ActionSpec
from praxia.tokens.coordinates import points_text
from praxia.tokens.locations import points_in


@pytest.fixture(scope="module")
def policy(tabletop_source):
    return micro_policy(tabletop_source)


@pytest.fixture(scope="module")
def folder(policy, tmp_path_factory):
    path = tmp_path_factory.mktemp("policy") / "policy"
    policy.save(path)
    return path


@pytest.fixture
def copy(folder, tmp_path):
    return shutil.copytree(folder, tmp_path / "copy")


def actions(policy, source, count=3, seed=0, **further):
    session = policy.session(seed)
    return [session.infer(observation_of(source, i) | further)["actions"] for i in range(count)]


def test_a_loaded_policy_acts_as_the_saved_one_to_the_last_bit(policy, folder, tabletop_source):
    loaded = Policy.load(folder)
    for a, b in zip(actions(policy, tabletop_source), actions(loaded, tabletop_source), strict=True):
        assert a.dtype == np.float32 and a.shape == (HORIZON, tabletop_source.action_spec.width) and np.array_equal(a, b)
    assert loaded.metadata == policy.metadata and loaded.config == policy.config


def test_it_loads_in_a_process_that_knows_no_recipe(folder):
    code = (
        "import sys; from praxia.policy import Policy; p = Policy.load(sys.argv[1]); print(p.embodiment);"
        "assert not [m for m in sys.modules if m.startswith(('praxia.recipes', 'praxia.workflows', 'praxia.worlds'))], sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code, folder], capture_output=True, text=True, check=False)
    assert done.stdout == "arm7\n", done.stderr


def test_instructions_and_pictures_are_put_to_the_model_as_in_training(policy, tabletop_source, tmp_path, monkeypatch):
    config = replace(policy.config, prompt="What action should the robot take to {instruction}?", sees=(CentreCrop(0.81),))
    Policy(config, policy.model, policy.tokenizer).save(tmp_path / "asks")
    asks, shown = Policy.load(tmp_path / "asks"), []
    assert asks.config == config
    make = Collate.__call__
    monkeypatch.setattr(Collate, "__call__", lambda self, examples, *rest: (shown.extend(examples), make(self, examples, *rest))[1])
    observation = observation_of(tabletop_source)
    asks.session().infer(observation)
    (example,) = shown
    assert example.prompt == f"What action should the robot take to {observation['instruction']}?"
    for view in example.sample.views:
        assert np.array_equal(realise(view).image, observation["images"][view.role][3:61, 3:61])
    assert not np.array_equal(actions(policy, tabletop_source)[0], actions(Policy.load(tmp_path / "asks"), tabletop_source)[0])


def test_the_metadata_is_plain_json_that_rebuilds_the_specs(policy):
    metadata = json.loads(json.dumps(policy.metadata))
    assert from_json(metadata["action_spec"]) == policy.action_spec and isinstance(policy.action_spec, ActionSpec)
    assert (metadata["horizon"], metadata["replan"], metadata["recipe"], metadata["needs_depth"]) == (HORIZON, 3, "pose_vla", False)
    assert [c["role"] for c in metadata["cameras"]] == ["head", "wrist"]


def test_saving_again_leaves_a_folder_that_is_complete_or_visibly_not(policy, copy, monkeypatch):
    monkeypatch.setattr("praxia.policy.folder.write_tensors", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(CheckpointError, match="disk is full"):
        policy.save(copy)
    with pytest.raises(CheckpointError, match="not a policy folder"):
        Policy.load(copy)


# --- sessions -------------------------------------------------------------------------------------------------------------------------


def test_equal_seeds_give_equal_actions_and_other_seeds_others(policy, tabletop_source):
    first, again, other = (actions(policy, tabletop_source, seed=s) for s in (5, 5, 6))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_each_call_draws_its_own_noise_until_the_session_is_reset(policy, tabletop_source):
    session, seen = policy.session(1), observation_of(tabletop_source)
    first, second = session.infer(seen), session.infer(seen)
    assert not np.array_equal(first["actions"], second["actions"]) and (first["call"], second["call"]) == (0, 1)
    session.reset()
    assert np.array_equal(session.infer(seen)["actions"], first["actions"])


def test_a_new_episode_id_begins_anew_and_the_same_one_goes_on(policy, tabletop_source):
    session, seen = policy.session(1), observation_of(tabletop_source)
    calls = [session.infer(seen | {"episode_id": name})["call"] for name in ("a", "a", "b", 7, 7)]
    assert calls == [0, 1, 0, 0, 1]


def test_a_refused_observation_does_not_move_the_session(policy, tabletop_source):
    session, seen = policy.session(1), observation_of(tabletop_source)
    session.infer(seen | {"episode_id": "a"})
    with pytest.raises(Exception, match="state"):
        session.infer(seen | {"episode_id": "b", "state": np.zeros(3)})
    assert session.infer(seen | {"episode_id": "a"})["call"] == 1


def test_pictures_of_another_size_are_resampled_and_words_and_state_count(policy, tabletop_source):
    seen = observation_of(tabletop_source)
    base = policy.session().infer(seen)["actions"]
    big = {role: image.repeat(2, 0).repeat(2, 1) for role, image in seen["images"].items()}
    cameras = {role: {"K": c["K"] * [[2], [2], [1]]} for role, c in seen["cameras"].items()}
    doubled = {"images": big, "state": seen["state"], "instruction": seen["instruction"], "cameras": cameras}
    assert np.abs(policy.session().infer(doubled)["actions"] - base).max() < 0.1 * np.abs(base).max()
    for change in ({"instruction": "push the red mug"}, {"state": seen["state"] + 1}, {"images": big | {"head": 255 - big["head"]}}):
        assert not np.allclose(policy.session().infer(doubled | change)["actions"], base)


def test_depth_is_looked_at_only_by_a_policy_that_was_trained_with_it(policy, tabletop_source):
    seen = observation_of(tabletop_source)
    far = seen | {"depth": {role: depth + np.float32(1) for role, depth in seen["depth"].items()}}
    assert not policy.needs_depth
    assert np.array_equal(policy.session().infer(seen)["actions"], policy.session().infer(far)["actions"])
    looker = micro_policy(tabletop_source, priors=RayDepth())
    assert looker.metadata["needs_depth"] is True
    assert not np.array_equal(looker.session().infer(seen)["actions"], looker.session().infer(far)["actions"])


@pytest.mark.parametrize(
    ("priors", "group", "fix"),
    [
        (RayDepth(drop_depth=0.0), "depth", r"float32 metres \[64, 64\], 0 = unknown, or train with RayDepth.drop_depth above 0"),
        (RayDepth(drop_rays=0.0), "cameras", r"\{\"K\": \[3, 3\]\} in pixels of the sent 64 x 64 picture, or train with RayDepth.drop_rays above 0"),
    ],
)
def test_what_a_policy_never_missed_in_training_must_be_sent(tabletop_source, priors, group, fix):
    seen = observation_of(tabletop_source)
    relying, flexible = micro_policy(tabletop_source, priors=priors), micro_policy(tabletop_source, priors=RayDepth())
    assert np.isfinite(relying.session().infer(seen)["actions"]).all()
    for poor in ({k: v for k, v in seen.items() if k != group}, seen | {group: {"head": seen[group]["head"]}}):
        assert np.isfinite(flexible.session().infer(poor)["actions"]).all()
        with pytest.raises(ObservationError, match=rf"{group}/\w+ is missing: .*{fix}"):
            relying.session().infer(poor)


def test_actions_that_are_not_finite_never_leave_the_policy(tabletop_source):
    broken = micro_policy(tabletop_source)
    broken.model.head.action_out_proj.bias.data[2] = float("nan")
    with pytest.raises(EvaluationError, match="not finite .*do not execute"):
        actions(broken, tabletop_source, 1)


# --- answers --------------------------------------------------------------------------------------------------------------------------


def test_it_answers_a_prompt_with_text_and_points_in_the_sent_picture(policy, tabletop_source):
    seen = observation_of(tabletop_source)
    answer = policy.generate(seen, "point to the red mug", limit=12)
    assert set(answer) == {"text", "points"} and policy.generate(seen, "point to the red mug", limit=12) == answer
    assert len(policy.tokenizer.encode(answer["text"], add_special_tokens=False)) <= 12 + 1
    assert policy.generate({k: v for k, v in seen.items() if k != "instruction"}, "point to the red mug", limit=12) == answer
    with pytest.raises(ConfigError, match="unknown view 'left'"):
        policy.generate(seen, "point to the red mug", view="left")


def test_points_of_an_answer_are_pixels_of_the_picture_as_it_was_sent(policy, tabletop_source, monkeypatch):
    text = "<loc0512><loc0256>"
    ids = policy.tokenizer.encode(text, add_special_tokens=False)
    monkeypatch.setattr(type(policy.model), "generate", lambda *_: Tokens(torch.tensor([ids]), torch.ones(1, 2, dtype=torch.bool)))
    seen = observation_of(tabletop_source)
    big = {role: image.repeat(3, 0).repeat(3, 1) for role, image in seen["images"].items()}
    answer = policy.generate({"images": big, "state": seen["state"]}, "point to the red mug")
    assert answer == {"text": text, "points": [list(p) for p in points_in(text, (192, 192))]}
    assert np.allclose(answer["points"][0], [96, 48], atol=0.3)
    text = points_text(np.array([[0.5, 0.25]]))
    ids = policy.tokenizer.encode(text, add_special_tokens=False)
    monkeypatch.setattr(type(policy.model), "generate", lambda *_: Tokens(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.bool)))
    answer = policy.generate({"images": big, "state": seen["state"]}, "point to the red mug")
    assert answer["text"] == "[(0.500, 0.250)]" and np.allclose(answer["points"], [[95.5, 47.5]]), "coordinates in plain text"


# --- broken folders -------------------------------------------------------------------------------------------------------------------


def test_a_folder_that_is_none_or_incomplete_says_what_is_missing(copy, tmp_path):
    with pytest.raises(CheckpointError, match=r"no policy.json.*runs/<name>/policy"):
        Policy.load(tmp_path)
    (copy / "weights.safetensors").rename(tmp_path / "w")
    with pytest.raises(CheckpointError, match="no weights.safetensors"):
        Policy.load(copy)
    (copy / "weights.safetensors").write_bytes((tmp_path / "w").read_bytes()[:5000])
    with pytest.raises(CheckpointError, match="truncated"):
        Policy.load(copy)
    shutil.rmtree(copy / "tokenizer")
    with pytest.raises(CheckpointError, match="tokenizer.json"):
        Policy.load(copy)


def test_weights_or_tokenizer_of_another_policy_are_refused_by_name(copy, tabletop_source, tmp_path):
    other = micro_policy(tabletop_source, priors=RayDepth())
    other.save(tmp_path / "other")
    shutil.copy(tmp_path / "other/weights.safetensors", copy)
    with pytest.raises(CheckpointError, match=r"(?s)unexpected adapters.*mixes files of two policies"):
        Policy.load(copy)
    config = read_json(copy / "policy.json")
    write_json(copy / "policy.json", config | {"vocabulary_size": config["vocabulary_size"] + 1})
    with pytest.raises(CheckpointError, match="tokenizer has .* tokens"):
        Policy.load(copy)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 99}, "format 99, this version reads 2"),
        ({"stages": 3}, "unknown field 'stages'"),
        ({"robots": [{"kind": "policy/robt"}]}, "did you mean"),
    ],
)
def test_a_policy_of_another_version_is_refused(copy, change, said):
    write_json(copy / "policy.json", read_json(copy / "policy.json") | change)
    with pytest.raises(CheckpointError, match=said):
        Policy.load(copy)


def test_damaged_json_and_unknown_robots_are_named(copy, folder):
    with pytest.raises(ConfigError, match="did you mean 'arm7'"):
        Policy.load(folder, embodiment="arm6")
    (copy / "policy.json").write_text("{")
    with pytest.raises(CheckpointError, match="not valid JSON"):
        Policy.load(copy)
