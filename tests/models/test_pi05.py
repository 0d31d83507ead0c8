"""The pi0.5 form of the joint expert: no library has it, so its parts are held against what it must reduce to."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from pi0_case import BACKBONE, HORIZON, VOCABULARY, WIDTH, make_case, our_batch
from tests.policy.micro_policy import micro_policy
from transformers import DynamicCache, GemmaConfig, GemmaModel

from praxia.data.collate import Collate, state_integers
from praxia.data.supervision.supervision import Example, Needs
from praxia.errors import ConfigError
from praxia.models.backbones.internvl import InternVL
from praxia.models.backbones.paligemma import PaliGemma
from praxia.models.heads.joint_flow import JointFlow
from praxia.models.modulated_gemma import ModulatedGemma
from praxia.models.spec import ModelSpec
from praxia.models.vla import VLA
from praxia.stages.handoff import hand_off
from praxia.stages.recipe import InitFrom
from praxia.stages.weights import write_tensors

SIZES = dict(hidden_size=24, num_hidden_layers=3, intermediate_size=40, num_attention_heads=4, num_key_value_heads=2, head_dim=16, vocab_size=1)
HEAD = JointFlow(horizon=HORIZON, action_width=WIDTH, state_width=WIDTH, width=24, mlp=40, form="pi05")


NEEDS = Needs(depth=True)


@pytest.fixture(scope="module")
def case() -> dict:
    return make_case()


def model_of(head: JointFlow, seed: int = 0) -> VLA:
    torch.manual_seed(seed)
    model = VLA(ModelSpec(backbone=PaliGemma(**BACKBONE), head=head, order=("views", "prompt"))).eval()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def inputs(seed: int = 0):
    generator = torch.Generator().manual_seed(seed)
    past = [(torch.randn(2, 2, 4, 16, generator=generator), torch.randn(2, 2, 4, 16, generator=generator)) for _ in range(3)]

    def cache() -> DynamicCache:
        filled = DynamicCache()
        for layer, (key, value) in enumerate(past):
            filled.update(key, value, layer)
        return filled

    rows, condition = torch.randn(2, 5, 24, generator=generator), torch.randn(2, 24, generator=generator)
    mask = torch.ones(2, 1, 5, 9, dtype=torch.bool)
    mask[1, :, :, :2] = False
    return rows, condition, mask, torch.arange(4, 9).expand(2, 5), cache


def test_norms_modulated_to_a_gain_with_open_gates_are_the_library_layers():
    torch.manual_seed(0)
    config = GemmaConfig(**SIZES, pad_token_id=0)
    config._attn_implementation = "sdpa"
    plain, modulated = GemmaModel(config).eval(), ModulatedGemma(config).eval()
    weights = {name: torch.randn_like(tensor) * 0.2 for name, tensor in plain.state_dict().items()}
    plain.load_state_dict(weights)
    for name, parameter in modulated.named_parameters():
        if ".dense." not in name:
            parameter.data.copy_(weights[name])
        elif name.endswith("bias"):  # scale, shift, gate
            gain = weights[name.replace("dense.bias", "weight")]
            parameter.data.copy_(torch.cat([gain, torch.zeros(24), torch.ones(24)]))
    rows, condition, mask, positions, cache = inputs()
    with torch.no_grad():
        expected = plain(inputs_embeds=rows, attention_mask=mask, position_ids=positions, past_key_values=cache()).last_hidden_state
        torch.testing.assert_close(modulated(rows, condition, mask, positions, cache()), expected, rtol=1e-5, atol=1e-5)


def test_a_fresh_stack_passes_its_rows_on_and_its_gates_learn_first():
    torch.manual_seed(0)
    config = GemmaConfig(**SIZES, pad_token_id=0)
    config._attn_implementation = "sdpa"
    stack = ModulatedGemma(config)
    rows, condition, mask, positions, cache = inputs()
    out = stack(rows, condition, mask, positions, cache())
    torch.testing.assert_close(out, rows * torch.rsqrt(rows.pow(2).mean(-1, keepdim=True) + config.rms_norm_eps))
    out.pow(3).sum().backward()
    moved = {name for name, p in stack.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert moved == {name for name, _ in stack.named_parameters() if ".dense." in name} | {"norm.dense.weight", "norm.dense.bias"}


def test_the_time_counts_and_the_state_tensor_does_not(case):
    model, batch = model_of(HEAD), our_batch(case)
    with torch.no_grad():
        prefix, _ = model.prefix(batch, model.draw(batch, torch.Generator().manual_seed(0)))
        noisy, time = case["noise"][:, None], case["time"][:, None]
        velocity = model.head.velocity(prefix, batch.state, noisy, time)
        assert velocity.shape == (3, 1, HORIZON, WIDTH)
        torch.testing.assert_close(model.head.velocity(prefix, None, noisy, time), velocity)
        assert (model.head.velocity(prefix, batch.state, noisy, time * 0.5) - velocity).abs().amin(dim=(1, 3)).max() > 1e-4
        assert model.head.layout(prefix.layout).groups[-1].name == "action" and "state" not in [
            g.name for g in model.head.layout(prefix.layout).groups
        ]


def test_several_draws_of_one_prefix_equal_separate_forwards(case):
    model, batch = model_of(HEAD), our_batch(case)
    generator = torch.Generator().manual_seed(2)
    noisy, time = torch.randn(3, 4, HORIZON, WIDTH, generator=generator), torch.rand(3, 4, generator=generator)
    with torch.no_grad():
        prefix, _ = model.prefix(batch, model.draw(batch, generator))
        together = model.head.velocity(prefix, None, noisy, time)
        alone = [model.head.velocity(prefix, None, noisy[:, k : k + 1], time[:, k : k + 1]) for k in range(4)]
    torch.testing.assert_close(together, torch.cat(alone, dim=1), rtol=1e-5, atol=1e-6)


def test_numbers_are_even_bins_over_minus_one_to_one():
    edges = np.linspace(-1, 1, 257)
    values = np.random.default_rng(0).uniform(-1, 1, 500)
    np.testing.assert_array_equal(state_integers(values), np.digitize(values, edges[:-1]) - 1)
    assert state_integers(np.array([-3.0, -1.0, 0.0, 1.0, 3.0])).tolist() == [0, 0, 128, 255, 255]


@pytest.fixture
def policy(tabletop_source):
    """A policy in the pi0.5 form; its norms' conditions count."""
    plain = micro_policy(tabletop_source)
    spec = replace(plain.config.model, head=replace(plain.config.model.head, form="pi05"))
    torch.manual_seed(0)
    model = VLA(spec)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return type(plain)(replace(plain.config, model=spec), model, plain.tokenizer)


def test_the_prompt_of_an_action_holds_the_normalised_state(policy, tabletop_source):
    sample = tabletop_source.sample(3, NEEDS)
    batch = policy.collate([Example(sample, sample.instruction)])
    said = policy.tokenizer.decode(batch.prompt.ids[0][batch.prompt.valid[0]], skip_special_tokens=True)
    numbers = " ".join(map(str, state_integers(batch.state[0].numpy())))
    assert said.strip() == f"Task: {sample.instruction}, State: {numbers};\nAction:"
    answer = policy.collate([Example(sample, "what is it?", "a mug")])
    question = policy.collate([Example(sample, "what is it?").question])
    for asked in (answer, question):  # words are answered without the state, in training as later
        assert policy.tokenizer.decode(asked.prompt.ids[0][asked.prompt.valid[0]], skip_special_tokens=True).strip() == "what is it?"
    assert question.state is None


def test_the_state_moves_the_action_through_the_prompt(policy, tabletop_source, tmp_path):
    sample = tabletop_source.sample(3, NEEDS)
    noise = policy.model_noise(0)
    (chunk,) = policy.act([sample], noise)
    (elsewhere,) = policy.act([replace(sample, state=sample.state + 0.5)], noise)
    assert np.abs(chunk - elsewhere).max() > 1e-4
    policy.save(tmp_path / "policy")
    (again,) = type(policy).load(tmp_path / "policy").act([sample], noise)
    np.testing.assert_array_equal(chunk, again)


def test_a_family_without_such_a_prompt_is_refused(policy, tabletop_source):
    backbone = InternVL(
        image_size=28, patch_size=14, vision_width=32, vision_layers=1, vision_heads=2, vision_mlp=32, text_width=32, text_layers=1, text_heads=2,
        text_kv_heads=1, text_head_dim=16, text_mlp=32, vocabulary=100,
    ).build()  # fmt: skip
    collate = Collate(policy.collate.numbers, backbone, policy.tokenizer, state_in_prompt=True)
    sample = tabletop_source.sample(3, NEEDS)
    with pytest.raises(ConfigError, match="InternVL has no form of prompt that holds the robot's state"):
        collate([Example(sample, sample.instruction)])


@pytest.mark.parametrize("form", ["pi0", "pi05"])
@pytest.mark.parametrize("prefix", ["", "model."])
def test_the_expert_starts_from_a_public_checkpoint(form, prefix, case, tmp_path):
    spec = replace(HEAD, form=form)
    theirs, ours = model_of(spec, seed=1), model_of(spec, seed=2)
    expert = {name.removeprefix("dit."): t for name, t in theirs.head.state_dict().items()}
    names = {name: f"{prefix}paligemma_with_expert.gemma_expert.model.{name}" for name in expert if name.startswith(("layers", "norm"))}
    public = {names.get(name, prefix + name): tensor for name, tensor in expert.items()}
    public[f"{prefix}paligemma_with_expert.gemma_expert.lm_head.weight"] = torch.zeros(VOCABULARY, 24)
    public[f"{prefix}paligemma_with_expert.paligemma.lm_head.weight"] = torch.zeros(VOCABULARY, 48)
    if form == "pi05":
        assert f"{prefix}paligemma_with_expert.gemma_expert.model.layers.0.input_layernorm.dense.weight" in public
    write_tensors(tmp_path / "model.safetensors", public)
    backbone = {name: tensor.clone() for name, tensor in ours.backbone.state_dict().items()}
    report = hand_off(ours, InitFrom(checkpoint=str(tmp_path), parts=spec.public_parts(prefix)), tmp_path)
    assert len(report.copied) == len(theirs.head.state_dict()) and not report.missing and not report.unexpected
    assert all(torch.equal(tensor, ours.head.state_dict()[name]) for name, tensor in theirs.head.state_dict().items())
    assert all(torch.equal(tensor, ours.backbone.state_dict()[name]) for name, tensor in backbone.items())
