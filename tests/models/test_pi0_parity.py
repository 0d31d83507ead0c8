"""The joint flow expert is pi0: same weights and draws give the loss and the samples of the library's `PI0ForConditionalGeneration`."""

import pytest
import torch
from pi0_case import BACKBONE, HORIZON, SIDE, VIEWS, VOCABULARY, WIDTH, make_case, our_batch
from transformers import PI0Config, PI0ForConditionalGeneration

from praxia.data.batch import Draws
from praxia.models.backbones.paligemma import PaliGemma
from praxia.models.heads.joint_flow import JointFlow
from praxia.models.spec import ModelSpec
from praxia.models.vla import VLA
from praxia.objectives import FlowMatching

IMAGE = VOCABULARY  # the library marks picture positions with an id outside the table


def reference() -> PI0ForConditionalGeneration:
    torch.manual_seed(0)
    text = dict(model_type="gemma", hidden_size=48, num_hidden_layers=3, intermediate_size=64, num_attention_heads=4, num_key_value_heads=2,
                head_dim=16, vocab_size=VOCABULARY)  # fmt: skip
    vision = dict(model_type="siglip_vision_model", hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, image_size=SIDE,
                  patch_size=14, projection_dim=48, vision_use_head=False)  # fmt: skip
    config = PI0Config(
        vlm_config=dict(model_type="paligemma", text_config=text, vision_config=vision, projection_dim=48, image_token_id=IMAGE),
        dit_config=dict(model_type="gemma", hidden_size=24, num_hidden_layers=3, intermediate_size=40, num_attention_heads=4, num_key_value_heads=2,
                        head_dim=16),
        chunk_size=HORIZON, max_action_dim=WIDTH, max_state_dim=WIDTH, loss_reduction="none",
    )  # fmt: skip
    model = PI0ForConditionalGeneration(config).eval()
    for parameter in model.parameters():  # norms start at zero: make every weight count
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def ours(hf: PI0ForConditionalGeneration, attention: str) -> VLA:
    head = JointFlow(horizon=HORIZON, action_width=WIDTH, state_width=WIDTH, width=24, mlp=40, attention=attention)
    model = VLA(ModelSpec(backbone=PaliGemma(**BACKBONE, attention=attention), head=head, order=("views", "prompt"))).eval()
    vlm, dit = hf.model.vlm.state_dict(), hf.model.dit.state_dict()
    state = {f"backbone.model.model.{k}": v for k, v in vlm.items()} | {"backbone.model.lm_head.weight": vlm["language_model.embed_tokens.weight"]}
    state |= {f"head.dit.{k}": v for k, v in dit.items() if "embed_tokens" not in k}
    embed = {k.removeprefix("embed_action_time."): v for k, v in hf.state_dict().items() if k.startswith("embed_action_time.")}
    state |= {f"head.{k}": v for k, v in embed.items()} | {f"head.action_out_proj.{k}": v for k, v in hf.action_out_proj.state_dict().items()}
    model.load_state_dict(state)
    return model


@pytest.fixture(scope="module")
def case() -> dict:
    return make_case()


def library_inputs(case: dict) -> dict:
    pixels = ((case["images"].float() / 255 - 0.5) / 0.5).permute(0, 1, 4, 2, 3)
    tokens = VIEWS * (SIDE // 14) ** 2
    ids = torch.cat([torch.full((3, tokens), IMAGE), case["ids"]], dim=1)
    mask = torch.cat([torch.ones(3, tokens, dtype=torch.bool), case["valid"]], dim=1).long()
    return dict(pixel_values=pixels, input_ids=ids, attention_mask=mask, pixel_attention_mask=torch.ones(3, VIEWS, dtype=torch.bool))


@pytest.mark.parametrize("attention", ["sdpa", "plain"])
def test_loss_and_samples_equal_the_library_pi0(case, attention):
    hf = reference()
    model = ours(hf, attention)
    batch, inputs = our_batch(case), library_inputs(case)
    draws = Draws(noise=case["noise"][:, None], time=case["time"][:, None])
    with torch.no_grad():
        expected = hf(state=case["state"], noise=case["noise"], timestep=case["time"], actions=case["actions"], **inputs)
        outputs = model(batch, draws)
        total, weight = FlowMatching()(outputs, batch, {})["flow_matching"]
        torch.testing.assert_close(outputs.heads["action"].prediction[:, 0], expected.logits, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(total / weight, expected.loss.mean(), rtol=1e-4, atol=0)
        samples = hf.sample_actions(case["state"], noise=case["noise"], num_steps=10, **inputs)
        torch.testing.assert_close(model.sample(batch, case["noise"], 10), samples, rtol=1e-4, atol=1e-5)


def test_several_draws_of_one_prefix_equal_separate_forwards(case):
    model = ours(reference(), "plain")
    batch = our_batch(case)
    noise = torch.randn(3, 4, HORIZON, WIDTH, generator=torch.Generator().manual_seed(2))
    time = torch.rand(3, 4, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        together = model(batch, Draws(noise=noise, time=time)).heads["action"].prediction
        for k in range(4):
            alone = model(batch, Draws(noise=noise[:, k : k + 1], time=time[:, k : k + 1])).heads["action"].prediction
            torch.testing.assert_close(together[:, k], alone[:, 0], rtol=1e-5, atol=1e-6)


def test_insulated_expert_gives_the_backbone_no_gradient(case):
    spec = ModelSpec(
        backbone=PaliGemma(**BACKBONE),
        head=JointFlow(horizon=HORIZON, action_width=WIDTH, state_width=WIDTH, width=24, mlp=40, insulate=True),
        order=("views", "prompt"),
    )
    model = VLA(spec)
    draws = Draws(noise=case["noise"][:, None], time=case["time"][:, None])
    total, _ = FlowMatching()(model(our_batch(case), draws), our_batch(case), {})["flow_matching"]
    total.backward()
    assert all(p.grad is None for p in model.backbone.parameters())
    assert all(p.grad is not None for p in model.head.parameters())


def test_a_changed_pixel_changes_the_action(case):
    model = ours(reference(), "sdpa")
    changed = dict(case, images=case["images"].clone())
    changed["images"][0, 0, 3, 3] ^= 255
    with torch.no_grad():
        before, after = (model.sample(our_batch(c), case["noise"], 2) for c in (case, changed))
    assert not torch.equal(before[0], after[0])
    assert torch.equal(before[1:], after[1:])
