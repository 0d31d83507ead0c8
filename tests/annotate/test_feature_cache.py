"""Features kept on disk: those of the net itself for whole pictures, moved with a crop, made again where a file is broken."""

import threading
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from praxia.annotate.feature_cache import CachedFeatures
from praxia.data.batch import Batch
from praxia.data.collate import view_batch
from praxia.data.sample_transforms import ColourJitter, RandomShift
from praxia.data.supervision.supervision import Needs
from praxia.geometry.image_transform import apply_to_view, crop
from praxia.models.geometry_nets.geometry_net import GeometryNet
from praxia.models.geometry_nets.tabletop_geometry import TabletopGeometry
from praxia.objectives.geometry_alignment import on_grid
from praxia.registry import register
from praxia.specs import ImageSpec

SPEC = TabletopGeometry(image_size=32, patch_size=8, width=32, layers=1, heads=2, mlp_ratio=1.5)


@register("geometry_net/test_mean_colour")
@dataclass(frozen=True)
class MeanColour:
    checkpoint: str = ""

    def build(self):
        return MeanColourNet()


class MeanColourNet(GeometryNet):
    """Mean colour of every 4 x 4 pixels: a net whose features of a crop are known from those of the whole picture."""

    width, licence = 3, "apache-2.0"

    def __init__(self):
        super().__init__()
        self.image_spec = ImageSpec(64, mean=(0.0,) * 3, std=(1.0,) * 3)

    def forward(self, pixels):
        means = F.avg_pool2d(pixels.flatten(0, 1), 4).unflatten(0, pixels.shape[:2])
        return means.permute(0, 1, 3, 4, 2), pixels.new_zeros(*pixels.shape[:2], 0, 3)

    def reconstruct(self, pixels, state=None):
        raise NotImplementedError


@pytest.fixture
def net():
    torch.manual_seed(0)
    return SPEC.build().eval()


@pytest.fixture
def samples(tabletop_source):
    return [tabletop_source.sample(i, Needs()) for i in range(0, len(tabletop_source), max(1, len(tabletop_source) // 5))]


def batch_of(samples):
    return Batch(size=len(samples), views=view_batch([s.views for s in samples]))


def test_features_of_whole_pictures_are_the_nets_own_to_the_last_bit(net, samples, tmp_path):
    batch = batch_of(samples)
    online = net.features(batch)
    cache = CachedFeatures(net, SPEC, "fp32", tmp_path)
    for hits in (0, len(samples)):
        cached = cache.features(batch)
        assert torch.equal(cached.patches, online.patches) and torch.equal(cached.special, online.special)
        assert torch.allclose(cached.transform, online.transform) and cached.side == online.side
        assert (cache.counts.hits, cache.counts.misses) == (hits, len(samples))
    assert f"{len(samples)} of {2 * len(samples)}" in str(cache.counts) and "50%" in str(cache.counts)


def test_equal_pictures_of_a_batch_are_looked_at_once(net, samples, tmp_path):
    cache = CachedFeatures(net, SPEC, "fp32", tmp_path)
    found = cache.features(batch_of([samples[0], samples[1], samples[0]])).patches
    assert cache.counts.misses == 2 and torch.equal(found[0], found[2]) and not torch.equal(found[0], found[1])


def test_crops_and_colours_are_read_from_the_whole_picture(net, samples, tmp_path):
    rng = np.random.default_rng(0)
    cache = CachedFeatures(net, SPEC, "fp32", tmp_path)
    whole = cache.features(batch_of(samples))
    changed = [ColourJitter()(RandomShift()(sample, rng), rng) for sample in samples]
    moved = cache.features(batch_of(changed))
    assert cache.counts.misses == len(samples), "nothing was looked at again"
    assert torch.equal(moved.patches, whole.patches) and not torch.allclose(moved.transform, whole.transform)


def test_what_is_read_for_a_crop_is_what_the_net_would_have_seen(samples, tmp_path):
    """Mean colours of pictures whose colour says where it is, so that what is left to differ between both ways is where they look."""
    net, size = MeanColour().build(), samples[0].views[0].image.shape[:2]
    v, u = np.mgrid[: size[0], : size[1]]
    ramp = np.stack([3 * u, 3 * v, u + v], axis=-1).astype(np.uint8)
    part = crop(size, 7, 11, 40, 48)
    shown = [replace(s, views=tuple(apply_to_view(replace(v, image=ramp), part) for v in s.views)) for s in samples]
    batch, student = batch_of(shown), ImageSpec(48)
    cached = on_grid(CachedFeatures(net, MeanColour(), "fp32", tmp_path).features(batch), batch.views.size, student, (6, 6))
    online = on_grid(net.features(batch), batch.views.size, student, (6, 6))
    inside = torch.arange(36).view(6, 6)[2:4, 1:5].flatten()  # elsewhere are bars, and borders beyond which only one of them sees
    assert (cached - online)[:, :, inside].abs().max() < 0.012  # a pixel is 0.012 of red
    assert cached[:, :, inside].std(dim=2).min() > 0.01


def test_a_teacher_sees_pictures_in_their_own_colours_moved_as_they_are_shown(net, samples):
    rng = np.random.default_rng(0)
    moved = [RandomShift()(sample, rng) for sample in samples]
    plain, dyed = batch_of(moved), batch_of([ColourJitter(1.0)(sample, rng) for sample in moved])
    assert dyed.views.colour is not None and plain.views.colour is None
    assert torch.equal(net.features(dyed).patches, net.features(plain).patches)
    assert not torch.equal(net.features(plain).patches, net.features(batch_of(samples)).patches)


def test_a_broken_file_is_made_again(net, samples, tmp_path):
    cache = CachedFeatures(net, SPEC, "fp32", tmp_path)
    expected = cache.features(batch_of(samples))
    broken = sorted(cache.folder.rglob("*.safetensors"))[0]
    broken.write_bytes(broken.read_bytes()[:40])
    again = CachedFeatures(net, SPEC, "fp32", tmp_path)
    assert torch.equal(again.features(batch_of(samples)).patches, expected.patches)
    assert (again.counts.misses, again.counts.hits) == (1, len(samples) - 1)
    assert len(broken.read_bytes()) > 40 and not [p for p in cache.folder.rglob("*") if p.name.startswith(".")]


def test_other_weights_sizes_precision_or_pictures_are_other_features(net, samples, tmp_path):
    cache = CachedFeatures(net, SPEC, "fp32", tmp_path)
    cache.features(batch_of(samples))
    torch.manual_seed(1)
    assert CachedFeatures(SPEC.build(), SPEC, "fp32", tmp_path).folder != cache.folder
    assert CachedFeatures(net, SPEC, "bf16", tmp_path).folder != cache.folder
    assert CachedFeatures(net, replace(SPEC, checkpoint="elsewhere"), "fp32", tmp_path).folder == cache.folder
    turned = replace(samples[0], views=samples[0].views[::-1])
    cache.features(batch_of([turned]))
    assert cache.counts.misses == len(samples) + 1, "a net may compare views: their order is part of the name"


def test_many_readers_and_writers_at_once(net, samples, tmp_path):
    expected = net.features(batch_of(samples)).patches
    caches = [CachedFeatures(net, SPEC, "fp32", tmp_path) for _ in range(4)]
    wrong = []

    def work(cache):
        for _ in range(3):
            if not torch.equal(cache.features(batch_of(samples)).patches, expected):
                wrong.append(cache)

    threads = [threading.Thread(target=work, args=(cache,)) for cache in caches]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong and len(list(caches[0].folder.rglob("*.safetensors"))) == len(samples)
