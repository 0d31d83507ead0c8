"""Each loss against an independent formula, its weight, and what must not count."""

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from praxia.data.batch import Batch, Chunk, Tokens, ViewBatch
from praxia.data.pixels import canvas_transform
from praxia.errors import ConfigError
from praxia.models.geometry_nets.geometry_net import GeometryFeatures
from praxia.models.heads.head import chunk_validity
from praxia.models.states import HeadOutput, Outputs, VisualTokens
from praxia.objectives import (
    FlowMatching,
    GeometryAlignment,
    Grounding,
    GuidedAttention,
    L1Chunk,
    LatentAlignment,
    NextToken,
    PositionRegression,
    TargetMask,
)  # fmt: skip
from praxia.objectives.geometry_alignment import on_grid
from praxia.objectives.next_token import bell, decimals, digit_shares
from praxia.specs import ImageSpec

SIDE, STORED = 16, (12, 20)
B, V = 2, 2


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    views = ViewBatch(
        roles=("head", "wrist"),
        images=tuple(torch.zeros(B, *STORED, 3, dtype=torch.uint8) for _ in range(V)),
        affine=torch.eye(2, 3).expand(B, V, 2, 3),
        size=torch.tensor(STORED).float().expand(B, V, 2),
        valid=torch.tensor([[True, True], [True, False]]),
        K=torch.full((B, V, 3, 3), torch.nan),
        T_base_cam=torch.full((B, V, 4, 4), torch.nan),
        time=torch.zeros(B, V),
    )
    valid = torch.tensor([[True, True, True], [True, False, False]])
    future = Chunk(torch.zeros(B, 3, 1), torch.randn(B, 3, 4, generator=generator), valid)
    return Batch(B, views=views, future=future, action_dims=torch.tensor([[True] * 4, [True, True, False, False]]))


def visual(side: int = SIDE, fit: str = "letterbox", grid: tuple[int, int] = (4, 4)) -> VisualTokens:
    nothing = torch.zeros(0)
    return VisualTokens(nothing, nothing, grid, nothing, grid, image_spec=ImageSpec(side, fit))


def heads(batch: Batch) -> Outputs:
    prediction = torch.randn(B, 2, 3, 4, generator=torch.Generator().manual_seed(1))
    return Outputs(heads={"action": HeadOutput(prediction, batch.future.actions[:, None], chunk_validity(batch))})


@pytest.mark.parametrize(("objective", "power"), [(L1Chunk(), 1), (FlowMatching(), 2)])
def test_chunk_losses_count_valid_steps_and_dims_once_for_each_draw(batch, objective, power):
    outputs = heads(batch)
    ((name, (total, weight)),) = objective(outputs, batch, {}).items()
    out = outputs.heads["action"]
    expected = [
        (out.prediction[b, k, t, a] - out.target[b, 0, t, a]).abs() ** power
        for b, steps, dims in ((0, 3, 4), (1, 1, 2))
        for k in range(2)
        for t in range(steps)
        for a in range(dims)
    ]
    torch.testing.assert_close(total, torch.stack(expected).sum())
    assert weight == len(expected) == 2 * objective.count(batch)[name]


def test_small_errors_of_a_smooth_chunk_pull_in_proportion_and_large_ones_as_published(batch):
    error = torch.tensor([0.1, -0.3, 2.0])
    prediction = batch.future.actions[:, None].clone()
    prediction[0, 0, 0, :3] += error
    outputs = Outputs(heads={"action": HeadOutput(prediction, batch.future.actions[:, None], chunk_validity(batch))})
    total, _ = L1Chunk(smooth=0.5)(outputs, batch, {})["l1_chunk"]
    torch.testing.assert_close(total, torch.tensor(0.1**2 + 0.3**2 + 2.0 - 0.25))
    with pytest.raises(ConfigError, match=r"L1Chunk\.smooth is -1"):
        L1Chunk(smooth=-1)


def test_a_mean_over_samples_counts_a_robot_of_two_numbers_as_much_as_one_of_four(batch):
    """Action Priors, D8."""
    outputs = heads(batch)
    error = (outputs.heads["action"].prediction - outputs.heads["action"].target).square()
    alike = FlowMatching(mean="samples")
    ((name, (total, weight)),) = alike(outputs, batch, {}).items()
    torch.testing.assert_close(total, error[0].mean() + error[1, :, :1, :2].mean())
    assert weight == 2 == alike.count(batch)[name]
    plain, count = FlowMatching()(outputs, batch, {})[name]
    assert not torch.allclose(total / weight, plain / count)
    gone = replace(batch, future=replace(batch.future, valid=batch.future.valid & torch.tensor([[True], [False]])))
    out = replace(outputs.heads["action"], valid=chunk_validity(gone))
    alone, one = alike(Outputs(heads={"action": out}), gone, {})[name]
    torch.testing.assert_close(alone, error[0].mean())
    assert one == 1 == alike.count(gone)[name]


def test_what_is_not_valid_does_not_count(batch):
    outputs = heads(batch)
    wild = outputs.heads["action"].prediction.clone()
    wild[1, :, 1:] = 1e6
    wild[1, :, :, 2:] = -1e6
    other = Outputs(heads={"action": replace(outputs.heads["action"], prediction=wild)})
    for objective in (L1Chunk(), FlowMatching()):
        assert objective(outputs, batch, {}) == objective(other, batch, {})
    padding = FlowMatching(over="all")  # dims that a robot lacks count, steps past the end of its episode do not
    late, wide = outputs.heads["action"].prediction.clone(), outputs.heads["action"].prediction.clone()
    late[1, :, 1:], wide[1, :, :1, 2:] = 1e6, 1e6
    (total, weight), (after, same), (wider, _) = (
        padding(Outputs(heads={"action": replace(outputs.heads["action"], prediction=p)}), batch, {})["flow_matching"]
        for p in (outputs.heads["action"].prediction, late, wide)
    )
    assert after == total and same == weight == 2 * 4 * (3 + 1) == 2 * padding.count(batch)["flow_matching"] and wider > 1e6


def test_latent_alignment_is_two_minus_two_cosines_and_moves_the_student_only(batch):
    student, teacher = (F.normalize(torch.randn(B, 8, generator=torch.Generator().manual_seed(i)), dim=1).requires_grad_() for i in (1, 2))
    total, weight = LatentAlignment()(Outputs(latents={"predicted": student, "encoded": teacher}), batch, {})["latent_alignment"]
    torch.testing.assert_close(total, (2 - 2 * F.cosine_similarity(student, teacher)).sum())
    assert weight == 2
    total.backward()
    assert student.grad is not None and teacher.grad is None
    with pytest.raises(ConfigError, match="encoded"):
        LatentAlignment()(Outputs(latents={"predicted": student}), batch, {})


def test_position_regression_is_the_smooth_l1_of_valid_positions(batch):
    truth, said = torch.randn(B, 3, 3), torch.randn(B, 3, 3)
    valid = torch.tensor([[True, False, True], [False, False, True]])
    seen = replace(batch, dense={"positions": truth, "positions_valid": valid})
    total, weight = PositionRegression(beta=0.3)(Outputs(readouts={"positions": said}), seen, {})["positions"]
    gap = (truth - said).abs()[valid]
    expected = torch.where(gap < 0.3, gap**2 / 0.6, gap - 0.15)
    torch.testing.assert_close(total, expected.sum())
    assert weight == expected.numel() == PositionRegression().count(seen)["positions"]
    assert PositionRegression().count(batch) == {}
    with pytest.raises(ConfigError, match="readout 'positions'"):
        PositionRegression()(Outputs(), seen, {})
    with pytest.raises(ConfigError, match="dense"):
        PositionRegression()(Outputs(readouts={"positions": said}), batch, {})


@pytest.fixture
def masked(batch) -> Batch:
    masks = torch.zeros(B, V, *STORED, dtype=torch.uint8)
    masks[0, 0, 3:9, 5:15] = 1
    masks[1, 0, 0:4, 0:4] = 7  # any instance id
    return replace(batch, dense={"target_mask": masks, "target_mask_valid": torch.ones(B, V, dtype=torch.bool)})


def mask_losses(batch: Batch, logits: torch.Tensor, side: int = SIDE):
    return TargetMask()(Outputs(visual=visual(side), readouts={"target_mask": logits}), batch, {})


def test_mask_losses_agree_with_independent_formulas(masked):
    logits = torch.randn(B, V, 20, 20, generator=torch.Generator().manual_seed(0))
    losses = mask_losses(masked, logits, side=20)  # a square as wide as the pictures: 4 rows of bar above and below
    truth = F.pad((masked.dense["target_mask"] > 0).double(), (0, 0, 4, 4))
    p = logits.double().sigmoid()
    focal = -(0.25 * truth * (1 - p) ** 2 * p.log() + 0.75 * (1 - truth) * p**2 * (1 - p).log())
    seen = masked.views.valid
    torch.testing.assert_close(losses["target_focal"][0].double(), focal.mean((2, 3))[seen].sum(), rtol=1e-5, atol=0)
    share = p / p.sum((2, 3), keepdim=True)
    expected = sum(
        F.kl_div(share[b, v].log(), truth[b, v] / truth[b, v].sum(), reduction="sum") for b, v in ((0, 0), (1, 0))
    )  # the other views have no target
    torch.testing.assert_close(losses["target_kld"][0].double(), expected, rtol=1e-5, atol=1e-8)
    assert losses["target_focal"][1] == losses["target_kld"][1] == 3 == TargetMask().count(masked)["target_focal"]


def test_mask_losses_vanish_for_the_right_mask_at_any_resolution(masked):
    for side in (20, 40):
        truth = F.interpolate(F.pad((masked.dense["target_mask"] > 0).float(), (0, 0, 4, 4)), (side, side))
        focal, kld = (total / weight for total, weight in mask_losses(masked, 40 * truth - 20, side).values())
        assert focal < 1e-6 and 0 <= kld < 1e-3
        wrong, far = (total / weight for total, weight in mask_losses(masked, 20 - 40 * truth, side).values())
        assert wrong > 0.1 and far > 1


def linear_features(side: int, grid: int, fit: str, size: torch.Tensor) -> GeometryFeatures:
    """Features that are the picture coordinates of their own patch centres: any right resampling reads coordinates back."""
    transform = canvas_transform(size.flatten(0, 1), ImageSpec(side, fit)).unflatten(0, size.shape[:2])
    centre = (torch.arange(grid, dtype=torch.float64) + 0.5) * side / grid - 0.5
    at = torch.stack([centre.expand(grid, -1), centre[:, None].expand(-1, grid)], dim=-1)
    scale, shift = transform[..., :2].diagonal(dim1=-2, dim2=-1), transform[..., 2]
    pictures = (at - shift[..., None, None, :]) / scale[..., None, None, :]
    return GeometryFeatures(pictures.float(), torch.zeros(B, V, 0, 2), transform, side)


@pytest.mark.parametrize("student", ["letterbox", "stretch"])
@pytest.mark.parametrize("teacher", ["letterbox", "stretch"])
def test_teacher_features_land_where_the_student_s_tokens_look(batch, student, teacher):
    size = batch.views.size
    sampled = on_grid(linear_features(60, 30, teacher, size), size, ImageSpec(SIDE, student), (4, 4)).unflatten(2, (4, 4))
    expected = linear_features(SIDE, 4, student, size).patches
    inside = ((expected > 1) & (expected < torch.tensor([18.0, 10.0]))).all(-1)  # away from the teacher's border
    assert inside.sum() >= 16
    torch.testing.assert_close(sampled[inside], expected[inside], rtol=0, atol=1e-3)


class Teacher:
    def __init__(self, features: GeometryFeatures):
        self.given = features

    def features(self, batch: Batch) -> GeometryFeatures:
        return self.given


def test_alignment_is_zero_for_the_target_itself_and_two_for_its_opposite(batch):
    size = batch.views.size
    base = linear_features(SIDE, 4, "letterbox", size)
    features = replace(base, patches=torch.randn(B, V, 4, 4, 8, generator=torch.Generator().manual_seed(0)))
    objective = GeometryAlignment(position_scale=0.0)
    teachers = {"geometry": Teacher(features)}
    for sign, expected in ((1, 0.0), (-1, 2.0)):
        outputs = Outputs(visual=visual(), readouts={"geometry": sign * features.patches.flatten(2, 3)})
        total, weight = objective(outputs, batch, teachers)["geometry_alignment"]
        assert weight == 3 * 16
        assert total / weight == pytest.approx(expected, abs=1e-5)
    wide = Outputs(visual=visual(), readouts={"geometry": torch.zeros(B, V, 16, 9)})
    with pytest.raises(ConfigError, match="8 channels"):
        objective(wide, batch, teachers)
    with pytest.raises(ConfigError, match="teacher"):
        objective(wide, batch, {})


# A 12 x 20 picture on a 16 px square: scale 0.8, bars of 3 px above and below; a 4 x 4 grid has tokens of 4 px.
PIXELS = {(0.0, 0.0): (0, 0), (19.0, 11.0): (3, 3), (9.0, 5.0): (1, 1), (10.0, 6.0): (2, 2)}  # (u, v) -> (column, row) of the token


def test_guided_attention_is_the_log_weight_on_the_token_that_covers_the_place(batch):
    weights = torch.rand(B, V, 4, 16, generator=torch.Generator().manual_seed(3)) / 32
    pixels = torch.tensor(list(PIXELS)).expand(B, 4, 2)
    valid = torch.tensor([[True] * 4, [True, False, True, True]])
    slot = torch.tensor([[1, 1, 0, 1], [0, 0, 0, 0]])
    seen = replace(batch, dense={"positions_pixel": pixels, "positions_valid": valid, "positions_slot": slot})
    outputs = Outputs(visual=visual(), readouts={"attention": weights})
    total, weight = GuidedAttention()(outputs, seen, {})["guided_attention"]
    tokens = [4 * row + column for column, row in PIXELS.values()]
    expected = [-(weights[b, slot[b, i], i, token] + 1e-6).log() for b in range(B) for i, token in enumerate(tokens) if valid[b, i]]
    assert weight == len(expected) == 7 == GuidedAttention().count(seen)["guided_attention"]
    torch.testing.assert_close(total, torch.stack(expected).sum())
    away = replace(seen, dense=seen.dense | {"positions_slot": torch.tensor([[-1] * 4, [0] * 4])})
    assert GuidedAttention()(outputs, away, {})["guided_attention"][1] == 3
    for nowhere in (pixels + 100, torch.full_like(pixels, torch.nan)):
        outside = replace(seen, dense=seen.dense | {"positions_pixel": nowhere})
        assert GuidedAttention()(outputs, outside, {})["guided_attention"][0] == 0
    assert GuidedAttention().count(batch) == {}


def test_a_register_for_each_place_or_an_error_that_names_both_numbers(batch):
    dense = {
        "positions": torch.zeros(B, 3, 3),
        "positions_pixel": torch.zeros(B, 3, 2),
        "positions_valid": torch.ones(B, 3, dtype=torch.bool),
        "positions_slot": torch.zeros(B, 3, dtype=torch.long),
    }
    outputs = Outputs(visual=visual(), readouts={"attention": torch.rand(B, V, 6, 16), "positions": torch.zeros(B, 6, 3)})
    with pytest.raises(ConfigError, match="reads 6 tokens, the samples have 3 places"):
        GuidedAttention()(outputs, replace(batch, dense=dense), {})
    with pytest.raises(ConfigError, match="predicts 6 positions, the samples have 3"):
        PositionRegression()(outputs, replace(batch, dense=dense), {})


def test_grounding_scores_the_words_and_the_place_of_every_thing_in_the_token_of_its_centre(batch):
    generator = torch.Generator().manual_seed(4)
    names = [[(7, 9), (9,)], [(5, 7), ()]]  # word ids of two things in each sample; the last slot is empty
    ids = torch.tensor([[[*n, 0, 0][:2] for n in row] for row in names])
    valid = torch.tensor([[[i < len(n) for i in range(2)] for n in row] for row in names])
    pixels = torch.tensor([[list(PIXELS)[:2], list(PIXELS)[2:]]] * 2)
    shown = torch.tensor([[[True, True], [True, False]], [[True, False], [True, False]]])  # view 1 of sample 1 is not there
    depth = 0.5 + torch.rand(B, V, 2, generator=generator)
    seen = replace(batch, phrases=Tokens(ids, valid), dense={"things_pixel": pixels, "things_depth": depth, "things_valid": shown})
    scores = torch.randn(B, V, 16, 3, generator=generator)  # words 5, 7, 9
    places = torch.randn(B, V, 16, 3, generator=generator)
    objective = Grounding(words=0.5, places=3.0, beta=0.2)
    losses = objective(Outputs(visual=visual(), readouts={"words": scores, "places": places}), seen, {})

    truth, errors = torch.zeros_like(scores), []
    for b in range(B):
        for v in range(V):
            for i in range(2):
                if not (shown[b, v, i] and batch.views.valid[b, v]):
                    continue
                (u, w), (column, row) = pixels[b, v, i].tolist(), PIXELS[tuple(pixels[b, v, i].tolist())]
                for word in names[b][i]:
                    truth[b, v, 4 * row + column, (5, 7, 9).index(word)] = 1
                right = torch.tensor([(0.8 * (u + 0.5)) / 4 - column - 0.5, (0.8 * (w + 0.5) + 3) / 4 - row - 0.5, depth[b, v, i].log()])
                errors.append(F.smooth_l1_loss(places[b, v, 4 * row + column], right, reduction="sum", beta=0.2))
    entropy = F.binary_cross_entropy_with_logits(scores, truth, reduction="none").sum(-1).mean(-1)[batch.views.valid]
    total, weight = losses["grounding_words"]
    assert weight == 3 == objective.count(seen)["grounding_words"]
    torch.testing.assert_close(total, 0.5 * entropy.sum())
    total, weight = losses["grounding_places"]
    assert weight == 3 * len(errors) == objective.count(seen)["grounding_places"]
    torch.testing.assert_close(total, 3.0 * torch.stack(errors).sum())
    assert objective.count(batch) == {}


SCALES = ((torch.tensor([4, 5, 6, 7]), False), (torch.tensor([9, 8]), False))  # ids in the order of their values; 0..3 are words


def answer(logits: torch.Tensor, ids: list[int]) -> tuple[Outputs, Batch]:
    """One answer whose rows give these logits [T, vocabulary]."""
    target = Tokens(torch.tensor([ids]), torch.ones(1, len(ids), dtype=torch.bool))
    return Outputs(target_hidden=logits[None], logits=lambda rows: rows, scales=SCALES), Batch(1, target=target)


def test_a_spread_target_is_a_bell_over_the_bins_of_its_scale():
    logits = torch.randn(4, 10, generator=torch.Generator().manual_seed(0))
    outputs, batch = answer(logits, [2, 5, 7, 8])
    ((_, (total, weight)),) = NextToken(spread=0.25)(outputs, batch, {}).items()
    log_p = logits.log_softmax(-1)
    expected = -log_p[0, 2]
    for row, ids, place in ((1, (4, 5, 6, 7), 1), (2, (4, 5, 6, 7), 3), (3, (9, 8), 1)):
        near = [abs(k - place) <= min(place, len(ids) - 1 - place) for k in range(len(ids))]
        shares = torch.tensor([math.exp(-(((k - place) / (0.25 * len(ids))) ** 2) / 2) if ok else 0.0 for k, ok in enumerate(near)])
        shares = shares / shares.sum()
        expected = expected + sum(q * (q.log() - log_p[row, i]) for q, i in zip(shares, ids, strict=True) if q)
    torch.testing.assert_close(total, expected)
    assert weight == 4


def test_the_median_of_every_bell_is_its_own_bin_also_at_the_ends():
    rank = torch.arange(64)
    shares = bell(rank, 64, 5.0)
    torch.testing.assert_close(shares.sum(1), torch.ones(64))
    assert torch.equal((shares.cumsum(1) < 0.5).sum(1), rank) and torch.equal(shares.argmax(1), rank)
    assert shares[0, 0] == shares[63, 63] == 1 and (shares[31, :63] > 0).all()
    turned = bell(rank, 64, 5.0, circle=True)
    torch.testing.assert_close(turned[5].roll(7), turned[12])


def test_on_a_circle_the_last_bin_is_the_first_ones_neighbour():
    near, far = (torch.zeros(1, 10).index_fill(1, torch.tensor([i]), 5.0) for i in (7, 6))
    for circle in (True, False):
        losses = []
        for row in (near, far):
            outputs, batch = answer(row, [4])
            losses.append(NextToken(0.2)(replace(outputs, scales=((SCALES[0][0], circle),)), batch, {})["next_token"][0])
        assert (losses[0] < losses[1]) == circle


DIGITS = torch.tensor([20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30])  # of 0 to 9 and the point


def _written(text: str) -> list[int]:
    return [20 + "0123456789.".index(char) if char in "0123456789." else 2 for char in text]


def test_decimals_are_found_where_a_number_has_exactly_three():
    number, place = decimals(torch.tensor([_written("(0.412, 0.70) 10.300 0.1234 0.999")]), DIGITS)
    assert place[0].tolist() == [0] * 3 + [1, 2, 3] + [0] * 24 + [1, 2, 3]
    assert number[0, 3:6].tolist() == [412] * 3 and number[0, -3:].tolist() == [999] * 3 and number.sum() == 3 * (412 + 999)
    for ids, digits in ((torch.tensor([[20, 30]]), DIGITS), (torch.tensor([_written("0.412")]), None)):
        assert not decimals(ids, digits)[1].any()


@pytest.mark.parametrize("number", [0, 3, 412, 500, 996, 999])
def test_digits_multiply_to_the_bell_around_their_number(number):
    shares = bell(torch.tensor([number]), 1000, 20.0)[0]
    hundreds, tens, ones = (digit_shares(torch.tensor([number]), place, 0.02)[0] for place in (1, 2, 3))
    first, second = number // 100, number // 10 % 10
    torch.testing.assert_close(hundreds, shares.view(10, 100).sum(1))
    torch.testing.assert_close(hundreds[first] * tens, shares.view(10, 10, 10)[first].sum(-1))
    torch.testing.assert_close(hundreds[first] * tens[second] * ones, shares.view(10, 10, 10)[first, second])


def test_a_digit_is_less_wrong_near_the_number_and_words_are_as_before():
    ids = _written("a 0.399")
    right = torch.zeros(len(ids), 31).scatter_(1, torch.tensor(ids)[:, None], 8.0)

    def loss(row: int, said: int, spread: float = 0.02) -> float:
        logits = right.clone()
        logits[row] = torch.zeros(31).index_fill(0, torch.tensor([said]), 8.0)
        outputs, batch = answer(logits, ids)
        return float(NextToken(spread)(replace(outputs, digits=DIGITS), batch, {})["next_token"][0])

    assert loss(4, 24) < loss(4, 22) < loss(4, 2), "0.4 is nearer to 0.399 than 0.2, and a word is no digit"
    assert abs(loss(0, 3, 1e-4) - loss(0, 3, 0.0)) < 1e-3, "a narrow bell is the digit itself"


def test_without_spread_every_other_bin_is_equally_wrong():
    near, far = (torch.zeros(1, 10).index_fill(1, torch.tensor([i]), 5.0) for i in (7, 4))
    losses = {spread: [NextToken(spread)(*answer(row, [6]), {})["next_token"][0] for row in (near, far)] for spread in (0.0, 0.25)}
    assert losses[0.0][0] == losses[0.0][1] and losses[0.25][0] < losses[0.25][1]
    tiny = NextToken(1e-3)(*answer(near, [6]), {})["next_token"][0]
    torch.testing.assert_close(tiny, losses[0.0][0])  # a narrow bell is the bin itself
    with pytest.raises(ConfigError, match=r"NextToken.spread is 0.5"):
        NextToken(0.5)
