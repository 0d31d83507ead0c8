"""Demonstrations of perturbed episodes: true to the world, never those that policies are judged on."""

from dataclasses import replace

import numpy as np
import pytest

from praxia.data.demonstrations import Demonstrations
from praxia.data.lerobot.reader import LeRobotSource, Want
from praxia.data.making import DEMONSTRATION_SEEDS, _drawn, make_dataset
from praxia.data.recorded import Recorded
from praxia.data.supervision import TargetMasks
from praxia.errors import ConfigError
from praxia.evaluate.benchmarks import benchmark, benchmark_names
from praxia.recipes.poke_vla_claim import PERTURBED
from praxia.worlds.perturbations import STRENGTHS, draw
from praxia.worlds.tabletop import Tabletop
from praxia.worlds.world import Episode

NAMES, LOOK = ("camera:5", "layout:3"), {"size": 64, "split": "benchmark"}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_dataset(
        "praxia.worlds.tabletop:Tabletop", LOOK, root=tmp_path_factory.mktemp("hard") / "data", tasks=("reach",), episodes=3, seed=1, masks=True,
        picture_every=8, perturbations=NAMES, workers=1, progress=False,
    )  # fmt: skip


def test_an_episode_is_recorded_as_its_perturbation_shows_it(made):
    source, world = LeRobotSource(made.root), Tabletop(**LOOK)
    drawn = [episode.fields["perturbation"] for episode in source.episodes]
    assert drawn == [_drawn(NAMES, 1, "reach", number) for number in range(3)] and set(drawn) == set(NAMES)
    for episode in source.episodes:
        again = Episode("reach", int(episode.fields["seed"]), episode.fields["perturbation"])
        world.reset(again)
        shown, sample = world.render(masks=True), source.sample_at(episode.start, Want(horizon=0, roles=("head", "wrist"), masks=True, objects=True))
        assert sorted(o.name for o in sample.objects) == sorted(o.name for o in world.truth().objects) and sample.target == world.truth().target
        for view, recorded in zip(shown, sample.views, strict=True):
            assert np.array_equal(recorded.mask, view.mask) and np.allclose(recorded.camera.T_base_cam, view.camera.T_base_cam, atol=1e-6)
        world.reset(replace(again, perturbation=""))
        assert not np.array_equal(world.render(masks=True)[0].mask, sample.views[0].mask)
    world.close()


def test_targets_of_perturbed_scenes_have_masks(made):
    source = Recorded(str(made.root)).open()
    says = TargetMasks()
    found = [says(source.sample(i, says.needs), np.random.default_rng(0)) for i in range(0, len(source), 8)]
    assert all(f is not None and f.dense["target_mask_valid"].all() for f in found)
    assert sum(int(f.dense["target_mask"].any()) for f in found if f is not None) > len(found) / 2


def test_no_judged_episode_is_ever_demonstrated(made):
    """What is drawn of a perturbation follows from the seed; seeds of demonstrations are above those of every test set."""
    perturbed = [benchmark(name) for name in benchmark_names() if "plus" in name] + [benchmark("tabletop-plus", seed=seed) for seed in (1, 999)]
    assert len(perturbed) > 3 and all(max(e.seed for e in found.plan.episodes) < DEMONSTRATION_SEEDS for found in perturbed)
    judged = {draw(e, STRENGTHS, "tabletop").entropy for e in benchmark("tabletop-plus").plan.episodes if e.perturbation}
    for episode in LeRobotSource(made.root).episodes:
        assert episode.fields["seed"] >= DEMONSTRATION_SEEDS
        assert draw(Episode("reach", int(episode.fields["seed"]), episode.fields["perturbation"]), STRENGTHS, "tabletop").entropy not in judged
    with pytest.raises(ConfigError, match="may be one that policies are judged on"):
        make_dataset("praxia.worlds.tabletop:Tabletop", LOOK, root=made.root, seeds=(0, 1), perturbations=NAMES)


def test_perturbations_are_drawn_evenly_and_name_the_dataset():
    drawn = [_drawn(PERTURBED, 3, "push", number) for number in range(4000)]
    counts = {name: drawn.count(name) for name in set(drawn)}
    assert set(counts) == set(PERTURBED) and abs(counts[""] - 500) < 90 and all(50 < counts[name] < 160 for name in set(PERTURBED) - {""})
    assert _drawn((), 3, "push", 0) == "" and _drawn(PERTURBED, 4, "push", 0) in PERTURBED
    plain = Demonstrations("tabletop", ("reach",), 3)
    assert len({plain.key(), replace(plain, perturbations=NAMES).key(), replace(plain, perturbations=NAMES[:1]).key()}) == 3
