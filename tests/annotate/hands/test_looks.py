"""What looks at clips: nets in batches and with memory, what of it decides the rows, and clips that are labelled through a net."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from praxia.annotate.hands import HandClips, HandRules, Looks
from praxia.annotate.hands.clouds import NetDepth
from praxia.data.batch import Batch
from praxia.data.collate import view_batch
from praxia.data.pixels import view_pixels
from praxia.errors import ConfigError
from praxia.files import write_json
from praxia.geometry.scene import View
from praxia.models.geometry_nets.cut3r.cut3r import CUT3RNet
from praxia.models.geometry_nets.tabletop_geometry import TabletopGeometry
from praxia.registry import to_json

SPEC = TabletopGeometry(image_size=32, width=16, layers=1, heads=2)


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return SPEC.build().eval()


@pytest.fixture(scope="module")
def views():
    rng = np.random.default_rng(0)
    return [View("head", rng.integers(0, 255, (32, 32, 3), np.uint8)) for _ in range(11)]


def test_one_group_at_a_time_is_the_net_itself_and_many_differ_in_the_last_digits(net, views):
    alone, together = NetDepth(net, 3)(views), NetDepth(net, 3, batch=4)(views)
    assert len(alone) == len(together) == 11
    with torch.no_grad():
        for start in range(0, 11, 3):
            shown = view_batch([tuple(views[start : start + 3])])
            seen = net.reconstruct(view_pixels(Batch(1, shown).views, net.image_spec))
            for i, depth in enumerate(alone[start : start + 3]):
                assert np.array_equal(depth.z, seen.depth[0, i].double().numpy())
                assert np.array_equal(depth.confidence, seen.depth_confidence[0, i].double().numpy())
    for one, many in zip(alone, together, strict=True):
        assert np.allclose(many.z, one.z, rtol=1e-5) and np.allclose(many.confidence, one.confidence, rtol=1e-5)
    assert len({depth.z.tobytes() for depth in alone}) == 11


def test_a_net_with_memory_sees_one_group_after_the_other(net, views):
    seen, plain = [], net.reconstruct

    def remembers(pixels, state=None):
        seen.append((pixels.shape[:2], state))
        return replace(plain(pixels), state=len(seen))

    class Remembering(type(net)):
        memory = True

    other = SPEC.build()
    other.__class__, other.reconstruct = Remembering, remembers
    NetDepth(other, 3, batch=4)(views)
    assert seen == [((1, 3), None), ((1, 3), 1), ((1, 3), 2), ((1, 2), 3)]
    assert CUT3RNet.memory and not type(net).memory


def test_where_weights_are_and_where_they_compute_decide_no_row():
    there, here = (Looks(replace(SPEC, checkpoint=folder)) for folder in ("a", "b"))
    assert there.plan == here.plan == replace(here, batch=8, device="cuda").plan != replace(here, together=2).plan
    assert there.plan != Looks(replace(SPEC, width=32, checkpoint="a")).plan and Looks().plan["net"] is None
    assert replace(here, device="cuda").on_gpu and not here.on_gpu and not Looks(device="cuda").on_gpu
    for wrong in ({"batch": 0}, {"together": 0}):
        with pytest.raises(ConfigError, match=f"Looks.{next(iter(wrong))} is 0"):
            Looks(**wrong)


def test_clips_labelled_through_a_net_are_named_by_its_weights(tmp_path):
    for name, seed in (("one", 0), ("same", 0), ("other", 1)):
        folder = tmp_path / name
        folder.mkdir()
        torch.manual_seed(seed)
        save_file(SPEC.build().state_dict(), folder / "weights.safetensors")
        write_json(folder / "geometry.json", {"net": to_json(SPEC)})
    waiting = HandClips(net=SPEC, stage="geometry")
    one, same, other = (waiting.labelled_by(tmp_path / name) for name in ("one", "same", "other"))
    assert one.root() == same.root() != other.root() and one.root() != HandClips().root()
    assert one.root() != replace(one, rules=HandRules(calibrate=False)).root()
    assert one.inputs == (tmp_path / "one/geometry.json", tmp_path / "one/weights.safetensors") and HandClips().inputs == ()
    with pytest.raises(ConfigError, match="stage 'geometry'"):
        waiting.root()
    with pytest.raises(ConfigError, match="no net is named"):
        HandClips(stage="geometry")
    with pytest.raises(ConfigError, match="paths of joints"):
        HandClips(asks="motions", net=SPEC, stage="geometry")
