"""Cross-attention and DiT heads, and the target mask decoder: what they read and how they start."""

import math
from dataclasses import replace

import pytest
import torch
from tests.models import compositions as micro

from praxia.errors import ConfigError
from praxia.models.attention import MultiHeadAttention
from praxia.models.heads.cross_attention_l1 import CrossAttentionL1
from praxia.models.heads.dit_flow import DiTFlow
from praxia.models.heads.flow import path
from praxia.models.heads.joint_flow import JointFlow
from praxia.models.readouts import GeometryProjector, TargetMaskDecoder
from praxia.models.readouts.sam_mask import SamMask
from praxia.models.vla import VLA
from praxia.train.diagnostics import watched


def robot(name: str, **head):
    recipe = micro.composition(name)
    stage = recipe.stages[-1]
    spec = replace(recipe.model, head=replace(recipe.model.head, **head))
    return micro.build(recipe, stage, spec=spec), micro.batch(recipe, stage)


def nudged(prefix, name: str):
    """The same states with one group moved."""
    hidden = prefix.hidden.clone()
    hidden[:, prefix.layout.slice(name)] += 1
    return replace(prefix, hidden=hidden)


def reads(model, batch, groups) -> set[str]:
    """Groups of the prefix that move the head's prediction."""
    draws = micro.draws(model, batch)
    with torch.no_grad():
        prefix, _ = model.prefix(batch, draws)
        before = model.head(prefix, None, batch, draws).prediction
        return {g for g in groups if not torch.equal(before, model.head(nudged(prefix, g), None, batch, draws).prediction)}


@pytest.mark.parametrize("name", ["pose_vla", "vipa_vla", "action_priors"])
def test_slots_that_a_robot_has_not_go_in_sampling_as_they_went_in_training(name, monkeypatch):
    """No loss teaches their velocity, and the net's answer for the others depends on what stands there: their noise, by its share of the path."""
    model, batch = robot(name)
    noise, seen = model.head.noise(batch.size, torch.Generator().manual_seed(1)), []
    dims = torch.ones(batch.size, noise.shape[-1], dtype=torch.bool)
    dims[0, -1] = False
    lacking = ~dims[:, None].expand_as(noise)

    def wild(*inputs):
        chunk, time = inputs[-2:]
        share = time if name == "pose_vla" else 1 - time  # pi0 counts from data to noise
        seen.append((chunk[:, 0][lacking], (share[:, :, None] * noise)[lacking]))
        return torch.full_like(chunk, 7.0)

    monkeypatch.setattr(model.head, "velocity", wild)
    end = model.sample(replace(batch, future=None, target=None, action_dims=dims), noise)
    assert len(seen) == model.head.steps
    for stands, expected in seen:
        torch.testing.assert_close(stands, expected)
    torch.testing.assert_close(end[lacking], torch.zeros_like(end[lacking]), atol=1e-5, rtol=0)
    assert ((end - noise)[~lacking].abs() > 6.9).all()


def test_the_l1_head_reads_queries_views_and_goal():
    model, batch = robot("poke_vla")
    assert reads(model, batch, ("prompt", "queries", "seg", "view:head", "view:wrist")) == {"queries", "seg", "view:head", "view:wrist"}


def test_without_a_goal_group_the_goal_is_a_training_signal_only():
    model, batch = robot("poke_vla", goal="")
    assert reads(model, batch, ("queries", "seg")) == {"queries"}
    assert not any("goal" in n for n, _ in model.head.named_parameters())


def test_gates_keep_views_and_goal_out_at_the_start_and_let_them_in_once_they_moved():
    recipe = micro.composition("poke_vla")
    model, batch = robot("poke_vla")
    model.head = recipe.model.head.build(model.backbone.geometry, model.backbone.text_width)
    groups = ("queries", "seg", "view:head")
    assert reads(model, batch, groups) == {"queries"}
    for gate, group in (("view_gate", "view:head"), ("goal_gate", "seg")):
        with torch.no_grad():
            for block in model.head.blocks:
                getattr(block, gate).fill_(-0.5)
        assert reads(model, batch, groups) >= {"queries", group}
    with torch.no_grad(), watched(model) as heard:
        model.head.blocks[0].goal_gate.zero_()
        model(batch, micro.draws(model, batch))
    said = {name: (total / weight).item() for name, (total, weight) in heard.items()}
    count = len(model.head.blocks)
    assert said == pytest.approx({"head/view_gate": math.tanh(0.5), "head/goal_gate": math.tanh(0.5) * (count - 1) / count})


def test_gates_at_zero_still_learn():
    """The gradient of a gate is not zero where the gate is, so that what it holds back comes in by training."""
    recipe = micro.composition("poke_vla")
    model, batch = robot("poke_vla")
    model.head = recipe.model.head.build(model.backbone.geometry, model.backbone.text_width)
    out = model(batch, micro.draws(model, batch)).heads["action"]
    (out.prediction - out.target).abs().sum().backward()
    assert all(gate.grad.abs() > 0 for block in model.head.blocks for gate in (block.view_gate, block.goal_gate))


def test_a_latent_for_each_step_says_all_its_numbers():
    model, batch = robot("poke_vla", latents="steps")
    assert model.head.latents.shape == (micro.HORIZON, 24) and robot("poke_vla")[0].head.latents.shape == (micro.HORIZON * micro.ACTION, 24)
    draws = micro.draws(model, batch)
    with torch.no_grad():
        before = model(batch, draws).heads["action"].prediction
        assert before.shape == (batch.size, 1, micro.HORIZON, micro.ACTION)
        model.head.out[-1].bias[2] += 1  # the third number of every step
        moved = model(batch, draws).heads["action"].prediction - before
    torch.testing.assert_close(moved, torch.eye(micro.ACTION)[2].expand_as(moved), rtol=0, atol=1e-5)
    assert reads(model, batch, ("prompt", "queries", "seg", "view:wrist")) == {"queries", "seg", "view:wrist"}


def test_the_dit_head_reads_its_queries_only():
    model, batch = robot("vipa_vla")
    assert reads(model, batch, ("prompt", "queries", "view:head")) == {"queries"}


def test_the_dit_head_draws_uniform_times_and_learns_32_chunks_by_heart():
    """VIPA-VLA §7.7: from fresh noise four Euler steps end at the chunk that a state was taught with, and each is one look at the velocity."""
    torch.manual_seed(0)
    model, batch = robot("vipa_vla", width=48, heads=4, layers=2, out_width=32)
    head, samples = model.head, 32
    times = head.draw(4000, torch.Generator().manual_seed(0)).time.flatten().sort().values
    uniform = (torch.arange(len(times)) + 0.5) / len(times)
    assert (times - uniform).abs().max() < 1.63 / len(times) ** 0.5, "Kolmogorov and Smirnov, 1 %"

    with torch.no_grad():
        prefix, _ = model.prefix(batch, micro.draws(model, batch))
    one = replace(
        prefix, hidden=prefix.hidden[:1].expand(samples, -1, -1), layout=replace(prefix.layout, valid=prefix.layout.valid[:1].expand(samples, -1))
    )
    generator = torch.Generator().manual_seed(1)
    state = torch.randn(samples, *batch.state.shape[1:], generator=generator)
    chunks = 0.5 * torch.randn(samples, 1, head.spec.horizon, head.spec.action_width, generator=generator)
    optimiser = torch.optim.AdamW(head.parameters(), lr=4e-3)
    falling = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.01, 400)
    for _ in range(400):
        noise, time = torch.randn(samples, 8, *chunks.shape[2:]), torch.rand(samples, 8)
        noisy, target = path(chunks[:, 0], noise, time)
        loss = (head.velocity(one, state, noisy, time) - target).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        falling.step()
    looks = []
    velocity = head.velocity
    head.velocity = lambda *inputs: looks.append(inputs[-1]) or velocity(*inputs)
    with torch.no_grad():
        found = head.sample(one, None, state, head.noise(samples, torch.Generator().manual_seed(2)), DiTFlow().steps)
    assert [float(look.flatten()[0]) for look in looks] == [0.0, 0.25, 0.5, 0.75]
    assert (found - chunks[:, 0]).abs().mean() < 0.15 * chunks.abs().mean()


@pytest.mark.parametrize("name", ["pose_vla", "poke_vla", "vipa_vla"])
def test_the_state_reaches_the_action(name):
    model, batch = robot(name)
    draws = micro.draws(model, batch)
    with torch.no_grad():
        one, two = (model(b, draws).heads["action"].prediction for b in (batch, replace(batch, state=batch.state + 1)))
    assert not torch.equal(one, two)
    with pytest.raises(ConfigError, match="state"):
        model(replace(batch, state=None), draws)


@pytest.mark.parametrize("spec", [CrossAttentionL1(), DiTFlow(), JointFlow()])
def test_a_head_that_reads_a_prefix_cannot_be_built_without_a_backbone(spec):
    with pytest.raises(ConfigError, match="no backbone"):
        spec.build(None, 0)


def test_dropout_acts_in_training_only():
    model, batch = robot("vipa_vla", dropout=0.5)
    draws = micro.draws(model, batch)
    with torch.no_grad():
        evaluated = [model(batch, draws).heads["action"].prediction for _ in range(2)]
        model.train()
        trained = [model(batch, draws).heads["action"].prediction for _ in range(2)]
    assert torch.equal(*evaluated) and not torch.equal(*trained)


def test_plain_attention_equals_sdpa_and_skips_what_is_not_seen():
    torch.manual_seed(0)
    sdpa, plain = MultiHeadAttention(16, 4, 12), MultiHeadAttention(16, 4, 12, "plain")
    plain.load_state_dict(sdpa.state_dict())
    rows, context = torch.randn(2, 3, 16), torch.randn(2, 5, 12)
    seen = torch.tensor([[True, True, False, True, False], [False] * 5])
    torch.testing.assert_close(sdpa(rows, context, seen), plain(rows, context, seen), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(sdpa(rows, context, seen)[:1], sdpa(rows[:1], context[:1, seen[0]]), rtol=1e-5, atol=1e-6)
    assert torch.isfinite(sdpa(rows, context, seen)).all()


@pytest.mark.parametrize(
    ("spec", "field", "value", "expected"),
    [
        (CrossAttentionL1, "horizon", 0, "at least 1"),
        (CrossAttentionL1, "layers", 0, "at least 1"),
        (CrossAttentionL1, "heads", 0, "at least 1"),
        (CrossAttentionL1, "heads", 5, "a divisor of the width 896"),
        (CrossAttentionL1, "state_width", -1, "at least 0"),
        (CrossAttentionL1, "latents", "rows", "one of numbers, steps"),
        (TargetMaskDecoder, "layers", 0, "at least 1"),
        (TargetMaskDecoder, "heads", 7, "a divisor of the width 256"),
        (TargetMaskDecoder, "width", 0, "at least 1"),
        (SamMask, "decoder_layers", 0, "at least 1"),
        (SamMask, "vision_heads", 0, "at least 1"),
        (SamMask, "window", -1, "at least 0"),
    ],
)
def test_a_field_that_cannot_work_is_named(spec, field, value, expected):
    with pytest.raises(ConfigError, match=rf"{spec.__name__}\.{field} is {value!r}; expected .*{expected}"):
        spec(**{field: value})


def test_a_mask_decoder_whose_channels_cannot_halve_twice_is_refused():
    with pytest.raises(ConfigError, match=r"TargetMaskDecoder\.width is 6; expected a multiple of 4"):
        TargetMaskDecoder(width=6, heads=2)


@pytest.mark.parametrize("layer", [-5, 4])
def test_a_readout_of_a_layer_that_the_model_has_not_is_refused(layer):
    recipe = micro.composition("poke_vla")
    readouts = recipe.model.readouts | {"geometry": GeometryProjector(width=20, layer=layer)}
    with pytest.raises(ConfigError, match=f"readout 'geometry' reads layer {layer}; the language model has 3"):
        VLA(replace(recipe.model, readouts=readouts), special_ids={"<SEG>": 0})


def test_an_order_that_forgets_or_invents_a_group_is_refused():
    model = micro.composition("poke_vla").model
    for order, message in (
        (("views", "prompt", "seg", "target"), "not in ModelSpec.order"),
        (("views", "prompt", "seg", "queries", "quires", "target"), "quires"),
        (("views", "prompt", "target", "seg", "queries"), "put it last"),
    ):
        with pytest.raises(ConfigError, match=message):
            VLA(replace(model, order=order))


def test_a_special_token_without_an_id_is_refused():
    with pytest.raises(ConfigError, match="<SEG>"):
        VLA(micro.composition("poke_vla").model)


@pytest.mark.parametrize(
    ("field", "value", "fault"),
    [
        ("steps", 0, "a whole number of at least 1"),
        ("draws", 0, "a whole number"),
        ("time_alpha", -1.0, "a number above 0"),
        ("form", "pi0.5", "pi0, pi05"),
    ],
)
def test_a_joint_flow_that_could_not_act_is_refused(field, value, fault):
    with pytest.raises(ConfigError, match=rf"JointFlow.{field} is .*; expected .*{fault}"):
        JointFlow(**{field: value})
