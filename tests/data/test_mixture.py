"""Mixtures: a pure function of the step, exact shares, every sample before any repeats, layouts kept apart, bad records named and limited."""

import shutil
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from praxia.data.collate import Collate
from praxia.data.mixture import Entry, Mixture, temperature_weights
from praxia.data.number_transforms import RelativeToState
from praxia.data.numbers import Numbers
from praxia.data.recorded import Recorded
from praxia.data.sample_transforms import RandomShift
from praxia.data.source import held_out_split
from praxia.data.supervision import ActionChunk, SceneQuestions, StateActionChunk
from praxia.errors import ConfigError, DataError
from praxia.models.backbones.paligemma import PaliGemma, PaliGemmaBackbone
from praxia.recipes.words import world_words
from praxia.tokens.local_tokenizer import local_tokenizer

TOKENIZER = local_tokenizer(world_words(), PaliGemma().specials)


class Text:
    """How PaliGemma writes prompts and answers, without its weights."""

    prompt_ids, target_ids = PaliGemmaBackbone.prompt_ids, PaliGemmaBackbone.target_ids


@pytest.fixture(scope="module")
def collate(tabletop_source):
    return Collate({"arm7": Numbers().fitted(*tabletop_source.numbers())}, Text(), TOKENIZER)


def entry(source, supervision, share=1.0, indices=None):
    return Entry(source, np.arange(len(source)) if indices is None else indices, supervision, (RandomShift(),), share)


def same(a, b) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a.nan_to_num(-7), b.nan_to_num(-7))
    if isinstance(a, tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if hasattr(a, "__dataclass_fields__"):
        return type(a) is type(b) and all(same(getattr(a, f), getattr(b, f)) for f in a.__dataclass_fields__)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    return a == b


def test_a_step_is_the_same_at_any_time_in_any_order_of_calls(tabletop_source, collate):
    entries = [entry(tabletop_source, ActionChunk(6, positions=True), 0.7), entry(tabletop_source, SceneQuestions(), 0.3)]
    one, other = (Mixture(entries, collate, 10, seed=4) for _ in range(2))
    forward = [one.step(k) for k in range(9)]
    for k in (8, 2, 5, 0, 8):
        again = other.step(k)
        assert len(again) == len(forward[k]) and all(same(a, b) for a, b in zip(again, forward[k], strict=True))
    assert not same(forward[0][0], forward[1][0]) and not same(Mixture(entries, collate, 10, seed=5).step(0)[0], forward[0][0])


SHARES = [(1.0,), (0.8, 0.2), (1, 1, 1), (5, 3, 1, 0.01), (1,) * 30, (0.97, 0.01, 0.01, 0.01)]


@pytest.mark.parametrize("shares", SHARES)
@pytest.mark.parametrize("batch", [1, 7, 64])
def test_every_step_has_its_size_and_every_source_its_share(shares, batch):
    class Counted:
        name, episodes, cameras = "counted", np.zeros(3), ()

    mixture = Mixture([Entry(Counted(), np.arange(3), StateActionChunk(), (), s) for s in shares], None, batch, 0)  # type: ignore[arg-type]
    before = np.zeros(len(shares))
    for step in range(1, 200):
        now = np.array(mixture._counts(step * batch))
        assert now.sum() == step * batch and (now >= before).all()
        assert np.abs(now - step * batch * np.array(shares) / sum(shares)).max() <= 1
        before = now


def test_every_sample_is_seen_before_any_is_repeated(tabletop_source, collate):
    mixture = Mixture([entry(tabletop_source, ActionChunk(4))], collate, 5, seed=0)
    n = len(tabletop_source)
    drawn = np.concatenate([mixture.step(k)[0].batch.sample_index for k in range(3 * n // 5)])
    epochs = [drawn[i : i + n] for i in range(0, len(drawn) - n + 1, n)]
    assert all(sorted(epoch) == list(range(n)) for epoch in epochs) and not np.array_equal(epochs[0], epochs[1])


def test_a_cycle_gives_sources_of_other_views_steps_of_their_own_and_equal_shares(tabletop_data, tabletop_source, collate):
    head = Recorded(str(tabletop_data), roles=("head",)).open()
    entries = [entry(tabletop_source, ActionChunk(4)), entry(head, ActionChunk(4))]
    views = [[(m.batch.views.roles, m.batch.size) for m in Mixture(entries, collate, 6, seed=0, cycle=2).step(k)] for k in range(4)]
    assert views == [[(("head", "wrist"), 6)], [(("head",), 6)]] * 2
    assert [len(Mixture(entries, collate, 6, seed=0).step(k)) for k in range(2)] == [2, 2]


def test_supervisions_and_picture_sizes_never_share_a_micro_batch(tabletop_data, tabletop_source, collate):
    small = Recorded(str(tabletop_data), size=32).open()
    entries = [entry(s, x) for s in (tabletop_source, small) for x in (ActionChunk(6), SceneQuestions(), StateActionChunk(6))]
    micros = Mixture(entries, collate, 48, seed=0).step(0)
    assert sorted(m.supervision for m in micros) == ["action_chunk"] * 2 + ["scene_questions"] * 2 + ["state_action_chunk"]
    assert sum(m.batch.size for m in micros) == 48
    for micro in micros:
        if micro.supervision == "state_action_chunk":
            assert micro.batch.views is None and micro.batch.size == 16  # without pictures nothing keeps the two apart
        else:
            assert {i.shape[1] for i in micro.batch.views.images} in ({64}, {32})
        assert (micro.batch.target is not None) == (micro.supervision == "scene_questions")


def test_pictures_that_are_kept_smaller_keep_their_calibration(tabletop_data, tabletop_source):
    small = Recorded(str(tabletop_data), size=32).open()
    needs = SceneQuestions().needs
    for a, b in zip(tabletop_source.sample(7, needs).views, small.sample(7, needs).views, strict=True):
        assert b.image.shape == (32, 32, 3) and b.mask.shape == (32, 32)
        assert np.allclose(b.camera.K[:2, 2], (a.camera.K[:2, 2] + 0.5) / 2 - 0.5) and np.allclose(b.camera.K[0, 0], a.camera.K[0, 0] / 2)


def test_weights_of_sources_follow_their_size_to_the_power_of_the_temperature():
    weights = temperature_weights([100, 1000, 10], 0.43)
    assert sum(weights) == pytest.approx(1) and weights[1] / weights[0] == pytest.approx(10**0.43)
    assert temperature_weights([5, 50], 0) == [0.5, 0.5]


@pytest.mark.parametrize("fraction", [0.05, 0.3, 0.5])
def test_held_out_episodes_are_never_trained_on(fraction):
    episodes = np.repeat(np.arange(20), np.random.default_rng(0).integers(1, 9, 20))
    train, held = held_out_split(episodes, fraction, seed=3)
    assert not set(episodes[train]) & set(episodes[held]) and sorted([*train, *held]) == list(range(len(episodes)))
    assert len(set(episodes[held])) == max(1, round(fraction * 20))
    assert np.array_equal(held_out_split(episodes, fraction, seed=3)[1], held)
    assert len(held_out_split([0, 0, 0], fraction, 0)[1]) == 0 and len(held_out_split(episodes, 0.0, 0)[1]) == 0


def test_validation_shows_each_sample_at_most_about_once(tabletop_source, collate):
    mixture = Mixture([entry(tabletop_source, ActionChunk(4), indices=np.arange(12))], collate, 5, seed=0)
    indices = np.concatenate([m.batch.sample_index for m in mixture.fixed(100)])
    assert set(indices) == set(range(12)) and len(indices) == 15


# --- bad records ----------------------------------------------------------------------------------------------------------------------


class Spoilt:
    """A source some of whose records cannot be read, as truncated pictures on disk are."""

    def __init__(self, source, bad):
        self.source, self.bad = source, set(bad)
        self.name, self.episodes, self.cameras = "spoilt", source.episodes, source.cameras

    def __len__(self):
        return len(self.source)

    def sample(self, index, needs):
        if index in self.bad:
            raise DataError(f"row {index}: PNG is truncated")
        return self.source.sample(index, needs)


def test_a_bad_record_is_counted_named_and_replaced(tabletop_source, collate):
    spoilt = Spoilt(tabletop_source, {3, 11})
    mixture = Mixture([entry(spoilt, ActionChunk(4), indices=np.arange(30))], collate, 10, seed=0)
    micros = [mixture.step(k)[0] for k in range(6)]
    assert all(m.batch.size == 10 for m in micros)
    drawn = np.concatenate([m.batch.sample_index for m in micros])
    assert not set(drawn) & {3, 11}
    assert set(mixture.bad) == {"spoilt[3]", "spoilt[11]"} and "row 3: PNG is truncated" in mixture.bad["spoilt[3]"]
    assert mixture.table() == [("spoilt:action_chunk", 30, 1.0)]


def test_too_many_bad_records_stop_the_run_with_the_first_ones(tabletop_source, collate):
    mixture = Mixture([entry(Spoilt(tabletop_source, range(0, 40, 2)), ActionChunk(4))], collate, 10, seed=0, bad_records=5)
    with pytest.raises(DataError, match=r"more than 5 bad records(?s:.*)truncated(?s:.*)praxia data verify"):
        [mixture.step(k) for k in range(5)]
    hopeless = Mixture([entry(Spoilt(tabletop_source, range(99)), ActionChunk(4))], collate, 10, seed=0)
    with pytest.raises(DataError, match="8 samples in a row gave no example.*row .*: PNG is truncated"):
        hopeless.step(0)


def test_a_truncated_video_is_named_when_its_pictures_are_first_needed(tabletop_data, collate, tmp_path):
    root = Path(shutil.copytree(tabletop_data, tmp_path / "cut"))
    (video,) = (root / "videos/observation.images.wrist").rglob("*.mp4")
    video.write_bytes(video.read_bytes()[: video.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"no example for supervision 'action_chunk'(?s:.*){video.name}"):
        Mixture([entry(Recorded(str(root)).open(), ActionChunk(4))], collate, 4, seed=0).step(0)


def test_a_source_that_cannot_say_anything_is_named(tabletop_source, collate):
    with pytest.raises(DataError, match="'tabletop': 8 samples in a row gave no example for supervision 'scene_questions'"):
        Mixture([entry(tabletop_source, SceneQuestions(view="left"))], collate, 4, seed=0).step(0)
    with pytest.raises(DataError, match="no samples to draw"):
        Mixture([entry(tabletop_source, ActionChunk(), indices=np.arange(0))], collate, 4, seed=0)
    with pytest.raises(ConfigError, match=r"share -0.5"):
        Mixture([entry(tabletop_source, ActionChunk(), share=-0.5)], collate, 4, seed=0)


# --- collate --------------------------------------------------------------------------------------------------------------------------


def examples_of(source, supervision, count=6):
    made = (supervision(source.sample(i, supervision.needs), np.random.default_rng(i)) for i in range(count))
    return [e for e in made if e]


def test_a_batch_is_its_samples_in_order(tabletop_source):
    numbers = Numbers((RelativeToState(((0, 0), (2, 2))), *Numbers().action)).fitted(*tabletop_source.numbers(), horizon=6)
    collate = Collate({"arm7": numbers}, Text(), TOKENIZER, ("other", "arm7"))
    examples = examples_of(tabletop_source, ActionChunk(6, history=2, positions=True))
    batch = collate(examples, range(6))
    for i, example in enumerate(examples):
        sample = example.sample
        assert np.array_equal(batch.future.actions[i], numbers.action_forward(sample.future.actions, sample.state))
        assert np.array_equal(batch.state[i], numbers.state_forward(sample.state)) and np.array_equal(batch.past.valid[i], sample.past.valid)
        prompt = batch.prompt.ids[i][batch.prompt.valid[i]]
        assert TOKENIZER.decode(prompt, skip_special_tokens=True).split() == sample.instruction.split()
        for v, view in enumerate(sample.views):
            assert np.array_equal(batch.views.images[v][i], view.image) and np.allclose(batch.views.K[i, v], view.camera.K)
            assert np.allclose(batch.views.T_base_cam[i, v], view.camera.T_base_cam)
    assert batch.embodiment.tolist() == [1] * 6 and batch.views.roles == ("head", "wrist") and batch.views.depth is None


def test_robots_of_one_batch_go_through_their_own_numbers(tabletop_source):
    (one,) = (Numbers().fitted(*tabletop_source.numbers()),)
    two = Numbers(tuple(replace(t, scale=tuple(2 * s for s in t.scale)) for t in one.action), one.state)
    examples = examples_of(tabletop_source, StateActionChunk(4), 4)
    mixed = [replace(e, sample=replace(e.sample, embodiment=("arm7", "twin")[i % 2])) for i, e in enumerate(examples)]
    batch = Collate({"arm7": one, "twin": two})(mixed)
    alone = Collate({"arm7": one})(examples)
    assert torch.equal(batch.future.actions[::2], alone.future.actions[::2])
    assert torch.allclose(batch.future.actions[1::2], alone.future.actions[1::2] / 2)


def test_samples_that_do_not_belong_together_are_refused(tabletop_source):
    collate = Collate({"arm7": Numbers().fitted(*tabletop_source.numbers())}, Text(), TOKENIZER, ("arm7",))
    a, b = examples_of(tabletop_source, ActionChunk(4), 2)
    shrunk = replace(b.sample.views[0], image=np.zeros((8, 8, 3), np.uint8))
    wrong = {
        "1 of 2 samples of a batch have a state": replace(b.sample, state=None),
        "1 of 2 samples of a batch have a future window": replace(b.sample, future=None),
        "has views .*'head'.*; name the same roles": replace(b.sample, views=b.sample.views[:1]),
        "the stored picture is .*give both sources the same size": replace(b.sample, views=(shrunk, b.sample.views[1])),
        "no number transforms for embodiment 'arm6'": replace(b.sample, embodiment="arm6"),
    }
    for said, sample in wrong.items():
        with pytest.raises(DataError, match=said):
            collate([a, replace(b, sample=sample)])
    with pytest.raises(DataError, match="embodiment of the model 'arm7'; did you mean 'arm6'"):
        Collate(collate.numbers, embodiments=("arm6",))([a])


def test_pictures_of_a_robot_that_never_acts_need_no_number_of_their_robot(tabletop_source):
    numbers = {"arm7": Numbers().fitted(*tabletop_source.numbers())}
    looks = examples_of(tabletop_source, SceneQuestions(), 3)
    assert Collate(numbers, Text(), TOKENIZER, ("sawyer",))(looks).embodiment is None
    assert Collate(numbers, Text(), TOKENIZER, ("sawyer", "arm7"))(looks).embodiment.tolist() == [1, 1, 1]


def test_a_cycle_gives_a_small_source_steps_of_its_own_with_equal_shares(tabletop_source, collate):
    entries = [entry(tabletop_source, ActionChunk(4), 0.75), entry(tabletop_source, SceneQuestions(), 0.25)]
    mixed, cycled = (Mixture(entries, collate, batch=4, seed=0, cycle=cycle) for cycle in (1, 4))
    steps = [cycled.step(k) for k in range(4)]
    assert all(sum(m.batch.size for m in step) == 4 for step in steps)
    assert [{m.supervision for m in step} for step in steps] == [{"action_chunk"}] * 3 + [{"scene_questions"}]
    assert all(len(mixed.step(k)) == 2 for k in range(4))
    drawn = [Counter(m.supervision for k in range(4) for m in mixture.step(k) for _ in range(m.batch.size)) for mixture in (mixed, cycled)]
    assert drawn[0] == drawn[1] == {"action_chunk": 12, "scene_questions": 4}
