"""Motion and metric questions as prompts and targets: families, rates, blocks, what is left out, and the placebo of both."""

import re
import string
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation
from tests.data.hand_samples import CAMERA, RATE, asked, line, moving

from praxia.data.sample import WristPaths
from praxia.data.sample_transforms import ColourJitter, RandomShift
from praxia.data.supervision import ActionChunk, HandMotion, ObjectPoses, Placebo, SpatialVQA, hand_motion
from praxia.data.supervision.placebo import THINGS
from praxia.errors import ConfigError, DataError
from praxia.geometry.camera import picture_frame
from praxia.geometry.paths import resampled
from praxia.geometry.se3 import pose
from praxia.stages.recipe import Source
from praxia.tokens.local_tokenizer import local_tokenizer
from praxia.tokens.motion_vocabulary import MotionVocabulary
from praxia.tokens.quantity import Quantity

RNG = np.random.default_rng(0)


def said(sample, **options):
    return HandMotion(**options)(sample, np.random.default_rng(0))


def blocks(parts) -> np.ndarray:
    return np.array([np.reshape(p.values, (-1, 3)) for p in parts if isinstance(p, Quantity)])


def test_an_instruction_is_answered_with_a_left_and_a_right_block_for_every_second():
    sample = moving(future=40)
    example = said(sample)
    assert isinstance(example.prompt, str) and "move the red mug" in example.prompt and "30" in example.prompt and "both hands" in example.prompt
    found = blocks(example.target)
    assert found.shape == (4, 15, 3), "two whole seconds of 40 steps"
    future = sample.wrists.future
    for k, side in enumerate(("left", "right", "left", "right")):
        np.testing.assert_allclose(found[k], future[side][15 * (k // 2) : 15 * (k // 2) + 15], atol=1e-12)


def test_a_hand_that_is_not_there_says_nothing_in_its_block():
    example = said(moving(sides=("right",)))
    left, right = blocks(example.target)[:2]
    assert np.isnan(left).all() and not np.isnan(right).any() and "right hand" in example.prompt
    text = MotionVocabulary().text(example.target)
    assert text.startswith("<mot>" + "<mot_noop>" * 45 + "</mot><mot><mot_x")


def test_the_past_is_told_in_a_continuation_and_ends_now():
    sample = moving("contextual", future=20, past=23)
    example = said(sample)
    past, future = blocks(example.prompt), blocks(example.target)
    assert past.shape == (2, 15, 3) and future.shape == (2, 15, 3)
    np.testing.assert_allclose(past[0, -1], sample.wrists.past["left"][-1])
    np.testing.assert_allclose(future[0, 0] - past[0, -1], [0.1 / RATE, 0, 0], atol=1e-12)
    assert said(moving("contextual", past=10)) is None, "not a whole second"
    longer = said(moving("contextual", past=45), past=2)
    assert blocks(longer.prompt).shape == (4, 15, 3)


def test_a_motion_is_told_in_words():
    example = said(moving("translation", answer="moving the mug to the right"))
    assert blocks(example.prompt).shape == (4, 15, 3) and example.target == "moving the mug to the right"
    assert said(moving("translation")).target == "move the red mug"
    assert said(replace(moving("translation"), instruction="")) is None


@pytest.mark.parametrize("family", ["instructional", "contextual", "translation"])
def test_registers_learn_where_each_hand_begins_is_halfway_and_ends(family):
    """In the picture's frame whatever the camera's pose in the base frame; nothing of a hand that is not there, nothing unless asked for."""
    turned = pose(Rotation.from_euler("xyz", (0.3, -0.2, 1.0)).as_matrix(), np.array((0.4, 0.1, -0.2)))
    sample = moving(family, sides=("right",))
    sample = replace(sample, views=(replace(sample.views[0], camera=replace(CAMERA, T_base_cam=turned)),))
    dense, path = said(sample, positions=True).dense, sample.wrists.future["right"]
    there = path[[0, 15, 29]] @ picture_frame(CAMERA.K, (32, 32))[:3, :3].T
    np.testing.assert_allclose(dense["positions"][3:], there, atol=1e-6)
    np.testing.assert_allclose(dense["positions_pixel"][3:], (path @ CAMERA.K.T / path[:, 2:])[[0, 15, 29], :2], atol=1e-4)
    assert dense["positions_valid"].tolist() == [False] * 3 + [True] * 3
    assert said(sample).dense == {} == Placebo(HandMotion(positions=True))(sample, RNG).dense
    blind = replace(sample, views=(replace(sample.views[0], camera=None),))
    assert not said(blind, positions=True).dense["positions_valid"].any()


@pytest.mark.parametrize("family", ["instructional", "contextual", "translation"])
def test_every_family_is_asked_in_twenty_ways_that_fill_in(family):
    """All distinct, each with its own fields and no others, and each is drawn; motions stand where the words have a place for them."""
    ways = getattr(hand_motion, family.upper())
    fields = {"hands", "steps"} | ({"task"} if family != "translation" else set()) | ({"motion"} if family != "instructional" else set())
    assert len(set(ways)) == len(ways) == 20
    for way in ways:
        named = [name for _, name, _, _ in string.Formatter().parse(way) if name]
        assert sorted(named) == sorted(fields), way
    sample, rng, texts = moving(family), np.random.default_rng(0), set()
    for _ in range(300):
        prompt = HandMotion()(sample, rng).prompt
        parts = (prompt,) if isinstance(prompt, str) else prompt
        text = "".join(part if isinstance(part, str) else "#" for part in parts)
        assert all(parts) and not re.search(r"[{}]|  ", text) and "both hands" in text and "30" in text
        assert ("move the red mug" in text) == (family != "translation"), "a translation is not told what it has to say"
        assert text.count("#") == {"instructional": 0, "contextual": 2, "translation": 4}[family]
        texts.add(text)
    assert len(texts) == 20


def test_a_question_of_the_sample_is_used_and_one_picture_is_shown():
    sample = replace(moving(question="how will it go on?"), views=(*moving().views, *moving().views))
    assert said(sample).prompt == "how will it go on?" and len(said(sample).sample.views) == 1
    assert said(replace(sample, wrists=replace(sample.wrists, family="contextual"))).prompt[0] == "how will it go on? "
    assert said(replace(sample, wrists=replace(sample.wrists, family="translation"))).prompt[-1] == " how will it go on?"


@pytest.mark.parametrize("rate", [5.0, 15.0, 30.0])
def test_paths_of_another_rate_are_resampled_on_the_line_they_are_on(rate):
    found = blocks(said(moving(), rate_hz=rate).target)
    steps = round(rate)
    assert found.shape == (4, steps, 3)
    expected = np.array([-0.2, 0, 0.5]) + np.arange(1, steps + 1)[:, None] / rate * [0.1, 0, 0]
    np.testing.assert_allclose(found[0], expected, atol=1e-12)
    past = HandMotion(rate_hz=rate).motion(moving("contextual", past=46)).past["left"]
    np.testing.assert_allclose(past, np.array([-0.2, 0, 0.5]) + np.arange(1 - steps, 1)[:, None] / rate * [0.1, 0, 0], atol=1e-12)


def test_resampling_holds_the_first_point_before_it_and_keeps_what_is_already_there():
    path = line(10)
    np.testing.assert_allclose(resampled(path, RATE, RATE, first=1), path)
    assert np.array_equal(resampled(path, 5.0, 10.0, first=1)[0], path[0])
    assert len(resampled(np.zeros((0, 3)), RATE, 5.0)) == 0


def test_at_most_so_many_seconds_are_asked_for_and_at_least_one():
    assert blocks(said(moving(future=120, sides=("left",))).target).shape[0] == 8
    assert blocks(said(moving(future=120, sides=("left",)), seconds=1).target).shape[0] == 2
    assert said(moving(future=14)) is None


def test_what_leaves_the_cube_is_clipped_and_left_out_where_it_is_much():
    sample = moving(sides=("right",), future=15)
    for outside, kept in ((1, True), (2, False)):
        path = sample.wrists.future["right"].copy()
        path[:outside] += [1.0, 0, 0]
        example = said(replace(sample, wrists=WristPaths({}, {"right": path}, RATE)))
        assert (example is not None) == kept
    assert MotionVocabulary().text(said(replace(sample, wrists=WristPaths({}, {"right": path}, RATE)), most_outside=0.2).target).count("x1023") == 2


def test_metric_questions_keep_their_words_and_their_last_frames():
    sample = asked("which way did the right hand go?", "left and down, 0.44m", "hand_movement", frames=6)
    example = SpatialVQA()(sample, RNG)
    assert (example.prompt, example.target) == (sample.question, sample.answer) and example.sample.views == sample.views[-4:]
    assert SpatialVQA()(replace(sample, answer=""), RNG) is None


@pytest.mark.parametrize("supervision", [SpatialVQA(), HandMotion(), Placebo(HandMotion())])
def test_transforms_that_move_pictures_are_refused_where_metres_are_asked(supervision):
    assert Source(None, supervision, (ColourJitter(),)).transforms
    with pytest.raises(ConfigError, match=f"RandomShift, but {type(supervision).__name__} asks for metres"):
        Source(None, supervision, (ColourJitter(), RandomShift()))
    Source(None, ActionChunk(4), (RandomShift(),)), Source(None, Placebo(ObjectPoses(negatives=0.0)), (RandomShift(),))


@pytest.mark.parametrize("bad", [{"rate_hz": 0.5}, {"rate_hz": 7.5}, {"seconds": 0}, {"past": 0}, {"most_outside": 2.0}])
def test_impossible_supervisions_are_refused(bad):
    with pytest.raises(ConfigError, match=f"{next(iter(bad))}.*expected"):
        HandMotion(**bad)
    for frames in (0, 1):
        with pytest.raises(ConfigError, match="frames.*expected at least 2"):
            SpatialVQA(frames=frames)


def test_a_family_that_nobody_asks_for_is_refused():
    with pytest.raises(DataError, match="WristPaths.family 'contextuel'; did you mean 'contextual'"):
        WristPaths({}, {"right": line(15)}, RATE, "contextuel")


@pytest.mark.parametrize("family", ["instructional", "contextual", "translation"])
def test_a_hand_with_a_gap_in_its_path_is_not_there(family):
    whole = moving(family, future=15)

    def gapped(sides, when="future"):
        paths = {side: path.copy() for side, path in getattr(whole.wrists, when).items()}
        for side in sides:
            paths[side][3, 1] = np.nan
        return said(replace(whole, wrists=replace(whole.wrists, **{when: paths})))

    for when in ("future", "past"):
        example = gapped(("left",), when)
        motion = example.prompt if family == "translation" else example.target
        left, right = blocks(motion)
        assert np.isnan(left).all() and not np.isnan(right).any()
        if family != "contextual":
            assert "right hand" in str(example.prompt)
        assert gapped(("left", "right"), when) is None


@pytest.mark.parametrize(
    ("of", "sample"),
    [
        (HandMotion(), moving()),
        (HandMotion(), moving("contextual")),
        (HandMotion(), moving(sides=("right",))),
        (HandMotion(), moving("translation")),
        (HandMotion(), moving("translation", answer="moving the mug to the right")),
        (SpatialVQA(), asked("which way?", "left and down, 0.44m", "hand_movement")),
    ],
    ids=["instruction", "continuation", "one hand", "instruction as description", "description", "metres"],
)
def test_the_placebo_shows_and_asks_the_same_and_says_as_many_tokens_of_what_is_not_so(of, sample):
    true, placebo = (x(sample, np.random.default_rng(0)) for x in (of, Placebo(of)))
    assert placebo.prompt == true.prompt and placebo.sample.views == true.sample.views and Placebo(of).needs == of.needs
    vocabulary = MotionVocabulary(bins=64)
    tokenizer = local_tokenizer((*THINGS, "left", "and", "down", "m", "move", "moving", "the", "red", "to", "right"), ("<eos>", *vocabulary.tokens))

    def written(target) -> str:
        return target if isinstance(target, str) else vocabulary.text(target)

    said, truth = written(placebo.target), written(true.target)
    assert said != truth and set(said.split()) <= set(THINGS)
    assert len(tokenizer.encode(said)) == len(tokenizer.encode(truth))
    other = replace(sample, instruction="lift the big cup", answer=sample.answer.replace("left", "right").replace("mug", "cup"))
    assert Placebo(of)(other, np.random.default_rng(0)).target == placebo.target, "the true answer has no say in these words"


def test_the_placebo_of_a_description_is_never_the_instruction_and_starts_anywhere():
    said = {Placebo(HandMotion())(moving("translation"), np.random.default_rng(seed)).target for seed in range(40)}
    assert len(said) == len(THINGS) and not any("move" in text or "red" in text for text in said)
    question = replace(asked("which way?", "left and down, 0.44m", "x"), target="red mug")
    assert Placebo(SpatialVQA())(question, RNG).target == "red mug red mug red mug red mug red mug", "the thing that was asked about"
