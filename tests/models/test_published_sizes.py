"""Parts at their default sizes have the parameters the papers (or their closest public code) have."""

from dataclasses import replace

import pytest
import torch

from praxia.models.backbones.prismatic import Prismatic
from praxia.models.conditioners.action_encoder import ActionEncoder
from praxia.models.heads.bridge_l1 import BridgeL1
from praxia.models.heads.cross_attention_l1 import CrossAttentionL1
from praxia.models.heads.dit_flow import DiTFlow
from praxia.models.heads.prior_decoder import PriorDecoder
from praxia.models.readouts.geometry_projector import GeometryProjector, GeometryProjectorNet
from praxia.models.readouts.sam_mask import SamMask
from praxia.models.states import AttentionGeometry
from praxia.models.vision.geometry_fusion import FusionLayer, GeometryFusion
from praxia.models.vision.ray_depth import PatchEncoder

GEOMETRY = AttentionGeometry(layers=1, heads=1, kv_heads=1, head_dim=8, rotary="any")


@pytest.mark.parametrize(
    ("make", "millions"),
    [
        (lambda: ActionEncoder().build(3), 440),  # Qwen3-0.6B without its tables
        (lambda: PriorDecoder().build(None, 0), 440 + 180),  # and full-width modulation of 57 norms
        (lambda: CrossAttentionL1().build(GEOMETRY, 896), 231),
        (lambda: DiTFlow().build(GEOMETRY, 2048), 550),
        (lambda: DiTFlow().build(GEOMETRY, 2048).blocks, 540),
        (lambda: FusionLayer(GeometryFusion(), 1024, 768), 7.9),
        (lambda: PatchEncoder(3, 14, 4 * 1152, 1152), 8.0),
        (lambda: PatchEncoder(2, 14, 4 * 1152, 1152), 7.1),
        (lambda: GeometryProjectorNet(GeometryProjector(), 896), 6.0),
    ],
    ids=["encoder", "decoder", "cross_attention_l1", "dit_flow", "dit_flow_blocks", "geometry_fusion", "rays", "depth", "geometry_projector"],
)
def test_default_parts_have_the_published_number_of_parameters(make, millions):
    assert size(make) == pytest.approx(millions, rel=0.03)


def size(make) -> float:
    """Million parameters of what `make` builds."""
    with torch.device("meta"):
        return sum(p.numel() for p in make().parameters()) / 1e6


QWEN = replace(GEOMETRY, layers=24)  # Qwen2.5-0.5B, 896 wide


@pytest.mark.parametrize(("form", "published"), [("base", 102), ("pro", 218)])
def test_the_bridge_has_the_parent_s_parameters_but_for_what_it_leaves_out(form, published):
    """The public head also projects 8 x 7 latents of 896 numbers, which are noise or zeros, to 8 rows, and its Pro form has a FiLM generator a
    block that nothing uses. Here 8 rows are learned, and the state's MLP (0.8 M) is counted with the head."""
    ours = size(lambda: BridgeL1(form=form, goal="").build(QWEN, 896))
    start = size(lambda: torch.nn.Sequential(torch.nn.LayerNorm(7 * 896), torch.nn.Linear(7 * 896, 896)))
    film = 24 * size(lambda: torch.nn.Linear(896, 2 * 896)) if form == "pro" else 0.0
    state = size(lambda: torch.nn.Sequential(torch.nn.Linear(8, 896), torch.nn.Linear(896, 896)))
    assert ours - state + start + film == pytest.approx(published, rel=0.003)
    assert ours == pytest.approx({"base": 97.3, "pro": 174.5}[form], abs=0.5)


def test_the_four_module_head_has_the_specified_layers_and_its_variants_are_as_much_smaller():
    whole, steps, alone = (
        size(lambda spec=spec: spec.build(GEOMETRY, 896))
        for spec in (CrossAttentionL1(), CrossAttentionL1(latents="steps"), CrossAttentionL1(goal=""))
    )
    assert size(lambda: CrossAttentionL1().build(GEOMETRY, 896).blocks) == pytest.approx(12 * 19.3, abs=0.5)
    assert whole - steps == pytest.approx(((56 - 8) * 896 - 6 * 897) / 1e6, abs=1e-6)  # rows; six more numbers a latent
    assert whole - alone == pytest.approx((12 * (4 * 896 * 897 + 2 * 896 + 1) + 896 * 897) / 1e6, abs=1e-6)


def test_prismatic_has_the_published_breakdown():
    """1,237 M: Qwen2.5-0.5B 494.0, DINOv2-L 303.2, SigLIP-So400m without its pooling head 412.4, projector 27.6; 1,209 M without the last blocks."""
    with torch.device("meta"):
        used = Prismatic().build()
        whole = replace(Prismatic(), dino_layers=25, siglip_layers=28).build()  # one more, so that the published number is built
    parts = {name: sum(p.numel() for p in part.parameters()) / 1e6 for name, part in whole.named_children()}
    assert parts == pytest.approx({"llm": 494.0, "dino": 303.2, "siglip": 412.4, "projector": 27.6}, abs=0.05)
    assert sum(parts.values()) == pytest.approx(1237, abs=0.5)
    assert sum(p.numel() for p in used.parameters()) / 1e6 == pytest.approx(1209, abs=0.5)


@pytest.mark.parametrize(("spec", "millions"), [(SamMask(), 93.7), (SamMask.vit_h(), 641.1)], ids=["vit_b", "vit_h"])
def test_sam_has_the_published_parameters_and_a_second_decoder(spec, millions):
    with torch.device("meta"):
        backbone = Prismatic().build()
        net = spec.build(backbone)
    sizes = {name: sum(p.numel() for p in part.parameters()) / 1e6 for name, part in net.named_children()}
    assert sizes["sam"] == pytest.approx(millions, rel=0.001)
    assert sizes["fine"] == pytest.approx(4.06, abs=0.01) and sizes["prompt"] == pytest.approx(896 * 897e-6 + 256 * 897e-6)
