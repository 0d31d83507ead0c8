"""Recorded and made datasets as sources: what is opened is what the card says, what is made is named by its content."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from praxia.data.collate import view_batch
from praxia.data.demonstrations import Demonstrations
from praxia.data.number_transforms import Normalise, RelativeToState
from praxia.data.numbers import Numbers
from praxia.data.pixels import view_pixels
from praxia.data.recorded import Recorded
from praxia.data.recovery_noise import RecoveryNoise
from praxia.data.sample_transforms import ColourJitter
from praxia.data.supervision import ActionChunk, StateActionChunk
from praxia.data.supervision.supervision import Needs
from praxia.errors import ConfigError, DataError
from praxia.specs import CameraSpec, ImageSpec


def test_samples_start_at_pictures_and_know_their_episode(tabletop_source):
    actions, states, lengths = tabletop_source.numbers()
    assert len(tabletop_source) == len(actions) == len(states) == sum(lengths)
    assert np.array_equal(tabletop_source.episodes, np.repeat(np.arange(4), lengths))
    assert len(tabletop_source.texts()) == 4 and tabletop_source.licence == "Apache-2.0"
    assert tabletop_source.given == {"depth/head", "depth/wrist", "cameras/head", "cameras/wrist"}
    for index in (0, lengths[0], len(tabletop_source) - 1):
        sample = tabletop_source.sample(index, Needs(horizon=2))
        assert np.array_equal(sample.state, states[index]) and sample.provenance.episode == tabletop_source.episodes[index]


def test_only_what_is_needed_is_read(tabletop_source):
    bare = tabletop_source.sample(0, Needs(pictures=False))
    assert bare.views == () and bare.objects == () and bare.future is None and bare.past is None and bare.tool_path == {}
    full = tabletop_source.sample(0, Needs(horizon=3, history=2, depth=True, masks=True, objects=True, tool_path=True))
    assert all(v.depth is not None and v.mask is not None for v in full.views) and full.objects and len(full.tool_path["arm"]) == 3


def test_past_the_end_of_an_episode_signals_repeat_or_what_moves_by_deltas_stands_still(tabletop_source):
    """Action Priors, D19."""
    last = int(tabletop_source.numbers()[2][0]) - 1
    repeated, still = (tabletop_source.sample(last, StateActionChunk(3, still=still).needs).future for still in (False, True))
    assert repeated.valid.tolist() == still.valid.tolist() == [True, False, False]
    assert (repeated.actions == repeated.actions[0]).all() and np.array_equal(still.actions[0], repeated.actions[0])
    deltas = np.array([dim.reference == "delta" for dim in tabletop_source.action_spec.dims])
    assert deltas.sum() == 6 and (still.actions[1:, deltas] == 0).all() and (still.actions[0, deltas] != 0).any()
    assert np.array_equal(still.actions[1:, ~deltas], repeated.actions[1:, ~deltas]), "a gripper stays as it was"
    assert ActionChunk(3, still=True).needs.still and not ActionChunk(3).needs.still


def test_roles_and_a_card_kept_elsewhere(tabletop_data, tmp_path):
    root = Path(shutil.copytree(tabletop_data, tmp_path / "bare"))
    card = root.with_name("my_card.yaml")
    (root / "dataset.yaml").rename(card)
    source = Recorded(str(root), roles=("wrist",), card=str(card)).open()
    assert source.cameras == (CameraSpec("wrist", 64, 64, calibrated=True),)
    assert [v.role for v in source.sample(0, Needs()).views] == ["wrist"]
    with pytest.raises(DataError, match="has no view 'top'"):
        Recorded(str(root), roles=("top",), card=str(card)).open()
    with pytest.raises(DataError, match="does not exist"):
        Recorded(str(root / "nothing")).open()


def test_made_data_is_named_by_what_decides_its_bytes():
    one = Demonstrations("tabletop", ("reach",), episodes=3)
    assert one.key() == Demonstrations("tabletop", ("reach",), episodes=3, size=32).key()  # the size is that of reading
    others = [
        Demonstrations("tabletop", ("reach",), episodes=4),
        Demonstrations("tabletop", ("push",), episodes=3),
        Demonstrations("tabletop", ("reach",), episodes=3, seed=1),
        Demonstrations("tabletop", ("reach",), episodes=3, world_args={"split": "benchmark"}),
        Demonstrations("tabletop", ("reach",), episodes=3, noise=RecoveryNoise()),
        Demonstrations("metaworld", ("reach",), episodes=3),
    ]
    assert len({d.key() for d in [one, *others]}) == 7
    with pytest.raises(ConfigError, match="unknown world 'tabeltop'; did you mean 'tabletop'"):
        Demonstrations("tabeltop")


def test_colour_jitter_changes_pictures_and_nothing_else(tabletop_source):
    sample = tabletop_source.sample(0, Needs(objects=True))
    jitter, rng = ColourJitter(probability=1.0), np.random.default_rng(0)
    changed = jitter(sample, rng)
    for before, after in zip(sample.views, changed.views, strict=True):
        assert after.camera is before.camera and after.image is before.image and np.array_equal(after.affine, before.affine)
    assert not np.array_equal(changed.views[0].colour, changed.views[1].colour)
    spec = ImageSpec(32, "letterbox", (0.5,) * 3, (0.5,) * 3)
    plain, seen = (view_pixels(view_batch([s.views, s.views]), spec) for s in (sample, changed))
    assert plain.shape == seen.shape and (plain - seen).abs().mean() > 0.02 and seen.min() >= -1 - 1e-5 and seen.max() <= 1 + 1e-5
    mixed = view_pixels(view_batch([sample.views, changed.views]), spec)
    torch.testing.assert_close(mixed[0], plain[0], atol=1e-4, rtol=0)
    assert ColourJitter(probability=0.0)(sample, rng) is sample
    share = np.mean([ColourJitter()(sample, rng) is not sample for _ in range(300)])
    assert 0.4 < share < 0.6
    with pytest.raises(ConfigError, match="ColourJitter.hue is 0.7; expected a strength from 0 to 0.5"):
        ColourJitter(hue=0.7)


def absolute(tabletop_data, tmp_path):
    """A copy of the dataset whose card calls its actions absolute."""
    root = Path(shutil.copytree(tabletop_data, tmp_path / "absolute"))
    text = (root / "dataset.yaml").read_text()
    (root / "dataset.yaml").write_text(text.replace("reference: delta", "reference: absolute"))
    return str(root)


def test_a_stride_leaves_out_frames_between_steps_but_no_start(tabletop_data, tabletop_source, tmp_path):
    source = Recorded(absolute(tabletop_data, tmp_path), stride=3).open()
    needs, every = Needs(horizon=2, history=2, tool_path=True, tool_steps=3), Needs(horizon=4, history=6, tool_path=True, tool_steps=7)
    assert len(source) == len(tabletop_source) and source.action_spec.rate_hz == tabletop_source.action_spec.rate_hz / 3
    lengths = tabletop_source.numbers()[2]
    middle = sum(lengths[: int(np.argmax(lengths))]) + 7
    sample, full = source.sample(middle, needs), tabletop_source.sample(middle, every)
    for window, dense in ((sample.future, full.future), (sample.past, full.past)):
        assert np.array_equal(window.actions, dense.actions[::3]) and np.array_equal(window.valid, dense.valid[::3]) and window.valid.all()
    assert np.array_equal(sample.tool_path["arm"], full.tool_path["arm"][::3]) and len(sample.tool_path["arm"]) == 3
    last = int(lengths[0]) - 1
    assert source.sample(last, needs).future.valid.tolist() == [True, False] and len(source.sample(last, needs).tool_path["arm"]) == 1
    with pytest.raises(ConfigError, match="Recorded.stride is 3, but the actions of dataset 'tabletop' hold deltas"):
        Recorded(str(tabletop_data), stride=3).open()


def test_what_actions_are_fitted_on_are_the_chunks_that_are_learnt(tabletop_data, tmp_path):
    source = Recorded(absolute(tabletop_data, tmp_path), stride=3).open()
    actions, states, lengths = source.numbers()
    assert sum(lengths) == len(actions) == len(states) == len(Recorded(str(tabletop_data)).open().numbers()[0])
    relative = Numbers((RelativeToState(((0, 0),)), Normalise("min_max"))).fitted(actions, states, lengths, horizon=4)
    samples = [source.sample(index, Needs(horizon=4)) for index in range(len(source))]
    furthest = [np.abs(relative.action_forward(s.future.actions[s.future.valid], s.state)).max() for s in samples]
    assert 0.9 < max(furthest) <= 1 + 1e-4


def test_short_episodes_and_still_beginnings_are_left_out(tabletop_data, tabletop_source):
    _, states, lengths = tabletop_source.numbers()
    shortest = min(lengths)
    source = Recorded(str(tabletop_data), least_frames=shortest + 1).open()
    assert source.numbers()[2] == tuple(n for n in lengths if n > shortest) and len(source) == sum(source.numbers()[2]) == len(source.numbers()[0])
    assert not set(source.episodes) & {i for i, n in enumerate(lengths) if n == shortest}
    longest = sum(lengths[: int(np.argmax(lengths))])
    some = float(np.abs(states[longest + 1] - states[longest]).max())  # in one episode at least the second frame is still
    moving = Recorded(str(tabletop_data), still_start=some).open()
    first = [moving.sample(int(np.argmax(moving.episodes == i)), Needs(pictures=False)) for i in range(4)]
    for number, sample in enumerate(first):
        start = sum(lengths[:number])
        frame = sample.provenance.frame
        gaps = np.abs(states[start : start + lengths[number]] - states[start]).max(axis=1)
        assert (gaps[: frame + 1] <= some).all() and gaps[frame + 1] > some
    assert any(sample.provenance.frame for sample in first)
    for field, value in (("stride", 0), ("least_frames", -1), ("still_start", -0.1)):
        with pytest.raises(ConfigError, match=f"Recorded.{field} is {value}"):
            Recorded("anywhere", **{field: value})
    with pytest.raises(DataError, match=r"no frames to start from.* lower Recorded.least_frames \(1000\)"):
        Recorded(str(tabletop_data), least_frames=1000).open()


def test_episodes_that_are_named_are_not_used(tabletop_data):
    whole = Recorded(str(tabletop_data)).open()
    first = int(whole.episodes[0])
    kept = Recorded(str(tabletop_data), left_out=(first,)).open()
    assert set(kept.episodes) == set(whole.episodes) - {first} and len(kept.numbers()[2]) == len(whole.numbers()[2]) - 1
    with pytest.raises(ConfigError, match=r"left_out names \[1000\]; episodes of .* are 0 to"):
        Recorded(str(tabletop_data), left_out=(1000,)).open()
