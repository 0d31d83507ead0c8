"""Relations of things and places of hands: every answer is the world's truth, seen from the camera."""

import re

import numpy as np
import pytest
from asking import asked

from praxia.data.recorded import Recorded
from praxia.data.supervision import SceneGrounding, SceneRelations
from praxia.errors import ConfigError
from praxia.evaluate.hand3d import read
from praxia.geometry.camera import project
from praxia.geometry.directions import directions
from praxia.geometry.se3 import apply, invert


def test_an_answer_is_the_way_between_both_things_in_the_camera_frame(tabletop_source):
    forms = set()
    for example in asked(tabletop_source, SceneRelations(), draws=2):
        objects = {o.name: o.T_base_object[:3, 3] for o in example.sample.objects}
        (view,) = example.sample.views
        assert example.sample.state is None, "things of several robots' scenes share micro-batches"
        first, second = sorted((n for n in objects if re.search(rf"the {n}\b", example.prompt)), key=example.prompt.index)
        reading, way = read(example.target), apply(invert(view.camera.T_base_cam), np.stack([objects[first], objects[second]]))
        assert reading is not None and reading.metres == pytest.approx(np.linalg.norm(way[1] - way[0]), abs=0.0051)
        forms.add(reading.form)
        if reading.form == "displacement":
            share = (way[1] - way[0]) / np.linalg.norm(way[1] - way[0])
            signs = [int(np.sign(s)) if abs(s) > 0.3 else 0 for s in share]
            from_first = example.prompt.startswith(("Relative", "Which way"))
            assert list(reading.signs) == signs if from_first else list(reading.signs) == [-s for s in signs]
    assert forms == {"displacement", "distance"}


def test_words_follow_the_axes_and_not_the_length():
    assert directions(np.array([-1.0, 1.0, 1.0]), 0.3) == ("left", "down", "forward")
    for axis in range(3):
        way = np.array([0.2, -0.3, 0.4])
        other = way * np.where(np.arange(3) == axis, -1, 1)
        a, b = (directions(w, 0.3) for w in (way, other))
        assert [i for i in range(3) if a[i] != b[i]] == [axis] and directions(7 * way, 0.3) == a
    assert all(directions(w, 0.576) for w in np.random.default_rng(0).normal(size=(500, 3)))


def test_hands_have_names_and_places_where_the_mask_shows_them(hand_clips):
    source, seen = Recorded(str(hand_clips)).open(), {"left hand": 0, "right hand": 0}
    supervision = SceneGrounding(tools=(("left", "left hand", 1), ("right", "right hand", 2)))
    for example in asked(source, supervision):
        view = example.sample.views[0]
        for name in seen:
            if name in example.phrases and example.dense["things_valid"][0, (slot := example.phrases.index(name))]:
                wrist = example.sample.tool_path[name.split()[0]][0, :3, 3]
                pixel, depth = project(view.camera.K, apply(invert(view.camera.T_base_cam), wrist[None]))
                np.testing.assert_allclose(example.dense["things_pixel"][0, slot], pixel[0], atol=1e-3)
                assert example.dense["things_depth"][0, slot] == pytest.approx(depth[0], abs=1e-4)
                seen[name] += 1
    assert min(seen.values()) > 10


@pytest.mark.parametrize("bad", [{"gamma": 0.6}, {"gamma": 0.0}, {"far": 1.5}])
def test_impossible_relations_are_refused(bad):
    with pytest.raises(ConfigError, match="expected 0 < gamma"):
        SceneRelations(**bad)
