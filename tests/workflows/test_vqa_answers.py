"""Held-out scenes are put to a model and its answers scored: who answers with the truth is right, who was never taught still answers in form."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from praxia.data.collate import Collate
from praxia.data.mixture import Entry, Mixture
from praxia.data.numbers import Numbers
from praxia.data.recorded import Recorded
from praxia.data.supervision import EmbodiedVQA
from praxia.models.backbones.paligemma import PaliGemma
from praxia.models.generate import Answers
from praxia.models.spec import ModelSpec
from praxia.models.vla import VLA
from praxia.objectives import NextToken
from praxia.recipes.base_vlm import base_vlm
from praxia.recipes.embodied_vqa import questions, stage, vqa_words
from praxia.recipes.tabletop_contacts import contacts
from praxia.stages.recipe import Recipe, Source, Stage, Weighted
from praxia.tokens.coordinates import box_in, points_in
from praxia.tokens.local_tokenizer import LocalTokenizer, local_tokenizer
from praxia.train.optimiser import AdamW
from praxia.train.settings import TrainSettings
from praxia.workflows.report import run_report
from praxia.workflows.train_recipe import train_recipe
from praxia.workflows.vqa_answers import Speaker, ask, blanked, vqa_metrics
from praxia.workflows.vqa_pictures import answer_scores
from praxia.worlds.tabletop.objects import CATEGORIES

ASKED = EmbodiedVQA(("head",), absent=("red mug", "ball", "blue bowl", "drawer", "green zone"), contacts=contacts())
BACKBONE = PaliGemma(
    image_size=32, patch_size=8, vision_width=16, vision_layers=1, vision_heads=2, vision_mlp=16, text_width=16, text_layers=1, text_heads=2,
    text_kv_heads=1, text_head_dim=8, text_mlp=16, vocabulary=0, attention="plain",
)  # fmt: skip
SAMPLES = 4


@pytest.fixture(scope="module")
def speaking(tabletop_source):
    """A micro PaliGemma and a mixture of questions."""
    tokenizer = local_tokenizer(vqa_words(), BACKBONE.specials)
    torch.manual_seed(0)
    model = VLA(ModelSpec(backbone=replace(BACKBONE, vocabulary=len(tokenizer))), ("backbone",))
    collate = Collate({tabletop_source.embodiment: Numbers().fitted(*tabletop_source.numbers())}, model.backbone, tokenizer)
    return model, tokenizer, Mixture([Entry(tabletop_source, np.arange(len(tabletop_source)), ASKED, (), 1.0)], collate, 4, 0)


def test_the_truth_scores_full_marks_and_its_every_token_is_allowed(speaking, monkeypatch):
    model, tokenizer, held_out = speaking
    (entry,) = held_out.entries
    truths = {one.question.text: one.question.answer for one in ask(entry, SAMPLES)}

    def truthful(batch, stop, limit, grammars):
        rows = []
        for number, grammar in enumerate(grammars):
            prompt = tokenizer.decode(batch.prompt.ids[number][batch.prompt.valid[number]], skip_special_tokens=True).strip()
            ids = tokenizer.encode(truths[prompt], add_special_tokens=False)
            for k, token in enumerate([*ids, stop]):
                allowed = grammar(ids[:k])
                assert allowed is None or allowed[token]
            rows.append(ids)
        width = max(map(len, rows))
        valid = torch.tensor([[k < len(row) for k in range(width)] for row in rows])
        return Answers(torch.tensor([row + [stop] * (width - len(row)) for row in rows]), valid, torch.zeros(len(rows), width))

    monkeypatch.setattr(model, "generate", truthful)
    scores = vqa_metrics(held_out, held_out, model, tokenizer, SAMPLES)
    assert len(truths) == scores["embodied_vqa/all/asked"] > 3 * SAMPLES - 1, "no text was asked twice with different answers"
    for group in ("general", "grounding", "affordance", "reasoning", "all"):
        assert scores[f"embodied_vqa/{group}/score"] == 1 and scores[f"embodied_vqa/{group}/unreadable"] == 0
    assert scores["embodied_vqa/all/score/majority"] < 1 and scores["embodied_vqa/all/score/blank"] == 1, "it knows the answers"


def test_an_untrained_model_answers_in_form_and_scores_badly(speaking):
    model, tokenizer, held_out = speaking
    (entry,) = held_out.entries
    asked = ask(entry, SAMPLES)
    for one in Speaker(model.eval(), held_out.collate, tokenizer).says(asked):
        if one.question.form == "point":
            assert points_in(one.said).shape == (1, 2)
        elif one.question.form == "box":
            assert one.said.count(",") == 3 and (box_in(one.said) is not None) == one.readable
        elif one.question.choices:
            assert one.said in one.question.choices
    scores = vqa_metrics(held_out, held_out, model, tokenizer, SAMPLES)
    assert scores["embodied_vqa/all/score"] < 0.6 and 0 <= scores["embodied_vqa/kind/point"] <= 1
    assert {name.split("/")[1] for name in scores} == {"general", "grounding", "affordance", "reasoning", "all", "kind"}


def test_blank_pictures_show_nothing_and_ask_the_same(speaking):
    held_out = speaking[2]
    for one in ask(held_out.entries[0], 2):
        blank = blanked(one.example)
        assert np.ptp(blank.sample.views[0].image) == 0 and (blank.prompt, blank.target) == (one.example.prompt, one.example.target)
        assert blank.sample.views[0].camera is one.example.sample.views[0].camera


def test_another_source_is_not_asked(speaking):
    held_out = speaking[2]
    other = Mixture([replace(held_out.entries[0], supervision=replace(ASKED, sizes=(0, 1, 0, 0)))], held_out.collate, 4, 0)
    assert {one.question.group for one in ask(other.entries[0], 3)} == {"grounding"}
    assert ask(replace(held_out.entries[0], supervision=object()), 3) == []


def test_a_stage_of_questions_is_scored_and_shown_in_the_report(tabletop_data, tmp_path, monkeypatch):
    monkeypatch.setattr("praxia.workflows.train_recipe.ASKED_ABOUT", 3)
    source = Source(Recorded(str(tabletop_data)), ASKED)
    asking = Stage(
        "embodied_vqa", (source,), (Weighted(NextToken()),), steps=40, batch=8, optimiser=AdamW(lr=1e-2, warmup=5), parts=("backbone",),
        held_out=(source,), validate_every=40, validation_batches=1,
    )  # fmt: skip
    recipe = Recipe("asking", ModelSpec(backbone=BACKBONE), (asking,), tokenizer=LocalTokenizer(vqa_words()), precision="fp32")
    trained = train_recipe(recipe, tmp_path / "asking", TrainSettings(quiet=True, threads=1))
    metrics = trained.results[0].metrics
    assert metrics["embodied_vqa/next_token"] < 6 and metrics["embodied_vqa/all/asked"] == 12
    assert (tmp_path / "asking/stages/embodied_vqa/scores.json").is_file()
    (shown,) = answer_scores(trained)
    assert set(shown.controls) == {"majority answer", "blank pictures"} and set(shown.scores["all"]) >= {"score", "point_in_mask", "exact_match"}
    page = run_report(trained).read_text()
    for words in ("Scores after stage Embodied vqa", "majority answer", "blank pictures", "points in mask", "Affordance"):
        assert words.casefold() in page.casefold()


def test_the_declared_stage_learns_on_one_split_and_is_looked_at_with_another():
    declared = stage(("backbone", "tokens"), 2.0, positions=2)
    worlds = {source.data.world_args["split"] for source in declared.sources}, {source.data.world_args["split"] for source in declared.held_out}
    assert worlds == ({"pretrain"}, {"benchmark"}) and declared.minutes == 2.0
    assert len(declared.objectives) == 4 and len(stage(("backbone",), 1.0).objectives) == 1
    assert declared.init_from[0].stage == base_vlm(("backbone",)).name and declared.init_from[0].parts == (("backbone", "backbone"),)
    words = set(vqa_words())
    names = questions("benchmark").absent
    assert {word for name in names for word in name.split()} <= words and {"nearer", "left", "carry", "yes", "six"} <= words
    pairs = [{name for name in questions(split).absent if " " in name and name.split()[1] in CATEGORIES} for split in ("pretrain", "benchmark")]
    assert all(pairs) and not pairs[0] & pairs[1], "no object of one split is asked for in the other"
