"""Parts at their default sizes have the parameters the papers (or their closest public code) have."""

import pytest
import torch

from praxia.models.conditioners.action_encoder import ActionEncoder
from praxia.models.heads.cross_attention_l1 import CrossAttentionL1
from praxia.models.heads.dit_flow import DiTFlow
from praxia.models.heads.prior_decoder import PriorDecoder
from praxia.models.readouts.geometry_projector import GeometryProjector, GeometryProjectorNet
from praxia.models.states import AttentionGeometry
from praxia.models.vision.ray_depth import PatchEncoder

GEOMETRY = AttentionGeometry(layers=1, heads=1, kv_heads=1, head_dim=8, rotary="any")


@pytest.mark.parametrize(
    ("make", "millions"),
    [
        (lambda: ActionEncoder().build(3), 440),  # Qwen3-0.6B without its tables
        (lambda: PriorDecoder().build(None, 0), 440 + 180),  # and full-width modulation of 57 norms
        (lambda: CrossAttentionL1().build(GEOMETRY, 896), 231),
        (lambda: DiTFlow().build(GEOMETRY, 2048), 550),
        (lambda: PatchEncoder(3, 14, 4 * 1152, 1152), 8.0),
        (lambda: PatchEncoder(2, 14, 4 * 1152, 1152), 7.1),
        (lambda: GeometryProjectorNet(GeometryProjector(), 896), 6.0),
    ],
    ids=["encoder", "decoder", "cross_attention_l1", "dit_flow", "rays", "depth", "geometry_projector"],
)
def test_default_parts_have_the_published_number_of_parameters(make, millions):
    with torch.device("meta"):
        part = make()
    assert sum(p.numel() for p in part.parameters()) / 1e6 == pytest.approx(millions, rel=0.03)
