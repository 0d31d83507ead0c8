"""GroundingDINO as the library has it, at random weights; boxes that jump are left out."""

import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from transformers import (
    BertTokenizerFast,
    GroundingDinoConfig,
    GroundingDinoForObjectDetection,
    GroundingDinoImageProcessor,
    GroundingDinoProcessor,
)

from praxia.annotate.hands import HandRules, Looks, annotate_hands, detect
from praxia.annotate.hands.detect import GroundingDino, iou, steady
from praxia.data.hand_clips import RecordedClips
from praxia.data.hand_clips.clip import Clip
from praxia.data.hand_clips.tables import CLIPS, QUESTIONS
from praxia.data.lerobot.meta import read_parquet
from praxia.errors import CheckpointError, ConfigError, DataError
from praxia.geometry.hands import HandPair
from praxia.geometry.scene import View
from praxia.workflows.annotate_hands import annotate


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dino")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "?", "red", "mug", "blue", "can"]
    text = {
        "vocab_size": len(words),
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "model_type": "bert",
    }
    vision = {
        "model_type": "swin", "image_size": 64, "embed_dim": 8, "depths": [1, 1, 1, 1], "num_heads": [1, 1, 2, 2], "window_size": 4,
        "out_features": ["stage2", "stage3", "stage4"],
    }  # fmt: skip
    config = GroundingDinoConfig(
        backbone_config=vision, text_config=text, d_model=32, encoder_layers=1, decoder_layers=2, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=32, decoder_ffn_dim=32, num_queries=10, max_text_len=32, num_feature_levels=4,
    )  # fmt: skip
    GroundingDinoForObjectDetection(config).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(words))
    tokenizer = BertTokenizerFast(vocab_file=str(folder / "vocab.txt"))
    size = {"shortest_edge": 128, "longest_edge": 128}
    GroundingDinoProcessor(GroundingDinoImageProcessor(size=size), tokenizer).save_pretrained(folder)
    return folder


def about(*objects):
    """A clip of these objects, of which nothing else is known."""
    nobody = HandPair(np.zeros((1, 2, 21, 3)), np.zeros((1, 2, 21)), np.zeros((1, 2), bool))
    return Clip("clip", "reach", "", nobody, np.eye(4)[None], np.zeros(1, int), 15.0, objects)


def test_boxes_of_names_lie_in_the_picture(checkpoint, monkeypatch):
    monkeypatch.setattr(detect, "BOX", 0.0)  # random weights are sure of nothing
    monkeypatch.setattr(detect, "TEXT", 0.0)
    rng = np.random.default_rng(0)
    views = [View("head", rng.integers(0, 255, (48, 64, 3), np.uint8))] * 2
    found = GroundingDino(str(checkpoint))(about("red mug", "blue can"), (0, 1), views)
    assert [set(f) for f in found] == [{"red mug", "blue can"}] * 2 and found[0] == found[1]
    for u0, v0, u1, v1 in found[0].values():
        assert -32.5 <= u0 < u1 <= 96 and -24.5 <= v0 < v1 <= 72


def test_what_is_not_sure_is_not_found(checkpoint, monkeypatch):
    monkeypatch.setattr(detect, "BOX", 1.1)
    assert GroundingDino(str(checkpoint))(about("red mug"), (0,), [View("head", np.zeros((48, 64, 3), np.uint8))]) == [{}]
    with pytest.raises(CheckpointError, match="grounding-dino-tiny"):
        GroundingDino(str(checkpoint / "nowhere"))


def test_a_box_that_jumps_is_left_out():
    at = lambda u: (u, 0.0, u + 10.0, 10.0)  # noqa: E731
    frames = [{"mug": at(0)}, {"mug": at(1)}, {"mug": at(40)}, {"mug": at(3)}, {"can": at(0)}]
    assert [sorted(f) for f in steady(frames)] == [["mug"], ["mug"], [], ["mug"], ["can"]], "its neighbours are not left out with it"
    moved = [{"mug": at(u)} for u in (0, 40, 41, 42, 0, 43)]
    assert [bool(f) for f in steady(moved)] == [True, False, True, True, False, True], "twice in a row: it is there now"
    assert steady([{"mug": at(0)}, {"mug": at(40)}, {}, {"mug": at(80)}]) == [{"mug": at(0)}, {}, {}, {"mug": at(80)}], "unseen in between"
    assert iou(at(0), at(5)) == pytest.approx(1 / 3) and iou(at(0), at(20)) == 0


def test_the_engine_asks_the_detector_and_remembers_which(checkpoint, hand_clips, tmp_path, monkeypatch):
    monkeypatch.setattr(detect, "BOX", 0.0)
    monkeypatch.setattr(detect, "TEXT", 0.0)
    folder = shutil.copytree(checkpoint, tmp_path / "dino")
    clips, rules = RecordedClips(str(hand_clips)), HandRules(questions=8, motions=0)
    found = lambda: annotate_hands(clips, tmp_path / "out", rules, Looks(detector=str(folder)), workers=1)  # noqa: E731
    made = found()
    assert made.clips == 6 and sum(made.categories["hand_movement"].values()) > 0 and found() == made
    with_masks = annotate_hands(clips, tmp_path / "masks", rules, workers=1)
    assert made.rejections != with_masks.rejections, "boxes of random weights are elsewhere"
    (folder / "vocab.txt").write_text((folder / "vocab.txt").read_text() + "\nmore")
    with pytest.raises(DataError, match="other files of the detector"):
        found()


def test_given_boxes_do_what_masks_do(hand_clips, tmp_path):
    """The boxes that masks gave, written as a table, give the same answers; the sheet draws them; the table belongs to what was made."""
    rules = HandRules(questions=40, motions=0, mix=(0.5, 0.5, 0.0, 0.0))
    with_masks = annotate(hand_clips, tmp_path / "masks", rules, workers=1)
    rows = read_parquet(tmp_path / "masks" / QUESTIONS).to_pylist()
    side = max(RecordedClips(str(hand_clips)).open().size)
    assert rows and all(len(row["box"]) == 4 and min(row["box"]) >= -0.5 and max(row["box"]) <= side - 0.5 for row in rows)
    assert '<rect x="' in (tmp_path / "masks/sheet.html").read_text()
    source = RecordedClips(str(hand_clips)).open()
    boxes = []
    for number in range(len(source)):
        clip = source.clip(number)
        for step in map(int, clip.frames):
            mask = source.view(number, step, masks=True).mask
            for name, instance in zip(clip.objects, clip.instances, strict=True):
                if (mask == instance).any():
                    (top, bottom), (left, right) = ((i.min(), i.max() + 1) for i in np.nonzero(mask == instance))
                    corners = (left / mask.shape[1], top / mask.shape[0], right / mask.shape[1], bottom / mask.shape[0])
                    boxes.append((clip.name, step, name, *map(float, corners)))
    columns = ("clip", "step", "object", "x1", "y1", "x2", "y2")
    table = pa.table({name: [row[i] for row in boxes] for i, name in enumerate(columns)})
    pq.write_table(table, tmp_path / "boxes.parquet")
    given = annotate(hand_clips, tmp_path / "given", rules, boxes=str(tmp_path / "boxes.parquet"), workers=1)
    assert given.categories == with_masks.categories
    assert [(r["answer"], r["object"]) for r in read_parquet(tmp_path / "given" / QUESTIONS).to_pylist()] == [
        (r["answer"], r["object"]) for r in rows
    ]
    pq.write_table(table.slice(0, len(boxes) // 2), tmp_path / "boxes.parquet")
    with pytest.raises(DataError, match="other boxes"):
        annotate(hand_clips, tmp_path / "given", rules, boxes=str(tmp_path / "boxes.parquet"), workers=1)
    half = annotate(hand_clips, tmp_path / "half", rules, boxes=str(tmp_path / "boxes.parquet"), workers=1)
    assert sum(half.categories["spatial_relationship"].values()) < sum(given.categories["spatial_relationship"].values())
    assert len(read_parquet(tmp_path / "half" / CLIPS)) == 6


def test_boxes_that_are_none_are_refused_before_anything_is_looked_at(hand_clips, tmp_path):
    good = {"clip": ["a"], "step": [0], "object": ["mug"], "x1": [0.1], "y1": [0.1], "x2": [0.3], "y2": [0.4]}
    path = tmp_path / "boxes.parquet"

    def refused(match, error=DataError, **options):
        with pytest.raises(error, match=match):
            annotate(hand_clips, tmp_path / "out", HandRules(), boxes=str(path), **options)

    refused("cannot read boxes")
    twice = {name: values * 2 for name, values in good.items()}
    for table, match in (
        (good | {"x2": [0.05]}, "row 0.*x1 < x2"),
        (good | {"y2": [40.0]}, "shares of the picture"),
        (good | {"x1": [float("nan")]}, "row 0"),
        (good | {"step": [-5]}, "row 0: -5; expected a step from 0 on"),
        (good | {"step": [1.7]}, "column 'step' is double.*expected whole numbers"),
        (good | {"step": ["first"]}, "column 'step' is string.*expected whole numbers"),
        (good | {"x1": ["a"]}, "column 'x1' is string.*expected numbers"),
        (good | {"clip": pa.array([None], pa.string())}, "column 'clip' .*1 empty cells"),
        (good | {"clip": [7]}, "column 'clip' is int64.*expected text"),
        (good | {"object": [""]}, "object ''"),
        (twice, "row 1: object 'mug' in step 0 of clip 'a'; expected a name, once a step"),
        ({name: pa.array(values).slice(0, 0) for name, values in good.items()}, "has no row"),
        ({name: values for name, values in good.items() if name != "step"}, "lack column 'step'"),
        (good, "clips such as 'a', but there are 'hands/"),
    ):
        pq.write_table(pa.table(table), path)
        refused(match)
    refused("leave one out", ConfigError, detector="IDEA-Research/grounding-dino-tiny")
    assert not (tmp_path / "out").exists()
