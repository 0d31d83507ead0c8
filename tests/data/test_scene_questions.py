"""Scene questions on real pictures: every answer agrees with the world's truth, and follows the picture when it is shifted."""

import re
from dataclasses import replace

import numpy as np
import pytest
from asking import asked

from praxia.data.sample_transforms import RandomShift
from praxia.data.supervision import ActionChunk, SceneGrounding, SceneQuestions, StateActionChunk
from praxia.data.supervision.scene_questions import NUMBERS, visible_objects
from praxia.data.supervision.supervision import Needs
from praxia.errors import ConfigError
from praxia.geometry.camera import project
from praxia.geometry.image_transform import realise
from praxia.geometry.se3 import apply, invert
from praxia.tokens.locations import BINS, point_text, points_in

POINT, COLOUR, COUNT, CAPTION = (SceneQuestions(mix=tuple(float(i == k) for i in range(4))) for k in range(4))  # type: ignore[arg-type]


def named(example):
    """The object a pointing question is about."""
    return next(o for o in example.sample.objects if re.search(rf"\b{o.name}\b", example.prompt))


def projected(truth, view):
    pixels, _ = project(view.camera.K, apply(invert(view.camera.T_base_cam), truth.T_base_object[None, :3, 3]))
    return pixels[0]


def test_points_decode_to_within_a_bin_of_the_projected_centre(tabletop_source):
    bin_width = 64 / BINS
    examples = list(asked(tabletop_source, POINT, (RandomShift(),), draws=3))
    for example in examples:
        (point,) = points_in(example.target, (64, 64))
        assert np.abs(np.array(point) - projected(named(example), example.sample.views[0])).max() <= bin_width
    assert len(examples) > 100 and len({e.prompt for e in examples}) > 10


def test_shift_moves_picture_calibration_and_answers_together(tabletop_source):
    moved = on_object = 0
    for example in asked(tabletop_source, POINT, (RandomShift(0.15),), draws=2):
        view = example.sample.views[0]
        ((u, v),) = points_in(example.target, (64, 64))
        shown = realise(view)  # the picture and mask as the model sees them
        assert shown.mask is not None and shown.image.shape == (64, 64, 3)
        on_object += shown.mask[round(v), round(u)] == named(example).instance
        moved += not np.array_equal(view.affine, np.eye(2, 3))
        assert np.array_equal(view.affine[:, 2], view.camera.K[:2, 2] - tabletop_camera(tabletop_source, example)[:2, 2])
    assert moved > 80
    assert on_object / (len(tabletop_source) * 2) > 0.9  # the rest stands behind the arm


def tabletop_camera(source, example):
    where = example.sample.provenance
    row = next(i for i in range(len(source)) if (s := source.sample(i, Needs()).provenance) and (s.episode, s.frame) == (where.episode, where.frame))
    return source.sample(row, Needs()).views[0].camera.K


def test_without_a_shift_nothing_moves_and_the_source_is_never_written_to(tabletop_source):
    before = tabletop_source.sample(3, Needs(objects=True))
    RandomShift()(before, np.random.default_rng(0))
    still = RandomShift(0.0)(before, np.random.default_rng(0))
    after = tabletop_source.sample(3, Needs(objects=True))
    for a, b, c in zip(before.views, after.views, still.views, strict=True):
        assert np.array_equal(a.camera.K, b.camera.K) and np.array_equal(a.affine, b.affine) and np.array_equal(a.affine, c.affine)


def test_colours_and_counts_are_those_of_the_scene(tabletop_source):
    for example in asked(tabletop_source, COLOUR, draws=3):
        if example.prompt in ("describe the picture", "what is on the table ?"):
            continue
        (one,) = [o for o in example.sample.objects if re.search(rf"\b{o.category}\b", example.prompt)]
        assert example.target == one.colour
    counts = set()
    for example in asked(tabletop_source, COUNT, draws=3):
        (colour,) = [c for c in {o.colour for o in example.sample.objects} if re.search(rf"\b{c}\b", example.prompt)]
        seen = visible_objects(example.sample.objects, example.sample.views[0])
        assert example.target == NUMBERS[sum(s.truth.colour == colour for s in seen)]
        counts.add(example.target)
    assert len(counts) > 1


def test_captions_name_what_is_seen_from_left_to_right(tabletop_source):
    for example in asked(tabletop_source, CAPTION):
        seen = visible_objects(example.sample.objects, example.sample.views[0])
        names = example.target.split(" , ")
        assert sorted(names) == sorted(s.truth.name for s in seen)
        columns = [next(s.pixel[0] for s in seen if s.truth.name == name) for name in names]
        assert columns == sorted(columns)


def twins(source, index=0):
    """A sample in which the first object stands there twice."""
    sample = source.sample(index, SceneQuestions().needs)
    first = sample.objects[0]
    aside = first.T_base_object.copy()
    aside[:3, 3] += [0.02, 0.02, 0]
    return replace(sample, objects=(*sample.objects, replace(first, T_base_object=aside))), first


def test_what_has_no_name_of_its_own_is_never_asked_for(tabletop_source):
    sample, first = twins(tabletop_source)
    rng = np.random.default_rng(0)
    for _ in range(200):
        assert first.name not in POINT(sample, rng).prompt
        assert not re.search(rf"\b{first.category}\b", COLOUR(sample, rng).prompt)
    alone = replace(sample, objects=(sample.objects[0], sample.objects[-1]))
    assert POINT(alone, rng).target == COLOUR(alone, rng).target == f"{first.name} , {first.name}"  # described instead


def test_objects_behind_others_are_not_asked_about(tabletop_source):
    sample = tabletop_source.sample(0, SceneQuestions().needs)
    view = sample.views[0]
    (first, *_) = visible_objects(sample.objects, view)
    hidden = np.where(view.mask == first.truth.instance, 0, view.mask)
    left = visible_objects(sample.objects, replace(view, mask=hidden))
    assert first.truth.name not in [s.truth.name for s in left]
    assert len(visible_objects(sample.objects, replace(view, mask=None))) >= len(left) + 1


def test_samples_without_calibration_or_objects_have_nothing_to_say(tabletop_source):
    sample, rng = tabletop_source.sample(0, SceneQuestions().needs), np.random.default_rng(0)
    blind = replace(sample, views=tuple(replace(v, camera=None) for v in sample.views))
    assert SceneQuestions()(blind, rng) is None and SceneQuestions(view="left")(sample, rng) is None
    assert SceneQuestions()(replace(sample, objects=()), rng) is None
    with pytest.raises(ConfigError, match="four frequencies"):
        SceneQuestions(mix=(0, 0, 0, 0))


@pytest.mark.parametrize("size", [(64, 64), (48, 64), (64, 48), (480, 640), (1080, 1920)])
def test_points_round_trip_in_pictures_of_any_shape(size):
    rng = np.random.default_rng(0)
    for _ in range(50):
        uv = rng.uniform((0, 0), (size[1] - 1, size[0] - 1))
        ((u, v),) = points_in(point_text(uv, size), size)
        assert max(abs(u - uv[0]), abs(v - uv[1])) <= 0.5 * max(size) / BINS + 1e-9
    assert points_in(point_text(np.array((-50.0, 1e5)), size), size)  # clipped to the border
    assert points_in("no point <loc0001> here", size) == []


def test_an_action_chunk_is_the_instruction_and_what_was_done_next(tabletop_source):
    supervision = ActionChunk(horizon=8, history=3)
    actions, states, lengths = tabletop_source.numbers()
    for index in (0, 5, lengths[0] - 1):
        example = supervision(tabletop_source.sample(index, supervision.needs), np.random.default_rng(0))
        assert example.prompt == example.sample.instruction and example.target is None
        future, inside = example.sample.future, min(8, lengths[0] - index)
        assert np.array_equal(future.valid, np.arange(8) < inside) and np.array_equal(future.actions[:inside], actions[index : index + inside])
        assert example.sample.past.valid.sum() == min(3, index) and np.array_equal(example.sample.state, states[index])
    blind = StateActionChunk(8)
    assert blind(tabletop_source.sample(0, blind.needs), np.random.default_rng(0)).sample.views == ()


def test_positions_are_the_truth_as_the_shifted_picture_shows_it(tabletop_source):
    """Metres in the picture frame: the pinhole through the middle of the transformed picture sees them where the shifted camera does."""
    supervision = ActionChunk(horizon=4, positions=True)
    valid = 0
    for example in asked(tabletop_source, supervision, (RandomShift(),)):
        sample, view = example.sample, example.sample.views[0]
        points, known = example.dense["positions"], example.dense["positions_valid"]
        target = next(o for o in sample.objects if o.name == sample.target)
        T_cam_base = np.linalg.inv(view.camera.T_base_cam)
        places = [sample.tool_path["arm"][0][:3, 3], target.T_base_object[:3, 3], sample.goal]
        K = view.camera.K.copy()
        K[0, 2], K[1, 2] = (view.size[1] - 1) / 2, (view.size[0] - 1) / 2
        for point, pixel, place, ok in zip(points, example.dense["positions_pixel"], places, known, strict=True):
            in_camera = T_cam_base[:3, :3] @ place + T_cam_base[:3, 3]
            expected = project(view.camera.K, in_camera[None])[0][0]
            assert ok and np.isclose(point[2], in_camera[2], atol=1e-6) and np.allclose(pixel, expected, atol=1e-3)
            assert np.allclose(project(K, point[None].astype(float))[0][0], expected, atol=1e-3)
        valid += known.sum()
        assert (example.dense["positions_slot"] == 0).all() and np.allclose(example.dense["positions_pixel"][1], projected(target, view), atol=1e-3)
    assert valid == 3 * len(tabletop_source)
    away = replace(sample, target="nothing", tool_path={}, goal=None)
    assert not supervision(away, np.random.default_rng(0)).dense["positions_valid"].any()
    uncalibrated = replace(sample, views=tuple(replace(v, camera=None) for v in sample.views))
    assert supervision(uncalibrated, np.random.default_rng(0)).dense["positions_slot"].tolist() == [-1] * 3


def test_positions_need_a_view():
    with pytest.raises(ConfigError, match="views is 0; expected at least 1"):
        ActionChunk(positions=True, views=0)


def test_positions_in_the_wrists_frame_are_where_the_hand_still_has_to_go(tabletop_source):
    supervision = ActionChunk(horizon=4, positions=True, views=2)
    behind = 0
    for example in asked(tabletop_source, supervision):
        dense, (head, wrist) = example.dense, example.sample.views
        assert dense["positions_slot"].tolist() == [0, 0, 0, 1, 1, 1] and dense["positions_valid"].all()
        to_head, to_wrist = np.linalg.inv(head.camera.T_base_cam), np.linalg.inv(wrist.camera.T_base_cam)
        in_base = dense["positions"][:3] @ np.linalg.inv(to_head)[:3, :3].T + np.linalg.inv(to_head)[:3, 3]
        np.testing.assert_allclose(dense["positions"][3:], in_base @ to_wrist[:3, :3].T + to_wrist[:3, 3], atol=1e-5)
        unseen = dense["positions"][3:, 2] <= 0
        assert np.array_equal(np.isnan(dense["positions_pixel"][3:]).all(axis=1), unseen)
        behind += unseen.sum()
    assert behind < len(tabletop_source)


def test_grounding_names_every_visible_thing_where_each_posed_view_shows_it(tabletop_source):
    supervision, counted = SceneGrounding(things=6), 0
    for example in asked(tabletop_source, supervision, (RandomShift(),)):
        assert example.prompt is None and example.target is None and len(example.phrases) == 6
        things = {o.name: o for o in example.sample.objects}
        for v, view in enumerate(example.sample.views):
            shown = {s.truth.name for s in visible_objects(example.sample.objects, view)}
            for i, name in enumerate(example.phrases):
                assert example.dense["things_valid"][v, i] == (name in shown)
                if name in shown:
                    counted += 1
                    assert np.allclose(example.dense["things_pixel"][v, i], projected(things[name], view), atol=1e-3)
                    centre = np.linalg.inv(view.camera.T_base_cam) @ [*things[name].T_base_object[:3, 3], 1.0]
                    assert np.isclose(example.dense["things_depth"][v, i], centre[2], atol=1e-5)
        nearest = sorted(things.values(), key=lambda o: (np.linalg.inv(example.sample.views[0].camera.T_base_cam) @ o.T_base_object)[2, 3])
        assert [p for p in example.phrases if p] == [o.name for o in nearest[:6]]
    assert counted > len(tabletop_source)
    assert supervision(replace(example.sample, objects=()), np.random.default_rng(0)) is None
    with pytest.raises(ConfigError, match="things is 0"):
        SceneGrounding(things=0)


def test_what_is_taught_beside_an_action_is_what_it_would_teach_alone(tabletop_source):
    grounding = SceneGrounding()
    chunk = ActionChunk(16, positions=True, beside=grounding)
    assert chunk.needs.horizon == 16 and chunk.needs.objects and chunk.needs.masks and chunk.needs.tool_path
    sample = tabletop_source.sample(5, chunk.needs)
    both, alone, acting = (s(sample, np.random.default_rng(0)) for s in (chunk, grounding, replace(chunk, beside=None)))
    assert both.prompt == sample.instruction and both.phrases == alone.phrases
    assert both.dense.keys() == alone.dense.keys() | acting.dense.keys()
    assert all(np.array_equal(both.dense[k], v) for k, v in (alone.dense | acting.dense).items())
    assert chunk(replace(sample, objects=()), np.random.default_rng(0)) is None
