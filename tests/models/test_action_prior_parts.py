"""Action encoder, latent query and prior decoder (Action Priors): properties of the latent, and the library's blocks as oracle."""

from dataclasses import replace

import pytest
import torch
from tests.models.compositions import stirred
from transformers import Qwen3ForCausalLM, Qwen3Model

from praxia.data.batch import Batch, Chunk, Draws
from praxia.errors import CheckpointError, ConfigError
from praxia.models.conditioners.action_encoder import ActionEncoder
from praxia.models.conditioners.latent_query import LatentQuery
from praxia.models.heads.flow import integrate, path, skewed_time
from praxia.models.heads.prior_decoder import PriorDecoder
from praxia.models.qwen3_core import ModulatedQwen3, Qwen3Size
from praxia.models.spec import HistoryToken, LearnedTokens, ModelSpec
from praxia.models.vla import VLA

CORE = Qwen3Size(width=24, layers=2, heads=4, kv_heads=2, head_dim=8, mlp=32)
STEPS, STATE, ACTION = 5, 6, 3


@pytest.fixture
def chunk() -> Chunk:
    generator = torch.Generator().manual_seed(0)
    valid = torch.arange(STEPS) < torch.tensor([[STEPS], [3]])
    return Chunk(torch.randn(2, STEPS, STATE, generator=generator), torch.randn(2, STEPS, ACTION, generator=generator), valid)


@pytest.fixture
def encoder():
    torch.manual_seed(0)
    return stirred(ActionEncoder(STATE, ACTION, prompt_tokens=2, core=CORE).build(2)).eval()


def test_the_latent_has_unit_length_and_depends_on_the_embodiment(encoder, chunk):
    one, two = (encoder(chunk, torch.full((2,), i)) for i in range(2))
    assert one.shape == (2, 24)
    torch.testing.assert_close(one.norm(dim=1), torch.ones(2))
    assert ((one - two).abs().amax(1) > 1e-3).all()


@pytest.mark.parametrize("step", range(STEPS))
@pytest.mark.parametrize("part", ["states", "actions"])
def test_every_valid_step_and_no_other_reaches_the_latent(encoder, chunk, step, part):
    values = getattr(chunk, part).clone()
    values[:, step] += 1
    before, after = (encoder(c, torch.zeros(2, dtype=torch.long)) for c in (chunk, replace(chunk, **{part: values})))
    moved = (before - after).abs().amax(1) > 1e-6
    assert moved.tolist() == chunk.valid[:, step].tolist()


def test_the_latent_of_a_padded_chunk_is_that_of_the_short_one(encoder, chunk):
    short = Chunk(chunk.states[1:, :3], chunk.actions[1:, :3], chunk.valid[1:, :3])
    torch.testing.assert_close(encoder(chunk, torch.ones(2, dtype=torch.long))[1:], encoder(short, torch.ones(1, dtype=torch.long)))


def test_an_encoder_of_actions_alone_sees_no_states(chunk):
    torch.manual_seed(0)
    blind = stirred(ActionEncoder(STATE, ACTION, prompt_tokens=2, core=CORE, states=False).build(1)).eval()
    before, states, actions = (blind(c, None) for c in (chunk, replace(chunk, states=chunk.states + 1), replace(chunk, actions=chunk.actions + 1)))
    assert torch.equal(before, states) and not torch.allclose(before, actions)
    assert not any(name.startswith("state_in") for name, _ in blind.named_parameters())


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: PriorDecoder(draws=0), "PriorDecoder.draws is 0"),
        (lambda: PriorDecoder(steps=0), "PriorDecoder.steps is 0"),
        (lambda: PriorDecoder(time_alpha=0.0), "PriorDecoder.time_alpha is 0.0; expected a number above 0"),
        (lambda: ActionEncoder(prompt_tokens=-1), "ActionEncoder.prompt_tokens is -1"),
        (lambda: ActionEncoder(STATE, ACTION, core=replace(CORE, kv_heads=3)).build(1), "kv_heads is 3; expected a divisor of heads 4"),
        (lambda: HistoryToken(drop=1.0), "HistoryToken.drop is 1.0"),
        (lambda: VLA(_prior(head=PriorDecoder(STEPS, ACTION, 16, CORE))), "takes a latent of 16 numbers, conditioner 'latent_query' makes 24"),
        (lambda: VLA(_prior(tokens=(LearnedTokens("q", 2),), order=("q",))), "names token group 'q' of 2 tokens"),
    ],
)
def test_parts_that_cannot_be_are_refused_when_they_are_built(make, says):
    with pytest.raises(ConfigError, match=says):
        make()


def _prior(**changes) -> ModelSpec:
    parts = {"encoder": ActionEncoder(STATE, ACTION, 2, CORE), "conditioner": LatentQuery(width=24), "head": PriorDecoder(STEPS, ACTION, 24, CORE)}
    return ModelSpec(**(parts | changes), embodiments=("arm",))


def test_the_order_of_steps_matters(encoder, chunk):
    turned = Chunk(chunk.states.flip(1), chunk.actions.flip(1), torch.ones_like(chunk.valid))
    straight = replace(chunk, valid=turned.valid)
    zero = torch.zeros(2, dtype=torch.long)
    assert ((encoder(straight, zero) - encoder(turned, zero)).abs().amax(1) > 1e-4).all()


def test_several_embodiments_need_an_index(encoder, chunk):
    with pytest.raises(ConfigError, match="embodiment"):
        encoder(chunk, None)


def test_a_latent_of_another_width_is_refused_at_build():
    with pytest.raises(ConfigError, match="width 16"):
        LatentQuery(width=16).build(32, 24)


@pytest.mark.parametrize("attention", ["sdpa", "plain"])
def test_zero_modulation_is_the_library_s_qwen3_without_a_causal_mask(attention):
    torch.manual_seed(0)
    library = stirred(Qwen3Model(CORE.hf_config(attention))).eval()
    ours = ModulatedQwen3(CORE, attention).eval()
    weights = {k: v for k, v in library.state_dict().items() if "embed_tokens" not in k}
    missing = ours.load_state_dict(weights, strict=False)
    assert not missing.unexpected_keys and all("modulation" in k for k in missing.missing_keys)
    rows, condition = torch.randn(2, 7, 24), torch.randn(2, 24)
    everything = torch.ones(2, 1, 7, 7, dtype=torch.bool)
    mask = everything if attention == "sdpa" else torch.zeros(2, 1, 7, 7)
    expected = library(inputs_embeds=rows, attention_mask=mask, use_cache=False).last_hidden_state
    torch.testing.assert_close(ours(rows, condition), expected, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(stirred(ours)(rows, condition), expected, atol=1e-3)


def test_encoder_and_decoder_start_from_public_qwen3_weights(tmp_path):
    torch.manual_seed(1)
    config = CORE.hf_config("sdpa")
    config.vocab_size = 50
    public = Qwen3ForCausalLM(config)
    public.save_pretrained(tmp_path / "public")
    core = replace(CORE, checkpoint=str(tmp_path / "public"))
    encoder, head = ActionEncoder(STATE, ACTION, 2, core).build(1), PriorDecoder(STEPS, ACTION, 24, core).build(None, 0)
    for stack, part in ((encoder.stack, encoder), (head.stack, head)):
        part.load_checkpoint()
        theirs = {k: v for k, v in public.model.state_dict().items() if k != "embed_tokens.weight"}
        assert theirs and all(torch.equal(stack.state_dict()[k], v) for k, v in theirs.items())
    assert all((p == 0).all() for n, p in head.stack.named_parameters() if "modulation" in n)
    with pytest.raises(CheckpointError, match="num_hidden_layers is 2, the spec says 3"):
        ActionEncoder(STATE, ACTION, 2, replace(core, layers=3)).build(1).load_checkpoint()
    with pytest.raises(CheckpointError, match="cannot be read"):
        ActionEncoder(STATE, ACTION, 2, replace(core, checkpoint=str(tmp_path / "nowhere"))).build(1).load_checkpoint()


def test_a_causal_mask_would_blind_the_summary_token(encoder, chunk):
    """Trap 1 of the specification: under a causal mask the first row sees nothing, so that every chunk has one latent."""
    zero = torch.zeros(2, dtype=torch.long)
    other = replace(chunk, actions=chunk.actions + 1)
    assert (encoder(chunk, zero) - encoder(other, zero)).abs().max() > 1e-3
    blind = encoder.stack.forward
    causal = torch.ones(1 + 2 + 2 * STEPS, 1 + 2 + 2 * STEPS, dtype=torch.bool).tril()[None, None].expand(2, -1, -1, -1)
    encoder.stack.forward = lambda **inputs: blind(**(inputs | {"attention_mask": causal}))
    assert torch.equal(encoder(chunk, zero), encoder(other, zero))


def test_the_decoder_sees_the_latent_and_nothing_else(chunk):
    torch.manual_seed(0)
    spec = PriorDecoder(horizon=STEPS, action_width=ACTION, latent_width=24, core=CORE, draws=3, steps=4)
    head = stirred(spec.build(None, 0)).eval()
    batch = Batch(2, future=chunk)
    draws = head.draw(2, torch.Generator().manual_seed(1))
    latent = torch.nn.functional.normalize(torch.randn(2, 24), dim=1)
    out = head(None, latent, batch, draws)
    assert out.prediction.shape == out.target.shape == (2, 3, STEPS, ACTION)
    other = head(None, latent, replace(batch, state=torch.randn(2, 4), embodiment=torch.ones(2).long()), draws)
    assert torch.equal(out.prediction, other.prediction)
    assert not torch.equal(out.prediction, head(None, -latent, batch, draws).prediction)
    with pytest.raises(ConfigError, match="conditioner"):
        head(None, None, batch, draws)


@pytest.mark.parametrize("latent", ["token", "time"])
def test_the_latent_enters_as_a_token_or_with_the_time(chunk, latent):
    torch.manual_seed(0)
    head = stirred(PriorDecoder(STEPS, ACTION, 24, CORE, latent=latent).build(None, 0)).eval()
    noisy, time = torch.randn(2, 3, STEPS, ACTION), torch.rand(2, 3)
    one, other = (head.velocity(z, noisy, time) for z in torch.randn(2, 2, 24))
    assert one.shape == (2, 3, STEPS, ACTION) and not torch.allclose(one, other)


def test_the_last_layer_starts_at_zero_or_at_random(chunk):
    velocities = {o: PriorDecoder(STEPS, ACTION, 24, CORE, output=o).build(None, 0).velocity(*_case()) for o in ("zero", "random")}
    assert (velocities["zero"] == 0).all() and velocities["random"].abs().max() > 0


def _case():
    return torch.randn(2, 24), torch.randn(2, 1, STEPS, ACTION), torch.rand(2, 1)


def test_noise_on_the_latent_reaches_the_decoder_and_never_the_teacher(chunk):
    torch.manual_seed(0)
    spec = ModelSpec(
        encoder=ActionEncoder(STATE, ACTION, 2, CORE), conditioner=LatentQuery(width=24, noise=0.5), head=PriorDecoder(STEPS, ACTION, 24, CORE),
        embodiments=("arm",),
    )  # fmt: skip
    model, batch = stirred(VLA(spec)).eval(), Batch(2, future=chunk, embodiment=torch.zeros(2).long())
    draws = model.draw(batch, torch.Generator().manual_seed(0))
    assert 0.2 < draws.latent.norm(dim=1).mean() < 0.8
    noisy, clean = model(batch, draws), model(batch, replace(draws, latent=None))
    assert torch.equal(noisy.latents["encoded"], clean.latents["encoded"])
    assert not torch.allclose(noisy.heads["action"].prediction, clean.heads["action"].prediction)
    seen = model.conditioner.decoded(noisy.latents, draws.latent)["encoded"]
    torch.testing.assert_close(seen.norm(dim=1), torch.ones(2))
    with pytest.raises(ConfigError, match="noise is -1"):
        LatentQuery(noise=-1)


def test_a_model_without_a_backbone_reconstructs_its_chunk_after_a_hundred_steps(chunk):
    torch.manual_seed(0)
    core = replace(CORE, layers=1)
    head = PriorDecoder(horizon=STEPS, action_width=ACTION, latent_width=24, core=core, draws=32)
    model = VLA(ModelSpec(encoder=ActionEncoder(STATE, ACTION, 2, core), conditioner=LatentQuery(width=24), head=head, embodiments=("arm",)))
    batch = Batch(2, future=chunk, embodiment=torch.zeros(2).long())
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-2)
    anneal = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 120)
    for step in range(120):
        out = model(batch, model.draw(batch, torch.Generator().manual_seed(step))).heads["action"]
        loss = ((out.prediction - out.target).square() * out.valid).sum() / (32 * out.valid.sum())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        anneal.step()
    noise = model.head.noise(2, torch.Generator().manual_seed(5))
    error = (model.eval().sample(batch, noise, 20) - chunk.actions).abs()[chunk.valid].mean()
    assert error < 0.25 * chunk.actions[chunk.valid].abs().mean()


def test_flow_times_of_decoder_lean_towards_noise_and_stay_in_the_unit_interval():
    uniform = torch.rand(20_000, generator=torch.Generator().manual_seed(0))
    time = skewed_time(uniform, 1.5)
    assert time.min() >= 0 and time.max() <= 1
    assert abs(time.mean() - 0.4) < 0.01  # mean of Beta(1.5, 1) is 0.6
    assert skewed_time(torch.tensor([1.0, 0.0]), 1.5).tolist() == [0.0, 1.0]


def test_euler_follows_a_straight_path_to_the_data_exactly():
    actions, noise = torch.randn(2, 4, 3), torch.randn(2, 4, 3)
    start, velocity = path(actions, noise[:, None], torch.zeros(2, 1))
    assert torch.equal(start[:, 0], noise)
    torch.testing.assert_close(integrate(lambda chunk, time: velocity, noise, 5), actions)
    end, _ = path(actions, noise[:, None], torch.ones(2, 1))
    torch.testing.assert_close(end[:, 0], actions)


def test_draws_come_from_the_generator_alone():
    head = PriorDecoder(horizon=4, action_width=3, latent_width=24, core=CORE).build(None, 0)
    one, two = (head.draw(5, torch.Generator().manual_seed(3)) for _ in range(2))
    assert isinstance(one, Draws) and torch.equal(one.noise, two.noise) and torch.equal(one.time, two.time)
