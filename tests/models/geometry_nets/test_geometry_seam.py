"""What every geometry net is to the rest: a spec in JSON, an encoder of an adapter, features of a batch, errors where it has no heads."""

import re
from dataclasses import replace

import pytest
import torch
from golden_nets import cut3r, cut3r_spec, vggt, vggt_spec
from tests.models.backbone_cases import build, make_batch, micro_specs, padded, pictures

from praxia.data.batch import Draws
from praxia.errors import ConfigError
from praxia.models import parts
from praxia.models.geometry_nets.tabletop_geometry import TabletopGeometry
from praxia.models.geometry_nets.vit_geometry import ViTGeometry
from praxia.models.vision.geometry_fusion import GeometryFusion
from praxia.registry import from_json, to_json

SPECS = {
    "vit": ViTGeometry(image_size=16, patch_size=8, width=12, layers=1, heads=2),
    "vggt": replace(vggt_spec(), heads_built=False),
    "cut3r": replace(cut3r_spec(), head="none"),
}


@pytest.mark.parametrize("name", SPECS)
def test_a_net_as_the_frozen_encoder_of_a_policy(name):
    spec = SPECS[name]
    assert from_json(to_json(spec)) == spec and type(spec).__name__ in parts.__all__
    torch.manual_seed(0)
    backbone = build(micro_specs()["prismatic"])
    adapter = GeometryFusion(encoder=spec, heads=4).build(backbone).eval()
    images = pictures(28, 2)
    patches = torch.randn(2, 2, 4, backbone.vision_width)
    fused = adapter(patches, make_batch(images, padded([[1], [1]])), Draws())
    assert fused.shape == patches.shape and not torch.equal(fused, patches)
    assert not any(p.requires_grad for p in adapter.encoder.parameters())
    other = adapter(patches, make_batch(images.flip(3), padded([[1], [1]])), Draws())
    assert not torch.equal(other, fused)


@pytest.mark.parametrize("name", SPECS)
def test_a_view_that_is_not_there_says_nothing_to_the_others(name):
    torch.manual_seed(0)
    net = SPECS[name].build().eval()
    batch = make_batch(pictures(28, 3), padded([[1], [1], [1]]))
    valid = torch.tensor([[True, True], [True, False], [False, False]])
    found = net.features(replace(batch, views=replace(batch.views, valid=valid)))
    nothing = net.features(replace(batch, views=replace(batch.views, valid=torch.zeros_like(valid))))
    assert not nothing.patches.any() and nothing.patches.shape == found.patches.shape
    whole = net.features(batch)
    alone = net.features(replace(batch, views=replace(batch.views, images=batch.views.images[:1], **_first(batch.views))))
    for part in ("patches", "special"):
        some, both, single = (getattr(one, part) for one in (found, whole, alone))
        torch.testing.assert_close(some[0], both[0])
        torch.testing.assert_close(some[1, 0], single[1, 0])
        assert not some[1, 1].any() and not some[2].any()


def _first(views):
    """What a ViewBatch says of its first slot."""
    return {"roles": views.roles[:1]} | {k: getattr(views, k)[:, :1] for k in ("affine", "size", "valid", "K", "T_base_cam", "time")}


@pytest.mark.parametrize("name", SPECS)
def test_nets_without_heads_say_so(name):
    net = SPECS[name].build()
    with pytest.raises(ConfigError, match="features only"):
        net.reconstruct(torch.zeros(1, 1, 3, 64, 64))


@pytest.mark.parametrize("shape", [(3, 56, 56), (1, 3, 56, 56), (1, 0, 3, 56, 56), (1, 1, 4, 56, 56)])
@pytest.mark.parametrize("net", [vggt, cut3r])
def test_pixels_that_are_no_views_are_refused(net, shape):
    for call in (net(), net().reconstruct):
        with pytest.raises(ConfigError, match=rf"pixels have shape {re.escape(str(list(shape)))}; a geometry net takes"):
            call(torch.zeros(shape))


@pytest.mark.parametrize(("net", "side"), [(vggt, 56), (TabletopGeometry().build, 64)])
def test_nets_without_memory_refuse_a_state(net, side):
    with pytest.raises(ConfigError, match="has no memory to go on from"):
        net().reconstruct(torch.zeros(1, 1, 3, side, side), state=object())
