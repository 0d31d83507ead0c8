"""GroundingDINO as the library has it, at random weights; boxes that jump are left out."""

import shutil

import numpy as np
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
from praxia.errors import CheckpointError, DataError
from praxia.geometry.scene import View


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


def test_boxes_of_names_lie_in_the_picture(checkpoint, monkeypatch):
    monkeypatch.setattr(detect, "BOX", 0.0)  # random weights are sure of nothing
    monkeypatch.setattr(detect, "TEXT", 0.0)
    rng = np.random.default_rng(0)
    views = [View("head", rng.integers(0, 255, (48, 64, 3), np.uint8))] * 2
    found = GroundingDino(str(checkpoint))(views, ("red mug", "blue can"))
    assert [set(f) for f in found] == [{"red mug", "blue can"}] * 2 and found[0] == found[1]
    for u0, v0, u1, v1 in found[0].values():
        assert -32.5 <= u0 < u1 <= 96 and -24.5 <= v0 < v1 <= 72


def test_what_is_not_sure_is_not_found(checkpoint, monkeypatch):
    monkeypatch.setattr(detect, "BOX", 1.1)
    assert GroundingDino(str(checkpoint))([View("head", np.zeros((48, 64, 3), np.uint8))], ("red mug",)) == [{}]
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
