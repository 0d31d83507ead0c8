"""Which pixels show the target: those of its own id, in every view, empty where it is out of sight, unknown where nobody can say."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from praxia.data.collate import view_batch
from praxia.data.lerobot.features import TARGET
from praxia.data.pixels import resample_nearest
from praxia.data.recording import Recording, record_success
from praxia.data.sample import Sample
from praxia.data.sample_transforms import RandomShift
from praxia.data.supervision import ActionChunk, SceneGrounding, TargetMasks, Together
from praxia.data.supervision.supervision import Needs
from praxia.data.supervision.target_masks import receptacle
from praxia.errors import ConfigError
from praxia.geometry.camera import project
from praxia.geometry.image_transform import apply_to_view, crop, realise
from praxia.geometry.se3 import apply, invert
from praxia.specs import ImageSpec
from praxia.worlds.tabletop import Tabletop
from praxia.worlds.world import Episode

NEEDS = replace(TargetMasks().needs, horizon=4)
NOBODY = np.random.default_rng(0)


@pytest.fixture(scope="module")
def sample(tabletop_source):
    return tabletop_source.sample(0, NEEDS)


def target_of(sample):
    return next(o for o in sample.objects if o.name == sample.target)


def test_the_mask_covers_the_projected_centre_of_the_target_and_of_nothing_else(tabletop_source):
    hit = 0
    for index in range(0, len(tabletop_source), 5):
        sample = tabletop_source.sample(index, NEEDS)
        dense = TargetMasks()(sample, NOBODY).dense
        assert dense["target_mask"].shape == (len(sample.views), 64, 64) and dense["target_mask"].dtype == np.uint8
        for view, mask, known in zip(sample.views, dense["target_mask"], dense["target_mask_valid"], strict=True):
            assert known and set(np.unique(mask)) <= {0, 1}
            for truth in sample.objects:
                (pixel,), (depth,) = project(view.camera.K, apply(invert(view.camera.T_base_cam), truth.T_base_object[None, :3, 3]))
                u, v = np.round(pixel).astype(int)
                if depth > 0 and 0 <= u < 64 and 0 <= v < 64 and view.mask[v, u] == truth.instance:  # its centre is not hidden
                    assert bool(mask[v, u]) == (truth.name == sample.target)
                    hit += truth.name == sample.target
    assert hit > 10


def test_a_view_without_the_target_is_known_and_empty_and_a_view_without_a_mask_is_unknown(sample):
    away = replace(sample.views[0], mask=np.where(sample.views[0].mask == target_of(sample).instance, 0, sample.views[0].mask))
    blind = replace(sample.views[1], mask=None)
    dense = TargetMasks()(replace(sample, views=(away, blind)), NOBODY).dense
    assert dense["target_mask_valid"].tolist() == [True, False] and not dense["target_mask"].any()
    for lost in (replace(sample, target=""), replace(sample, target="a thing of another scene"), replace(sample, objects=())):
        assert not TargetMasks()(lost, NOBODY).dense["target_mask_valid"].any()
    assert TargetMasks()(replace(sample, views=()), NOBODY) is None


@pytest.fixture(scope="module")
def world():
    world = Tabletop(split="benchmark", size=32)
    yield world
    world.close()


def moment(world: Tabletop) -> Sample:
    truth = world.truth()
    return Sample(views=world.render(masks=True), objects=truth.objects, target=truth.target, goal=truth.goal)


def test_a_receptacle_is_what_the_instruction_names_and_is_marked_if_asked_for(world):
    for task, kind in (("pick_and_place", "tray"), ("push", "zone"), ("stack", ""), ("reach", None), ("press", None), ("drawer", None)):
        for seed in range(4):
            said = world.reset(Episode(task, seed))
            seen = moment(world)
            found = receptacle(seen)
            assert (found is None) == (kind is None), (task, seed)
            alone, both = (TargetMasks(receptacle=both)(seen, NOBODY).dense["target_mask"].astype(bool) for both in (False, True))
            ids = np.stack([view.mask for view in seen.views])
            assert np.array_equal(alone, ids == target_of(seen).instance)
            assert np.array_equal(both, alone | (ids == (0 if found is None else found.instance)) & (found is not None))
            if found is not None:
                assert found.name != seen.target and found.category == (kind or found.category), said
                assert (found.colour if kind else found.name) in said
    assert receptacle(replace(seen, goal=None)) is None


def test_of_two_steps_the_target_is_that_of_the_one_not_yet_done(world):
    """As it is recorded, row by row: the first thing until its step is done, then the second."""
    found = record_success(world, Episode("two_step", 3), Recording(picture_every=1000), (0,))
    assert found is not None
    names = [row["name"] for row in found.objects]
    targets = [names[slot] for slot in found.columns[TARGET]]
    first, second = dict.fromkeys(targets)
    assert targets == sorted(targets, key=(first, second).index) and first in found.task and second in found.task
    assert next(row["name"] for row in found.objects if row["is_target"]) == first


def test_views_of_other_sizes_are_filled_up_with_nothing(sample):
    small = replace(sample.views[1], image=sample.views[1].image[:40, :48], mask=sample.views[1].mask[:40, :48])
    dense = TargetMasks()(replace(sample, views=(sample.views[0], small)), NOBODY).dense
    assert dense["target_mask"].shape == (2, 64, 64) and not dense["target_mask"][1, 40:].any() and not dense["target_mask"][1, :, 48:].any()


def test_masks_follow_crops_and_shifts_as_pictures_do(sample, rng):
    cut = replace(sample, views=tuple(apply_to_view(view, crop((64, 64), 6, 11, 40, 40)) for view in sample.views))
    for moved, side in ((cut, 40), (RandomShift(0.2)(sample, rng), 64)):
        masks = torch.from_numpy(TargetMasks()(moved, rng).dense["target_mask"])[None]
        views = view_batch([moved.views])
        assert any(view.mask is not None and (realise(view).mask != view.mask[:side, :side]).any() for view in moved.views), "something moved"
        for slot, view in enumerate(moved.views):
            shown = resample_nearest(masks[:, slot], views.affine[:, slot], views.size[:, slot], ImageSpec(side, "stretch"))[0].numpy()
            assert np.array_equal(shown > 0, realise(view).mask == target_of(sample).instance)


def test_actions_places_and_masks_are_taught_on_the_same_pictures(sample, rng):
    chunk = ActionChunk(4, positions=True, views=2, beside=Together((SceneGrounding(), TargetMasks())))
    assert chunk.needs == Needs(horizon=4, masks=True, objects=True, tool_path=True)
    example = chunk(sample, rng)
    assert {"positions", "things_pixel", "target_mask", "target_mask_valid"} <= example.dense.keys() and "red" not in example.dense
    assert example.phrases == SceneGrounding()(sample, rng).phrases and example.prompt == sample.instruction


def test_what_cannot_be_taught_together_is_refused(sample, rng):
    with pytest.raises(ConfigError, match="asks something"):
        Together((TargetMasks(), ActionChunk(4)))
    with pytest.raises(ConfigError, match="empty"):
        Together(())
    with pytest.raises(ConfigError, match=r"two of them give target_mask"):
        Together((TargetMasks(), TargetMasks()))(sample, rng)
    both = Together((SceneGrounding(), TargetMasks()))
    assert both.only(lambda part: True) == both and both.only(lambda part: False) is None
    assert both.only(lambda part: part.name == "target_masks") == TargetMasks()
    assert both(replace(sample, objects=()), rng) is None, "grounding has nothing to say"
