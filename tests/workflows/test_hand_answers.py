"""Scores of held-out hands: which samples are asked, what stands beside the answers, and what is asked of unseen clips and of an unseen task."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from praxia.data.hand_clips import HandMotions, HandQuestions
from praxia.data.mixture import Entry
from praxia.data.supervision import HandMotion, SpatialVQA
from praxia.data.supervision.supervision import Needs
from praxia.errors import ConfigError
from praxia.recipes.vipa_vla import tiny
from praxia.specs.licences import check_licences
from praxia.workflows.assemble import assemble
from praxia.workflows.hand_answers import LEARNT_FROM, _described, _vqa_scores
from praxia.workflows.train_recipe import ingredients


class Knows:
    """Says the truth where it sees a picture and left of everything where all is grey; has no layers."""

    model = type("NoLayers", (), {"modules": lambda self: ()})()

    def says(self, examples, *_):
        grey = [all((v.image == 127).all() for v in x.sample.views) for x in examples]
        return ["left, 1.00m" if blind else str(x.target) for x, blind in zip(examples, grey, strict=True)]


def entry(source, supervision) -> Entry:
    opened = source.open()
    return Entry(opened, np.arange(len(opened)), supervision, (), 1.0)


def test_who_sees_is_right_and_who_does_not_is_not_and_both_are_asked_the_same_rows(annotated_hands):
    taught, held = (entry(HandQuestions(str(annotated_hands), split), SpatialVQA()) for split in ("train", "held_out"))
    scores = _vqa_scores([taught], [held], Knows(), 1000)
    rows = [held.source.sample(i, Needs(pictures=False)) for i in range(len(held.indices))]
    assert scores["spatial_vqa/all/asked"] == len(rows)
    assert scores["spatial_vqa/all/direction"] == 3 and scores["spatial_vqa/all/distance"] == 0
    metres = [float(s.answer.split(", ")[1].removesuffix("m")) for s in rows if s.answer.endswith("m") and ", " in s.answer]
    alone = [float(s.answer.removesuffix("m")) for s in rows if s.answer.endswith("m") and ", " not in s.answer]
    assert scores["spatial_vqa/all/distance/blank"] == pytest.approx(np.mean([abs(1 - d) for d in (*metres, *alone)]))
    assert scores["spatial_vqa/all/direction/blank"] < 2 and "spatial_vqa/all/direction/no_geometry" not in scores
    task = sum(s.provenance.unseen_task for s in rows)
    assert 0 < task < len(rows)
    assert (scores["spatial_vqa/unseen_task/asked"], scores["spatial_vqa/unseen_clips/asked"]) == (task, len(rows) - task)
    assert scores["spatial_vqa/unseen_task/direction"] == 3 and "spatial_vqa/unseen_clips/direction/majority" in scores


def test_predictors_that_do_not_look_are_fitted_without_pictures_on_as_many_samples_of_any_number_of_sources(annotated_hands, monkeypatch):
    asked = []
    taught, held = (entry(HandMotions(str(annotated_hands), split), HandMotion(rate_hz=5.0)) for split in ("train", "held_out"))
    shown = Entry.shown

    def counted(one, count, needs=None):
        asked.append((one.source is taught.source, count, (needs or one.needs).pictures))
        return shown(one, count, needs)

    monkeypatch.setattr(Entry, "shown", counted)
    _described([taught, taught], [held], Knows(), 8)
    assert sorted(set(asked)) == [(False, 4, True), (True, LEARNT_FROM // 2, False)]
    assert asked.count((False, 4, True)) == 2, "half of an unseen task, half of unseen clips"


def hand_stages(root: str):
    """Stages of hands of `tiny` on an annotated folder."""
    recipe = tiny()

    def stage(s, kind):
        return replace(s, sources=(replace(s.sources[0], data=kind(root)),), held_out=(), init_from=())

    return replace(recipe, stages=(stage(recipe.stages[2], HandQuestions), stage(recipe.stages[3], HandMotions)))


def test_a_net_for_research_alone_that_made_the_labels_is_refused(annotated_hands, hand_clips, tmp_path):
    check_licences(ingredients(assemble(hand_stages(str(annotated_hands)))), "commercial")
    shutil.copytree(hand_clips, tmp_path / "clips")
    described = tmp_path / "clips" / annotated_hands.name / "hands.json"
    described.write_text(json.dumps(json.loads(described.read_text()) | {"licences": {"some net": "cc-by-nc-4.0"}}))
    found = ingredients(assemble(hand_stages(str(described.parent))))
    with pytest.raises(ConfigError, match=r"some net \(cc-by-nc-4.0\): not for commercial use"):
        check_licences(found, "commercial")


def test_a_supervision_with_another_cube_than_the_tokens_is_refused(annotated_hands):
    recipe = hand_stages(str(annotated_hands))
    last = recipe.stages[-1]
    wide = replace(last.sources[0], supervision=replace(last.sources[0].supervision, cube=((-1.0, 1.0), (-1.0, 1.0), (0.0, 2.0))))
    with pytest.raises(ConfigError, match="HandMotion.cube is .* but MotionVocabulary.cube"):
        assemble(replace(recipe, stages=(recipe.stages[0], replace(last, sources=(wide,)))))
