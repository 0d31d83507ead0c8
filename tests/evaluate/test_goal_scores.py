"""Masks of the target and nearness of features: what is perfect scores fully, what does not look does not."""

import pytest
import torch
import torch.nn.functional as F

from praxia.evaluate.alignment import Alignment, Mean
from praxia.evaluate.target_masks import LEAST, SIDE, mask_scores, usual_mask


def squares(*sides_and_places):
    masks = torch.zeros(len(sides_and_places), 1, SIDE, SIDE, dtype=torch.bool)
    for mask, (side, row, column) in zip(masks, sides_and_places, strict=True):
        mask[0, row : row + side, column : column + side] = True
    return masks


def test_overlap_counts_where_the_target_shows_and_silence_where_it_does_not():
    truth = squares((8, 0, 0), (8, 0, 0), (3, 0, 0), (0, 0, 0), (0, 0, 0), (8, 0, 0))
    said = squares((8, 0, 0), (8, 0, 4), (0, 0, 0), (3, 5, 5), (8, 5, 5), (0, 0, 0))
    known = torch.tensor([[True]] * 5 + [[False]])
    scores = mask_scores(("head",), said, truth, known)
    # the second overlaps on 8 x 4 of 8 x 12 pixels; the third shows 9 pixels, too few either way; the last is not known
    expected = {"seen": 2, "out_of_sight": 2, "iou": (1 + 1 / 3) / 2, "iou_50": 0.5, "silent": 0.5 if LEAST > 9 else 0, "empty": 0}
    assert scores == pytest.approx({f"head/{name}": value for name, value in expected.items()})


def test_scores_of_what_nobody_can_say_are_left_out():
    nothing = squares((0, 0, 0))
    assert mask_scores(("head",), nothing, nothing, torch.tensor([[False]])) == {"head/seen": 0, "head/out_of_sight": 0}


def test_the_usual_mask_is_right_where_all_are_alike_and_poor_where_they_are_spread():
    known = torch.ones(30, 1, dtype=torch.bool)
    alike, spread = squares(*[(10, 20, 20)] * 30), squares(*[(10, i, 53 - i) for i in range(30)])
    for truth, least, most in ((alike, 1.0, 1.0), (spread, 0.05, 0.5)):
        usual = usual_mask(truth, known)
        assert usual.shape == (1, SIDE, SIDE)
        assert least <= mask_scores(("head",), usual.expand_as(truth), truth, known)["head/iou"] <= most
    assert not usual_mask(squares((0, 0, 0)), torch.tensor([[True]])).any()


def test_alignment_beyond_the_mean_is_what_a_mean_feature_does_not_have():
    generator = torch.Generator().manual_seed(0)
    common = 3 * torch.randn(2, 5, 8, generator=generator)
    target = common + torch.randn(40, 2, 5, 8, generator=generator)
    valid = torch.ones(40, 2, dtype=torch.bool)
    valid[:, 1] = torch.arange(40) < 10
    target[10:, 1] = torch.nan_to_num(torch.tensor(7.0))  # what is not there counts for nothing
    mean = Mean()
    mean.add(target[:20], valid[:20])
    mean.add(target[20:], valid[20:])
    assert torch.allclose(mean.value[0], F.normalize(target[:, 0], dim=-1).mean(0)) and torch.allclose(
        mean.value[1], F.normalize(target[:10, 1], dim=-1).mean(0)
    )

    def scores(student):
        alignment = Alignment(mean.value)
        alignment.add(student[:25], target[:25], valid[:25])
        alignment.add(student[25:], target[25:], valid[25:])
        return alignment.scores(("head", "wrist"))

    perfect, blind = scores(5 * target), scores(mean.value.expand_as(target))
    assert perfect["head/cosine"] == pytest.approx(1) and perfect["wrist/centred_cosine"] == pytest.approx(1)
    assert perfect["head/blind_cosine"] == pytest.approx(blind["head/cosine"]) and blind["head/cosine"] > 0.8
    assert perfect["head/blind_centred_cosine"] == pytest.approx(blind["head/centred_cosine"])
    assert abs(blind["head/centred_cosine"]) < 0.2, "it is common to all pictures"
    half = scores(F.normalize(target, dim=-1) + 0.3 * torch.randn(target.shape, generator=generator))
    assert blind["head/centred_cosine"] < half["head/centred_cosine"] < 1
