"""LLaVA-style conversations, on small files written here after the format, broken ones too."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from tests.models import compositions as micro

from praxia.data.collate import Collate
from praxia.data.mixture import Entry, Mixture
from praxia.data.readers import Llava
from praxia.data.sample_transforms import RandomCrop
from praxia.data.supervision import QuestionAnswer, SceneGrounding
from praxia.data.supervision.supervision import Needs
from praxia.errors import ConfigError, DataError
from praxia.evaluate.vqa import Answered
from praxia.geometry.image_transform import realise
from praxia.objectives import NextToken
from praxia.tokens.coordinates import box_in, points_in
from praxia.workflows.vqa_answers import ask, asks

WIDTH, HEIGHT, SIDE = 120, 60, 64
SPOT = (90, 15)  # (u, v) of a white square's middle in the file


def talk(*texts: str) -> list[dict]:
    return [{"from": ("human", "gpt")[i % 2], "value": text} for i, text in enumerate(texts)]


def record(*texts: str, **changes) -> dict:
    return {"id": "a1", "image": "pictures/a.png", "conversations": talk(*texts)} | changes


@pytest.fixture
def written(tmp_path):
    """Write a set: written(*records) -> spec."""
    (tmp_path / "pictures").mkdir()
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    picture[SPOT[1] - 4 : SPOT[1] + 4, SPOT[0] - 4 : SPOT[0] + 4] = 255
    Image.fromarray(picture).save(tmp_path / "pictures/a.png")
    (tmp_path / "pictures/torn.png").write_bytes(b"\x89PNG torn")

    def write(*records, **fields) -> Llava:
        (tmp_path / "mix.json").write_text(json.dumps(list(records)))
        return Llava((str(tmp_path / "mix.json"),), str(tmp_path), side=SIDE, **fields)

    return write


def test_every_pair_is_a_sample_about_its_picture(written):
    """Without the turns before it; of no picture, if its record has none."""
    source = written(
        record("<image>\nWhat is there?", "A white square.", "What colour?\n<image>", "White."),
        record("Who are you?", "A model.", image=None),
        record("<image>\nWhere?", "[(0.750, 0.250)]", conversations=[{"from": "system", "value": "be brief"}, *talk("Where?", "[(0.750, 0.250)]")]),
        whole=False,
    ).open()
    assert len(source) == 4 and source.episodes.tolist() == [0, 0, 1, 2]
    first, second, bare, third = (source.sample(i, Needs()) for i in range(4))
    assert bare.views == () and (bare.question, bare.answer) == ("Who are you?", "A model.")
    assert (first.question, first.answer) == ("What is there?", "A white square.") and second.question == "What colour?"
    assert first.views[0].image.shape == (SIDE, SIDE, 3) and first.views[0].camera is None and first.provenance.episode == 0
    u, v = (points_in(third.answer)[0] * SIDE).astype(int)
    assert third.views[0].image[v, u].min() > 200, "the point is on the white square of the stretched picture"


def test_a_conversation_is_one_sample_of_which_every_answer_is_learnt(written):
    recipe = micro.composition("poke_vla")
    model, tokenizer = micro.build(recipe, recipe.stages[0]), micro.tokenizer("poke_vla")
    source = written(
        record("<image>\nWhat is there?", "A white square.", "What colour is it?", "White."), record("Where?", "[(0.750, 0.250)]")
    ).open()
    assert len(source) == 2 and source.sample(0, Needs()).later == ("What colour is it?", "White.")
    examples = [QuestionAnswer()(source.sample(i, Needs()), np.random.default_rng(0)) for i in range(2)]
    target = Collate({}, model.backbone, tokenizer)(examples).target
    scored = [tokenizer.decode(ids[rows].tolist(), skip_special_tokens=False).split() for ids, rows in zip(target.ids, target.scored, strict=True)]
    talk = tokenizer.decode(target.ids[0][target.valid[0]].tolist(), skip_special_tokens=False)
    assert "what colour is it" in talk.lower() and "colour" not in " ".join(scored[0]).lower(), "a question is read, not learnt"
    assert "square" in " ".join(scored[0]) and " ".join(scored[0]).lower().count("white") == 2
    alone = Collate({}, model.backbone, tokenizer)(examples[1:]).target
    assert alone.said is None and alone.ids[alone.scored].tolist() == target.ids[1][target.scored[1]].tolist()
    with pytest.raises(ConfigError, match="whole=False"):
        micro.build(micro.composition("pose_vla"), micro.composition("pose_vla").stages[0]).backbone.dialogue_ids(tokenizer, ("a", "b", "c"))


def test_talk_of_no_picture_is_learnt_beside_the_others(written):
    recipe = micro.composition("poke_vla")
    model, tokenizer = micro.build(recipe, recipe.stages[0]), micro.tokenizer("poke_vla")
    source = written(record("Where?", "The red box."), record("Push it?", "Stop.", "And then?", "Left.", image=None)).open()
    mixture = Mixture([Entry(source, np.arange(2), QuestionAnswer(), (RandomCrop(),), 1.0)], Collate({}, model.backbone, tokenizer), 4, 0)
    seen = {some.batch.views is None: some.batch for some in mixture.step(0)}
    assert seen[True].size == seen[False].size == 2 and seen[True].target.said is not None
    for blind, batch in seen.items():
        model.zero_grad()
        loss, rows = NextToken()(model(batch, model.draw(batch, torch.Generator())), batch, {})["next_token"]
        loss.backward()
        assert rows == batch.target.scored.sum() and model.backbone.language.embed_tokens.weight.grad.abs().sum() > 0
        assert all((weights.grad is None) == blind for weights in model.backbone.projector.parameters())


def test_of_recorded_talk_short_answers_points_and_boxes_are_scored(written):
    """The first question of each conversation, in the group of its file; a said point counts near a recorded one."""
    source = written(
        record("What is it?", "A square.", "And?", "Nothing."),
        record("Describe the picture.", "There is a small white square on a black ground."),
        record("Where exactly?", "It stands at [0.700, 0.150, 0.800, 0.350] beside nothing else."),
        record("Where in pixels?", "[(90, 15)]"),
        record("Box in pixels?", "[84, 9, 96, 21]"),
        record("Where?", "[(0.750, 0.250)]"),
        record("Box?", "[0.700, 0.150, 0.800, 0.350]"),
        record("Who are you?", "A model.", image=None),
    ).open()
    asked = ask(Entry(source, np.arange(len(source)), QuestionAnswer(), (), 1.0), 10)
    assert [(one.question.text, one.question.form, one.question.group) for one in asked] == [
        ("What is it?", "words", "mix"),
        ("Where in pixels?", "words", "mix"),
        ("Where?", "point", "mix"),
        ("Box?", "box", "mix"),
    ], "numbers that are no shares are words, a place among words is no place alone"
    words, _, point, box = (one.question for one in asked)
    assert Answered(words, "a square.").score == 1 and Answered(words, "white").score == 0
    assert [Answered(point, said).score for said in ("[(0.78, 0.27)]", "[(0.75, 0.32)]", "[(0.75, 0.25), (0.1, 0.1)]")] == [1, 0, 0.5]
    assert Answered(box, "[0.7, 0.15, 0.8, 0.3]").iou == pytest.approx(0.75, abs=0.01)
    assert asks(QuestionAnswer()) and not asks(SceneGrounding())


def test_places_in_the_texts_follow_crops_or_the_sample_is_left_out(written):
    x, y = SPOT[0] / WIDTH, SPOT[1] / HEIGHT
    box = f"[{x - 0.03:.3f}, {y - 0.06:.3f}, {x + 0.03:.3f}, {y + 0.06:.3f}]"
    source = written(record("What is at [(0.75, 0.25)]?", box)).open()
    said = lost = 0
    for seed in range(40):
        sample = RandomCrop(0.5)(source.sample(0, Needs()), np.random.default_rng(seed))
        example = QuestionAnswer()(sample, np.random.default_rng(0))
        shown = realise(sample.views[0]).image
        if example is None:
            lost += 1
            assert shown.max() < 255 or (shown > 200).all(-1).sum() < 25
            continue
        said += 1
        for point in (points_in(example.prompt)[0], box_in(example.target).reshape(2, 2).mean(0)):
            column, row = np.minimum(point * (shown.shape[1], shown.shape[0]), (shown.shape[1] - 1, shown.shape[0] - 1)).astype(int)
            assert shown[row, column].min() > 100
    assert said > 5 and lost > 5


def test_shares_of_the_padded_square_become_shares_of_the_picture(written):
    """A picture twice as wide as high lies in the middle half of its square."""
    square = written(record("Where?", f"[({SPOT[0] / WIDTH:.3f}, {(SPOT[1] + 30) / WIDTH:.3f})]"), coordinates="square").open()
    assert np.abs(points_in(square.sample(0, Needs()).answer)[0] - [0.75, 0.25]).max() < 0.002
    bar = written(record("Where?", "[(0.5, 0.1)]"), coordinates="square").open()
    assert QuestionAnswer()(bar.sample(0, Needs()), np.random.default_rng(0)) is None, "a place on the bars is in no picture"


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (record("only a question"), "1 turns"),
        (record("q", "a", image=["a.png", "b.png"]), "expected one path"),
        ({"id": 7, "image": "pictures/a.png"}, "lacks 'conversations'"),
        (record("", "a"), "empty"),
        (record("q", "a", conversations=[{"from": "gpt", "value": "a"}, {"from": "human", "value": "q"}]), "human to gpt"),
        (record("q", "a", conversations=[{"from": "human"}, {"from": "gpt", "value": "a"}]), "lacks 'value'"),
        (record("q", "a", conversations="no list"), "mix.json, record 1"),
        ("no record", "record 1: it is 'no record', expected a record with"),
        (record("<image>\nq", "a", image=None), "holds <image> but there is no picture"),
        ({"id": 3, "images": ["a.png"], "conversations": talk("<image>\nq", "a")}, "by the key `image`"),
        (record("q", "a", image="pictures/torn.png"), "torn.png"),
        (record("q", "a", image="pictures/gone.png"), "gone.png"),
    ],
)
def test_bad_records_are_named_and_training_goes_on_without_them(written, bad, message):
    source = written(record("what ?", "a square"), bad).open()
    with pytest.raises(DataError, match=message):
        source.sample(1, Needs())
    mixture = Mixture([Entry(source, np.arange(len(source)), QuestionAnswer(), (), 1.0)], lambda examples, indices: examples, 4, 0)
    for step in range(3):
        assert all(example.target == "a square" for micro in mixture.step(step) for example in micro.batch)
    (fault,) = mixture.bad.values()
    assert message in fault and ("record 1" in fault or ".png" in fault)


def test_files_that_are_no_conversations_are_refused(written, tmp_path):
    with pytest.raises(ConfigError, match="annotations"):
        Llava((), ".")
    with pytest.raises(ConfigError, match="coordinates"):
        written(coordinates="pixels")
    with pytest.raises(DataError, match="no question about a picture"):
        written(record("q", "a", image=None)).open()
    with pytest.raises(DataError, match="no question about a picture; .*1 turns"):
        written(record("q")).open()
    for content in ('{"images": []}', "not json"):
        (tmp_path / "other.json").write_text(content)
        with pytest.raises(DataError, match=r"other\.json"):
            Llava((str(tmp_path / "other.json"),), str(tmp_path)).open()


def test_a_sample_without_question_has_nothing_to_say(tabletop_source):
    assert QuestionAnswer()(tabletop_source.sample(0, Needs()), np.random.default_rng(0)) is None
