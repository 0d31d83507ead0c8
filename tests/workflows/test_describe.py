"""What `praxia info` says of the published shapes."""

from dataclasses import replace

import pytest

from praxia.recipes import action_priors, action_priors_history, poke_vla
from praxia.recipes.pose_vla import paper
from praxia.workflows.describe import describe, slot_table, source_table, stage_table


def test_pose_vla_has_the_published_sizes_and_tokens():
    recipe = paper()
    facts = describe(replace(recipe, stages=recipe.stages[:2]))
    parts = facts["parameters"]
    # PaliGemma-3B is 2.92 B; 6,448 rows of 2048 more are the pose tokens beyond its spare ones
    assert parts["by_module"]["backbone"] / 1e9 == pytest.approx(2.923 + 6448 * 2048 / 1e9, abs=0.002)
    assert parts["by_module"]["head"] / 1e6 == pytest.approx(315, abs=1)  # Gemma-300M layers, state, action and time projections
    assert {name: round(size / 1e6, 1) for name, size in parts["by_adapter"].items()} == {"rays": 8.0, "depth": 7.1}
    assert facts["added_tokens"]["count"] == 6511 and "<transZ0000>..<transZ2047> (2048)" in facts["added_tokens"]["tokens"]
    assert facts["reused_tokens"] == ["<loc0000>..<loc1023> (1024)"]
    assert facts["layout"]["object_poses"].count("256 tokens") == 3
    assert facts["assumed"] == {
        "object_poses": {"answer": {"views": 3, "prompt_tokens": 16, "target_tokens": 51}},
        "waypoints": {"answer": {"views": 3, "prompt_tokens": 16, "target_tokens": 246}},  # "up to 20 tuples, about 250 tokens"
    }
    assert "246 tokens" in facts["layout"]["waypoints"]
    assert facts["flops_per_sample"]["waypoints"] > 1.1 * facts["flops_per_sample"]["object_poses"]
    assert facts["trainable_by_stage"]["object_poses"] == parts["total"] - parts["by_module"]["head"]


def test_the_stage_table_says_where_each_stage_starts_and_what_the_user_brings():
    rows = stage_table(paper()).rows
    assert [row[0] for row in rows] == ["object_poses", "waypoints\n← object_poses", "robot\n← waypoints"]
    assert rows[1][1] == "waypoints\n(give --data)" and rows[2][4].endswith("x 32")


def test_the_source_table_says_what_is_read_and_how_much_of_it():
    rows = source_table(poke_vla.paper()).rows
    assert rows[0] == ("embodied_vqa", "27%", "question_answer", "data/poke_vlm/llava_v1_5_mix665k.json") and rows[-1][3] == "(give --data)"
    recipe = poke_vla.tiny()
    by_size = replace(recipe.stages[0], sources=(replace(recipe.stages[0].sources[0], weight=0.0), *recipe.stages[0].sources[1:]))
    assert {row[1] for row in source_table(replace(recipe, stages=(by_size,))).rows} == {"by size"}
    assert source_table(recipe).rows[-1] == ("robot", "100%", "action_chunk", "tabletop, 250 episodes a task")


def test_action_priors_has_the_published_sizes_and_slots():
    facts = describe(action_priors.paper())
    modules = facts["parameters"]["by_module"]
    assert modules["encoder"] / 1e9 == pytest.approx(0.44, abs=0.005)
    assert modules["head"] / 1e9 == pytest.approx(0.44 + 0.18, abs=0.005)  # and the modulation
    assert modules["backbone"] / 1e9 == pytest.approx(2.13, abs=0.01)
    for kind, width in (("action", 37), ("state", 74)):
        assert [i for run in facts["slots"][kind] for i in range(run["first"], run["last"] + 1)] == list(range(width))
    assert [run["name"] for run in facts["slots"]["action"] if run["meanings"]] == ["right arm"]
    assert facts["layout"]["action_prior"] == "" and "history" not in facts["layout"]["robot"]
    assert "history" in describe(action_priors_history.paper())["layout"]["robot"]
    assert facts["stages"][-1]["objectives"] == ["flow_matching", "latent_alignment", "reconstruction"]
    assert facts["trainable_by_stage"]["action_prior"] == modules["encoder"] + modules["head"]
    rows = slot_table(facts["slots"]).rows
    assert ("action", "right arm", "7 to 13", "panda 7, gr1 7", "delta pose\njoint angles") in rows
