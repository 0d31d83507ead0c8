"""Held-out pictures are put to a model and its answers scored: who answers with the truth is right, who guesses still answers in poses."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from praxia.data.collate import Collate
from praxia.data.mixture import Entry, Mixture
from praxia.data.numbers import Numbers
from praxia.data.supervision import ObjectPoses, Waypoints
from praxia.errors import ConfigError
from praxia.geometry.se3 import invert
from praxia.models.backbones.paligemma import PaliGemma
from praxia.models.generate import Answers
from praxia.models.spec import ModelSpec
from praxia.models.vla import VLA
from praxia.policy.speaker import Speaker
from praxia.recipes.words import world_words
from praxia.tokens.local_tokenizer import local_tokenizer
from praxia.tokens.pose_vocabulary import PoseVocabulary
from praxia.tokens.quantity import Quantity
from praxia.workflows.pose_answers import Asked, ask_objects, ask_paths, pose_metrics, seen_objects, true_boxes, unlisted_boxes
from praxia.workflows.pose_pictures import _path

OBJECTS, WAYPOINTS = ObjectPoses(negatives=0.0, least_side=0.005), Waypoints(count=3, every=3)
SAMPLES = 3


def entry(source, supervision):
    return Entry(source, np.arange(0, len(source), 4), supervision, (), 1.0)


@pytest.fixture(scope="module")
def speaking(tabletop_source):
    """A micro PaliGemma with a vocabulary fitted on what the sources say, and their held-out mixture."""
    entries = [entry(tabletop_source, s) for s in (OBJECTS, WAYPOINTS)]
    said = [p for e in entries for i in e.indices for p in e.supervision(e.source.sample(int(i), e.needs), np.random.default_rng(0)).target]
    values = {k: np.array([q.values for q in said if isinstance(q, Quantity) and q.kind == k]) for k in ("translation", "extent")}
    vocabulary = PoseVocabulary(xy=512, z=512, size=128, rotation=360).fitted(values, {k: np.ones(len(rows)) for k, rows in values.items()})
    backbone = PaliGemma(
        image_size=32, patch_size=8, vision_width=16, vision_layers=1, vision_heads=2, vision_mlp=16, text_width=16, text_layers=1, text_heads=2,
        text_kv_heads=1, text_head_dim=8, text_mlp=16, vocabulary=0, attention="plain",
    )  # fmt: skip
    tokenizer = local_tokenizer(world_words(), backbone.specials + vocabulary.tokens)
    torch.manual_seed(0)
    model = VLA(ModelSpec(backbone=replace(backbone, vocabulary=len(tokenizer)), vocabulary=vocabulary), ("backbone",))
    collate = Collate({tabletop_source.embodiment: Numbers().fitted(*tabletop_source.numbers())}, model.backbone, tokenizer, vocabulary=vocabulary)
    return model, tokenizer, vocabulary, Mixture(entries, collate, 4, 0)


def test_the_truth_scores_full_marks(speaking, monkeypatch):
    model, tokenizer, vocabulary, held_out = speaking

    def truthful(batch, stop, limit, grammars):
        """What the supervision says of the same pictures, checked token by token against the grammar."""
        rows = []
        for number, grammar in enumerate(grammars):
            prompt = tokenizer.decode(batch.prompt.ids[number][batch.prompt.valid[number]], skip_special_tokens=True).strip()
            ids = tokenizer.encode(vocabulary.text(_truth(held_out, batch, number, prompt)), add_special_tokens=False)
            for k in range(len(ids)):
                assert grammar(ids[:k]).numbers[ids[k]]
            rows.append(ids)
        width = max(map(len, rows))
        valid = torch.tensor([[k < len(row) for k in range(width)] for row in rows])
        return Answers(torch.tensor([row + [stop] * (width - len(row)) for row in rows]), valid, torch.zeros(len(rows), width))

    monkeypatch.setattr(model, "generate", truthful)
    scores = pose_metrics(held_out, model, tokenizer, vocabulary, SAMPLES)
    assert scores["object_poses/ap15"] == pytest.approx(100) and scores["object_poses/listed"] == 1
    assert scores["object_poses/translation_cm"] < 0.5 and scores["object_poses/rotation_deg"] < 2
    for kind in ("outside", "wrist"):
        assert scores[f"waypoints/{kind}_said"] == 1 and scores[f"waypoints/{kind}_last_cm"] < 0.5 and scores[f"waypoints/{kind}_still_cm"] > 2


def _truth(held_out, batch, number, prompt):
    """The target for a row of the batch: found by its first picture."""
    for one in held_out.entries:
        for index in one.indices:
            sample = one.source.sample(int(index), one.needs)
            if not np.array_equal(sample.views[0].image, batch.views.images[0][number]):
                continue
            if isinstance(one.supervision, Waypoints) and prompt == sample.instruction:
                return one.supervision(sample, np.random.default_rng(0)).target
            if isinstance(one.supervision, ObjectPoses) and prompt.startswith("detect the "):
                seen = [one.supervision.visible(sample.objects, view) for view in sample.views]
                return one.supervision.answer(prompt.removeprefix("detect the "), seen, sample.views)
    raise AssertionError(prompt)


def test_an_object_that_a_filter_left_out_is_ignored_where_it_is_said(tabletop_source):
    sample = tabletop_source.sample(0, OBJECTS.needs)
    alike = replace(sample, objects=tuple(replace(o, category="thing") for o in sample.objects))
    asked = Asked(alike, "thing", [])
    for number, view in enumerate(alike.views):
        listed, unlisted = true_boxes(asked, number, OBJECTS), unlisted_boxes(asked, number, OBJECTS)
        assert len(listed.centre) + len(unlisted.centre) == len(alike.objects)
        picky = replace(OBJECTS, least_area=0.99)
        every = unlisted_boxes(asked, number, picky)
        truth = [(invert(view.camera.T_base_cam) @ o.T_base_object)[:3, 3] for o in alike.objects]
        np.testing.assert_allclose(every.centre, truth)
    (seen, *_) = seen_objects([asked], replace(OBJECTS, least_area=0.99))
    assert len(seen.truths.centre) == 0 and len(seen.ignored.centre) == len(alike.objects)


def test_an_untrained_model_answers_in_poses_and_scores_badly(speaking):
    model, tokenizer, vocabulary, held_out = speaking
    scores = pose_metrics(held_out, model, tokenizer, vocabulary, 1)
    assert {name.split("/")[0] for name in scores} == {"object_poses", "waypoints"}
    assert scores["object_poses/ap15"] < 20


def test_nothing_is_scored_without_a_vocabulary_and_without_delimiters_nobody_knows_the_frame(speaking, tabletop_source):
    model, tokenizer, vocabulary, held_out = speaking
    assert pose_metrics(held_out, model, tokenizer, None, SAMPLES) == {}
    speaker = Speaker(model, held_out.collate, tokenizer, vocabulary)
    with pytest.raises(ConfigError, match="delimiters"):
        ask_objects(speaker, entry(tabletop_source, replace(OBJECTS, delimiters=False)), 1)
    with pytest.raises(ConfigError, match="delimiters"):
        ask_paths(speaker, entry(tabletop_source, replace(WAYPOINTS, delimiters=False)), 1)


def test_a_way_told_in_the_robot_s_frame_is_drawn_where_one_told_in_the_camera_s_is(tabletop_source):
    camera, base = Waypoints(count=3, every=2), Waypoints(count=3, every=2, frame="base")
    sample = tabletop_source.sample(0, base.needs)
    drawn = [_path("waypoints", Asked(sample, "", []), says) for says in (camera, base)]
    np.testing.assert_allclose(drawn[1].expected, drawn[0].expected, atol=1e-6)
    assert len(drawn[0].expected) == 2 and drawn[0].note == "not listed whole"
