"""The four-recipe contract: every stage of every recipe at micro size, over the real library classes and through the same seams."""

import json
from dataclasses import fields, is_dataclass, replace
from typing import Any

import pytest
import torch
from tests.models import compositions as micro
from tests.models.compositions import ACTION, HORIZON, NAMES, PARTS, Composition, MicroStage
from torch import Tensor

from praxia.data.batch import Batch, Tokens
from praxia.errors import ConfigError
from praxia.models.readouts import TokenAttention
from praxia.models.readouts.patch_words import words_of
from praxia.models.spec import HistoryToken, ModelSpec
from praxia.models.states import Want
from praxia.models.vla import VLA
from praxia.objectives import FlowMatching, LatentAlignment
from praxia.registry import from_json, to_json
from praxia.stages.weights import load_state, owned_state, read_tensors, write_tensors
from praxia.train.trainable import apply_trainable

TEXT = [(n, i) for n in NAMES for i, s in enumerate(micro.composition(n).stages) if s.sees == "text"]
STAGES = [(name, i) for name in NAMES for i in range(len(micro.composition(name).stages))]
IDS = [f"{name}-{micro.composition(name).stages[i].stage.name}" for name, i in STAGES]

CHAT = ("chat:open", "open:head", "view:head", "close:head", "open:wrist", "view:wrist", "close:wrist", "prompt")
CLIP = ("chat:open", *(f"{part}:head:{k}" for k in range(4) for part in ("open", "view", "close")), "prompt", "target")
LAYOUTS = {
    "pose_vla-grounding": ("view:head", "view:wrist"),
    "pose_vla-objects": ("view:head", "view:wrist", "prompt", "target"),
    "pose_vla-waypoints": ("view:head", "view:wrist", "prompt", "target"),
    "pose_vla-robot": ("view:head", "view:wrist", "prompt", "registers"),
    "action_priors-prior": None,
    "action_priors-robot": ("chat:open", "soft", *CHAT[1:], "history", "q"),
    "poke_vla-embodied_vqa": ("prompt:first", "view:head", "view:wrist", "prompt", "target"),
    "poke_vla-robot": ("prompt:first", "view:head", "view:wrist", "prompt", "seg", "queries"),
    "vipa_vla-spatial_vqa": CLIP,
    "vipa_vla-hand_motion": (*CHAT, "target"),
    "vipa_vla-robot": (*CHAT, "queries"),
}
LOSSES = {
    "grounding": {"grounding_words", "grounding_places"},
    "objects": {"next_token"},
    "waypoints": {"next_token"},
    "prior": {"flow_matching"},
    "embodied_vqa": {"next_token"},
    "spatial_vqa": {"next_token"},
    "hand_motion": {"next_token"},
    "pose_vla": {"flow_matching", "positions", "guided_attention"},
    "action_priors": {"flow_matching", "latent_alignment", "reconstruction"},
    "poke_vla": {"l1_chunk", "target_focal", "target_kld", "geometry_alignment"},
    "vipa_vla": {"flow_matching"},
}


# What acts. Answers in words pick their scored rows, words of phrases are counted, and the library's Qwen3-VL picks its visual rows: a wait each.
NEVER_WAIT = ("pose_vla-robot", "action_priors-prior", "poke_vla-robot", "vipa_vla-robot")


@pytest.fixture(params=STAGES, ids=IDS)
def case(request: pytest.FixtureRequest) -> tuple[Composition, MicroStage]:
    name, i = request.param
    recipe = micro.composition(name)
    return recipe, recipe.stages[i]


@pytest.fixture(params=NAMES)
def robot(request: pytest.FixtureRequest) -> tuple[Composition, MicroStage, VLA, Batch]:
    """The action stage of each recipe."""
    recipe = micro.composition(request.param)
    stage = recipe.stages[-1]
    return recipe, stage, micro.build(recipe, stage), micro.batch(recipe, stage)


def predicted(model: VLA, batch: Batch, seed: int = 0, drop: tuple[str, ...] = ()) -> Tensor:
    """The head's training prediction under fixed draws."""
    with torch.no_grad():
        return model(batch, micro.draws(model, batch, seed), drop).heads["action"].prediction


def brighter(batch: Batch, slot: int = 0) -> Batch:
    """The same batch with one changed block of pixels in one view."""
    assert batch.views is not None
    images = [image.clone() for image in batch.views.images]
    images[slot][:, 10:20, 10:20] = 255 - images[slot][:, 10:20, 10:20]
    return replace(batch, views=replace(batch.views, images=tuple(images)))


def test_layout_has_the_groups_of_the_paper_in_order(case):
    recipe, stage = case
    expected = LAYOUTS[f"{recipe.name}-{stage.stage.name}"]
    model = micro.build(recipe, stage)
    assert set(stage.stage.parts or PARTS) >= {n for n, p in model.named_children() if any(True for _ in p.parameters())}
    if expected is None:
        assert model.backbone is None
        return
    layout = model.layout(micro.batch(recipe, stage))
    assert layout.names == expected
    assert all(name in layout.describe() for name in expected)
    last = {g.name: g.block for g in layout.groups}
    assert max(last, key=lambda n: last[n]) == "target" if "target" in last else True  # nothing sees the target but itself


def test_objectives_are_finite_and_gradients_reach_exactly_the_intended_parts(case):
    recipe, stage = case
    model, batch = micro.build(recipe, stage), micro.batch(recipe, stage)
    apply_trainable(model, stage.stage.trainable, stage.stage.frozen)
    loss, names = torch.zeros(()), set()
    for drop in stage.stage.passes:
        outputs = model(batch, micro.draws(model, batch), drop)
        for weighted in stage.stage.objectives:
            expected = weighted.objective.count(batch)
            losses = weighted.objective(outputs, batch, micro.teachers(stage))
            assert losses.keys() == expected.keys()
            for name, (total, weight) in losses.items():
                assert total.ndim == weight.ndim == 0 and torch.isfinite(total) and weight > 0
                assert (weight / expected[name]) % 1 == 0  # a constant number of draws or tokens for each counted thing
                loss = loss + weighted.weight(0) * total / weight / len(stage.stage.passes)
                names.add(name)
    assert names == LOSSES[recipe.name if stage.sees == "actions" else stage.stage.name]
    loss.backward()
    reached = {n for n, p in model.named_parameters() if p.grad is not None and bool(p.grad.abs().sum() > 0)}
    intended = {n for n, p in model.named_parameters() if p.requires_grad}
    assert reached == intended
    assert {n.split(".")[0] for n in reached} == set(stage.moves)


@pytest.mark.parametrize(("name", "stage"), [(n, i) for (n, i), of in zip(STAGES, IDS, strict=True) if of in NEVER_WAIT])
def test_forward_losses_and_backward_never_read_back_what_is_on_the_device(name, stage):
    """The meta device has no numbers to read, and refuses tensors that were left on the CPU: an accelerator would have to wait for, or lack, them."""
    recipe = micro.composition(name)
    stage = recipe.stages[stage]
    model, batch = micro.build(recipe, stage), micro.batch(recipe, stage)
    draws = micro.draws(model, batch).to("meta")
    teachers = {name: net.to("meta") for name, net in micro.teachers(stage).items()}
    model.to("meta")
    there = batch.to("meta")
    for drop in stage.stage.passes:
        outputs = model(there, draws, drop)
        for weighted in stage.stage.objectives:
            for total, weight in weighted.objective(outputs, there, teachers).values():
                assert total.device.type == weight.device.type == "meta"
                (total / weight).backward(retain_graph=True)
    assert all(p.grad is not None for n, p in model.named_parameters() if n.split(".")[0] == "head")


def test_samples_are_deterministic_and_follow_the_noise_only_where_the_head_draws_some(robot):
    _, _, model, batch = robot
    observation = replace(batch, future=None, dense={})
    noise = model.head.noise(batch.size, torch.Generator().manual_seed(0))
    other = model.head.noise(batch.size, torch.Generator().manual_seed(1))
    first = model.sample(observation, noise)
    assert first.shape == (batch.size, HORIZON, ACTION) and torch.isfinite(first).all()
    assert torch.equal(first, model.sample(observation, noise))
    assert torch.equal(noise, other) == torch.equal(first, model.sample(observation, other))


def test_a_model_comes_back_from_json_and_safetensors(case, tmp_path):
    recipe, stage = case
    model, batch = micro.build(recipe, stage), micro.batch(recipe, stage)
    assert from_json(json.loads(json.dumps(to_json(stage.stage)))) == stage.stage
    spec = from_json(json.loads(json.dumps(to_json(recipe.model))))
    assert isinstance(spec, ModelSpec) and spec == recipe.model
    write_tensors(tmp_path / "weights.safetensors", owned_state(model))
    again = micro.build(recipe, stage, seed=5, spec=spec)
    load_state(again, read_tensors(tmp_path / "weights.safetensors"), "the file")
    with torch.no_grad():
        ours, theirs = (m(batch, micro.draws(m, batch)) for m in (model, again))
    if ours.heads:
        assert torch.equal(ours.heads["action"].prediction, theirs.heads["action"].prediction)
    elif ours.target_hidden is not None:
        assert torch.equal(ours.target_hidden, theirs.target_hidden)
    else:
        assert ours.readouts.keys() == theirs.readouts.keys() and all(torch.equal(v, theirs.readouts[k]) for k, v in ours.readouts.items())


def test_batched_equals_single(case):
    recipe, stage = case
    model, batch = micro.build(recipe, stage), micro.batch(recipe, stage)
    draws = micro.draws(model, batch)
    with torch.no_grad():
        together = model(batch, draws)
        for i in range(batch.size):
            alone = model(micro.sample_of(batch, i), micro.sample_of(draws, i))
            for name, out in together.heads.items():
                torch.testing.assert_close(out.prediction[i : i + 1], alone.heads[name].prediction, rtol=1e-4, atol=1e-5)
            if together.target_hidden is not None:
                valid = batch.target.valid[i]
                torch.testing.assert_close(together.target_hidden[i][valid], alone.target_hidden[0][valid], rtol=1e-4, atol=1e-5)
            for name, value in together.readouts.items():
                if name == "words":  # of the batch: the sample alone is scored on its own
                    value = value[..., torch.isin(words_of(batch), words_of(micro.sample_of(batch, i)))]
                torch.testing.assert_close(value[i : i + 1], alone.readouts[name], rtol=1e-4, atol=1e-5)


def test_a_pixel_moves_the_action_prediction(robot):
    _, _, model, batch = robot
    assert not torch.equal(predicted(model, batch), predicted(model, brighter(batch)))


@pytest.mark.parametrize("robot", [n for n in NAMES if n != "pose_vla"], indirect=True)  # it attends a missing view's black picture, as published
def test_an_empty_view_slot_is_not_looked_at(robot):
    _, _, model, batch = robot
    gap = (predicted(model, batch) - predicted(model, brighter(batch, slot=1))).abs().flatten(1).amax(1)
    assert (gap[:-1] > 0).all() and gap[-1] < 1e-6


@pytest.mark.parametrize("case", TEXT, indirect=True)
def test_the_target_does_not_move_the_prefix(case):
    recipe, stage = case
    model, batch = micro.build(recipe, stage), micro.batch(recipe, stage)
    shuffled = Tokens(batch.target.ids.roll(1, 0).flip(1), batch.target.valid)
    with torch.no_grad():
        one, two = (model.prefix(b, micro.draws(model, b))[0] for b in (batch, batch.with_target(shuffled)))
    for name in one.layout.names:
        assert torch.equal(one.group(name), two.group(name)) == (name != "target"), name


@pytest.mark.parametrize("case", TEXT, indirect=True)
def test_the_first_target_row_is_predicted_before_the_target_is_seen(case):
    recipe, stage = case
    model, batch = micro.build(recipe, stage), micro.batch(recipe, stage)
    ids = batch.target.ids.clone()
    ids[:, 2] = (ids[:, 2] + 1) % 50
    with torch.no_grad():
        one, two = (model(b, micro.draws(model, b)).target_hidden for b in (batch, batch.with_target(Tokens(ids, batch.target.valid))))
    assert torch.equal(one[:, :3], two[:, :3]) and not torch.equal(one[:, 3], two[:, 3])  # row 3 is the first that may look at token 2


def test_an_answer_in_the_same_batch_does_not_change_the_action(robot):
    _, _, model, batch = robot
    answer = Tokens(torch.tensor([[5, 6, 7], [7, 8, 0], [9, 0, 0]]), torch.tensor([[True] * 3, [True, True, False], [True, False, False]]))
    torch.testing.assert_close(predicted(model, batch.with_target(answer)), predicted(model, batch), rtol=1e-4, atol=1e-5)


def test_the_true_chunk_does_not_reach_the_prefix_or_what_is_predicted_from_it(robot):
    _, _, model, batch = robot
    other = replace(batch, future=replace(batch.future, states=batch.future.states + 1, actions=batch.future.actions.flip(1)))
    with torch.no_grad():
        one, two = (model(b, micro.draws(model, b)) for b in (batch, other))
    assert torch.equal(one.prefix.hidden, two.prefix.hidden)
    assert all(torch.equal(one.latents[k], two.latents[k]) == (k != "encoded") for k in one.latents)


def test_a_batch_that_asks_nothing_is_only_looked_at():
    recipe = micro.composition("pose_vla")
    model, batch = micro.build(recipe), micro.batch(recipe, recipe.stages[0])
    with torch.no_grad():
        outputs = model(batch, micro.draws(model, batch))
    assert outputs.prefix is None and not outputs.heads and set(outputs.readouts) == {"words", "places"}
    assert outputs.readouts["words"].shape == (batch.size, 2, 16, 5) and outputs.readouts["places"].shape == (batch.size, 2, 16, 3)


def test_attention_weights_are_those_of_the_layer_and_only_computed_for_training():
    recipe = micro.composition("pose_vla")
    stage = recipe.stages[-1]
    model, batch = micro.build(recipe, stage), micro.batch(recipe, stage)
    with torch.no_grad():
        read = model(batch, micro.draws(model, batch)).readouts["attention"]
        prefix, _ = model.prefix(batch, micro.draws(model, batch), want=Want(attentions=True))
    rows = prefix.attentions[1][:, 2, prefix.layout.slice("registers")]
    assert torch.allclose(rows.sum(-1), torch.ones(()), atol=1e-5)
    assert torch.equal(read, torch.stack([rows[..., prefix.layout.slice(f"view:{v}")] for v in ("head", "wrist")], dim=1))
    assert model.prefix(batch, micro.draws(model, batch))[0].attentions is None
    with pytest.raises(ConfigError, match="attention='plain'"):
        TokenAttention().build(replace(recipe.model.backbone, attention="sdpa").build())
    with pytest.raises(ConfigError, match="layer 7"):
        TokenAttention(decoder_layer=7).build(model.backbone)


def test_per_layer_states_begin_with_the_embeddings_and_end_with_the_normed_states(robot):
    _, _, model, batch = robot
    with torch.no_grad():
        prefix, _ = model.prefix(batch, micro.draws(model, batch), want=Want(layers=True, key_values=True))
    geometry = prefix.geometry
    assert len(prefix.layers) == geometry.layers + 1 and len(prefix.key_values) == geometry.layers
    assert torch.equal(prefix.layers[-1], prefix.hidden)
    assert prefix.key_values[0][0].shape == (batch.size, geometry.kv_heads, prefix.layout.length, geometry.head_dim)
    assert torch.equal(prefix.group("prompt", 0)[0, -1], prefix.layers[0][0, prefix.layout.slice("prompt").stop - 1])


@pytest.mark.parametrize("form", ["encoder", "mlp"])
def test_dropping_history_in_a_pass_equals_masking_it_and_having_none(form):
    recipe = micro.composition("action_priors")
    tokens = tuple(replace(t, form=form, steps=micro.PAST) if isinstance(t, HistoryToken) else t for t in recipe.model.tokens)
    recipe = replace(recipe, model=replace(recipe.model, tokens=tokens))
    stage = recipe.stages[-1]
    model, batch = micro.build(recipe, stage), micro.batch(recipe, stage)
    with_history, without = predicted(model, batch), predicted(model, batch, drop=("history",))
    masked = replace(micro.draws(model, batch), masks={"history": torch.tensor([True, False, True])})
    with torch.no_grad():
        mixed = model(batch, masked).heads["action"].prediction
    assert not torch.allclose(with_history[:2], without[:2], atol=1e-4)
    torch.testing.assert_close(with_history[2], without[2], rtol=1e-4, atol=1e-5)  # its past is empty
    torch.testing.assert_close(mixed[0], without[0], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(mixed[1], with_history[1], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(predicted(model, replace(batch, past=None)), without, rtol=1e-5, atol=1e-6)


def test_what_moves_the_encoder_behind_the_backbone():
    """Action Priors, D14: reconstruction and the actions through the history token, never the alignment; and nothing where it is frozen."""
    recipe = micro.composition("action_priors")
    stage = recipe.stages[-1]
    model, batch = micro.build(recipe, stage), micro.batch(recipe, stage)
    draws = micro.draws(model, batch)

    def moved(objective, drop=()) -> bool:
        outputs = model(batch, draws, drop)
        ((total, _),) = objective(outputs, batch, {}).values()
        gradients = torch.autograd.grad(total, list(model.encoder.parameters()), allow_unused=True)
        return any(g is not None and g.abs().max() > 0 for g in gradients)

    alone = ("history",)
    assert moved(FlowMatching(head="reconstruction"), alone) and moved(FlowMatching())
    assert not moved(FlowMatching(), alone) and not moved(LatentAlignment(), alone)
    trained = apply_trainable(model, ("*",), ("encoder*",))
    assert trained and not any(name.startswith("encoder") for name in trained)


def test_a_history_mlp_takes_as_many_steps_as_it_was_made_for():
    recipe = micro.composition("action_priors")
    tokens = tuple(replace(t, form="mlp", steps=7) if isinstance(t, HistoryToken) else t for t in recipe.model.tokens)
    recipe = replace(recipe, model=replace(recipe.model, tokens=tokens))
    stage = recipe.stages[-1]
    with pytest.raises(ConfigError, match=f"HistoryToken.steps is 7, the batch has {micro.PAST} past steps"):
        predicted(micro.build(recipe, stage), micro.batch(recipe, stage))


def test_latents_have_unit_length_and_a_policy_without_history_needs_no_encoder():
    recipe = micro.composition("action_priors")
    stage = recipe.stages[-1]
    model, batch = micro.build(recipe, stage), micro.batch(recipe, stage)
    latents = model(batch, micro.draws(model, batch)).latents
    for name in ("predicted", "encoded"):
        torch.testing.assert_close(latents[name].norm(dim=-1), torch.ones(batch.size), rtol=0, atol=1e-5)
    assert model.drop_what_only_teaches().encoder is not None and model.encoder is not None, "its history token is made by the encoder"
    spec = recipe.model
    bare = replace(
        spec, tokens=tuple(t for t in spec.tokens if not isinstance(t, HistoryToken)), order=tuple(g for g in spec.order if g != "history")
    )
    model = micro.build(recipe, stage, spec=bare)
    noise = model.head.noise(batch.size, torch.Generator().manual_seed(0))
    before, left = model.sample(batch, noise), model.drop_what_only_teaches()
    assert left.encoder is None and model.encoder is None and not any(name.startswith("encoder.") for name in model.state_dict())
    assert torch.equal(model.sample(batch, noise), before)


def test_a_flow_loss_of_a_head_that_is_not_there_and_a_query_of_no_token_are_refused():
    recipe = micro.composition("pose_vla")
    stage = recipe.stages[-1]
    model, batch = micro.build(recipe, stage), micro.batch(recipe, stage)
    with pytest.raises(ConfigError, match="flow_matching: unknown head output 'reconstruction'; .*valid: action"):
        FlowMatching(head="reconstruction")(model(batch, micro.draws(model, batch)), batch, {})
    recipe = micro.composition("action_priors")
    wrong = replace(recipe.model, conditioner=replace(recipe.model.conditioner, query="zz"))
    with pytest.raises(ConfigError, match="LatentQuery.query: unknown token group 'zz'"):
        micro.build(recipe, recipe.stages[-1], spec=wrong)


def test_soft_prompts_are_those_of_the_sample_s_embodiment():
    recipe = micro.composition("action_priors")
    stage = recipe.stages[-1]
    model, batch = micro.build(recipe, stage), micro.batch(recipe, stage)
    before = predicted(model, batch)
    with torch.no_grad():
        model.tokens.learned["soft"][1] += 1
    moved = (predicted(model, batch) - before).abs().flatten(1).amax(1) > 0
    assert torch.equal(moved, batch.embodiment == 1)


def test_one_goal_token_draws_a_mask_in_every_view():
    recipe = micro.composition("poke_vla")
    stage = recipe.stages[-1]
    model, batch = micro.build(recipe, stage), micro.batch(recipe, stage)
    with torch.no_grad():
        before = model(batch, micro.draws(model, batch))
        model.tokens.special_ids = {"<SEG>": model.tokens.special_ids["<SEG>"] + 1}
        after = model(batch, micro.draws(model, batch))
    assert before.prefix.layout.slice("seg").stop - before.prefix.layout.slice("seg").start == 1
    rows, columns = before.prefix.grid
    assert before.readouts["target_mask"].shape == (batch.size, 2, 4 * rows, 4 * columns)
    changed = (before.readouts["target_mask"] - after.readouts["target_mask"]).abs().amax((2, 3))
    assert (changed > 0).all()
    assert not torch.equal(before.heads["action"].prediction, after.heads["action"].prediction)


def test_bfloat16_compute_stays_near_float32_and_gradients_stay_finite(case):
    recipe, stage = case
    model, batch = micro.build(recipe, stage), micro.batch(recipe, stage)
    draws, teachers = micro.draws(model, batch), micro.teachers(stage)

    def losses() -> dict[str, Tensor]:
        outputs = model(batch, draws)
        found = [w.objective(outputs, batch, teachers) for w in stage.stage.objectives]
        return {name: total / weight for one in found for name, (total, weight) in one.items()}

    exact = losses()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = losses()
    for name, value in rough.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, exact[name], rtol=0.1, atol=0.02, msg=name)
    torch.stack(list(rough.values())).sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


@pytest.mark.parametrize("name", NAMES)
def test_plain_attention_everywhere_equals_sdpa(name):
    recipe = micro.composition(name)
    stage = recipe.stages[-1]

    def plain(value: Any) -> Any:
        """The same spec with every `attention` field set to plain."""
        if isinstance(value, tuple):
            return tuple(plain(v) for v in value)
        if isinstance(value, dict):
            return {k: plain(v) for k, v in value.items()}
        if not is_dataclass(value) or isinstance(value, type):
            return value
        changed = replace(value, **{f.name: plain(getattr(value, f.name)) for f in fields(value)})
        return replace(changed, attention="plain") if hasattr(value, "attention") else changed

    fused = replace(recipe.model, readouts={k: r for k, r in recipe.model.readouts.items() if not isinstance(r, TokenAttention)})
    if fused.backbone.attention == "plain":
        fused = replace(fused, backbone=replace(fused.backbone, attention="sdpa"))
    spec = plain(fused)
    assert "sdpa" not in json.dumps(to_json(spec))
    one, two, batch = micro.build(recipe, stage, spec=fused), micro.build(recipe, stage, spec=spec), micro.batch(recipe, stage)
    torch.testing.assert_close(predicted(one, batch), predicted(two, batch), rtol=1e-4, atol=1e-5)
