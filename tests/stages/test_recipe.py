"""Recipe and Stage as data: what cannot be is refused where it is written, and schedules are what the papers say."""

from dataclasses import replace

import pytest

from praxia.errors import ConfigError
from praxia.recipes.action_priors import HORIZON, paper
from praxia.recipes.load import load_recipe, override
from praxia.registry import from_json, to_json
from praxia.stages.recipe import InitFrom, LinearDecay


def test_a_linear_decay_is_one_at_the_start_and_gone_at_its_steps():
    decay = LinearDecay(5000)
    assert [decay(step) for step in (0, 2500, 5000, 50_000)] == [1.0, 0.5, 0.0, 0.0]
    assert [LinearDecay(0)(step) for step in (0, 1)] == [0.0, 0.0], "N_decay = 0 distils never"
    with pytest.raises(ConfigError, match=r"LinearDecay.steps is -1"):
        LinearDecay(-1)


def test_distillation_fades_out_over_the_warm_up_as_published():
    for recipe in (paper(), load_recipe("action_priors"), load_recipe("action_priors_history")):
        robot = recipe.stages[-1]
        fading = [w.weight for w in robot.objectives if isinstance(w.weight, LinearDecay)]
        assert len(fading) == 2 and {decay.steps for decay in fading} == {robot.optimiser.warmup}


def test_a_pass_drops_token_groups_that_the_model_has():
    recipe = load_recipe("action_priors_history")
    robot = recipe.stages[-1]
    for name in ("views", "histroy"):
        with pytest.raises(ConfigError, match=f"passes drop an unknown token group '{name}'"):
            replace(recipe, stages=(*recipe.stages[:-1], replace(robot, passes=((), (name,)))))


def test_the_cheap_form_of_history_is_two_flags():
    recipe = load_recipe("action_priors_history")
    assert recipe.stages[-1].passes == ((), ("history",)) and recipe.stages[-1].sources[0].supervision.history == HORIZON
    cheap = override(recipe, ["--model.tokens.history.drop", "0.5", "--stages.robot.passes", "((),)"])
    (token,) = (t for t in cheap.model.tokens if t.name == "history")
    assert token.drop == 0.5 and cheap.stages[-1].passes == ((),) and cheap.model.order.index("history") == cheap.model.order.index("q") - 1
    published = load_recipe("action_priors_history", "paper")
    assert [t.name for t in published.model.tokens if t not in paper().model.tokens] == ["history"]
    assert published.stages[-1].passes == ((), ("history",)) and paper().stages[-1].passes == ((),)


def test_parts_of_a_start_are_names_or_pairs():
    assert InitFrom("first", parts=("head", ("encoder", "conditioner"))).parts == (("head", "head"), ("encoder", "conditioner"))  # type: ignore[arg-type]
    assert from_json(to_json(InitFrom("first", parts=(("a", "b"),)))) == InitFrom("first", parts=(("a", "b"),))
    for wrong in ("head", (("a", "b", "c"),), (3,)):
        with pytest.raises(ConfigError, match="InitFrom.parts is .*; expected names of parts"):
            InitFrom("first", parts=wrong)  # type: ignore[arg-type]


def test_a_stage_alone_starts_from_nothing_that_other_stages_taught():
    recipe = load_recipe("pose_vla", "tiny")
    alone = recipe.alone("robot")
    assert alone.name == "pose_vla_robot" and alone.stages == (replace(recipe.stages[-1], init_from=()),)
    assert recipe.alone("base_vlm").stages == recipe.stages[:1]
    kept = InitFrom(checkpoint="weights")
    given = replace(recipe, stages=(*recipe.stages[:-1], replace(recipe.stages[-1], init_from=(kept, InitFrom("waypoints")))))
    assert given.alone("robot").stages[0].init_from == (kept,)
    with pytest.raises(ConfigError, match="unknown stage of recipe 'pose_vla' 'robots'; did you mean 'robot'"):
        recipe.alone("robots")
    with pytest.raises(ConfigError, match="stage 'robot' of recipe 'poke_vla' cannot do without the stages before it: it learns from geometry"):
        load_recipe("poke_vla", "tiny").alone("robot")
    with pytest.raises(ConfigError, match=r"it trains backbone\.model\.model\.language_model\.\*, .* alone"):
        load_recipe("vipa_vla", "tiny").alone("robot")


def test_minutes_are_shared_out_in_the_recipes_proportions():
    recipe = load_recipe("pose_vla", "tiny")
    longer = recipe.within(60)
    assert sum(stage.minutes for stage in longer.stages) == pytest.approx(60)
    assert [new.minutes / old.minutes for new, old in zip(longer.stages, recipe.stages, strict=True)] == pytest.approx([60 / 7.25] * 4)
    with pytest.raises(ConfigError, match=r"0 minutes for recipe 'pose_vla' \(tiny\): expected more than 0"):
        recipe.within(0)
    with pytest.raises(
        ConfigError, match=r"60 minutes for recipe 'pose_vla' \(paper\): stages that count updates alone: object_poses, waypoints, robot"
    ):
        load_recipe("pose_vla", "paper").within(60)
