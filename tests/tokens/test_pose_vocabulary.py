"""Poses as tokens: the published vocabulary, what is lost by writing a pose down, and what comes back from a text."""

import numpy as np
import pytest

from praxia.errors import ConfigError, DataError
from praxia.geometry.rotations import angle_between, euler_to_matrix, matrix_to_euler
from praxia.registry import from_json, to_json
from praxia.tokens.bins import Bins, quantile_bins
from praxia.tokens.pose_vocabulary import NO_OBJECT, PoseTokens, PoseVocabulary
from praxia.tokens.quantity import Quantity, quantity


def rooms(rng, n=20_000):
    """Translations and sizes as indoor scenes have them."""
    places = np.concatenate([rng.normal(0, 0.6, (n, 2)), rng.gamma(4, 0.4, (n, 1)) + 0.2], axis=1)
    return {"translation": places, "extent": rng.lognormal(-1.5, 0.8, (n, 3))}


def fitted(spec: PoseVocabulary, values=None) -> PoseTokens:
    values = values or rooms(np.random.default_rng(0))
    return spec.fitted(values, {kind: np.ones(len(rows)) for kind, rows in values.items()})


@pytest.fixture(scope="module")
def published() -> PoseTokens:
    return fitted(PoseVocabulary())


def test_the_published_vocabulary_adds_6511_tokens():
    tokens = PoseVocabulary().tokens
    assert len(tokens) == len(set(tokens)) == 6511
    assert {"<transXY0000>", "<transXY2047>", "<transZ2047>", "<size2047>", "<rot000>", "<rot359>", "<image0>", "</image2>", NO_OBJECT} <= set(tokens)


def test_a_pose_comes_back_within_two_millimetres_and_six_tenths_of_a_degree(published):
    rng = np.random.default_rng(1)
    points = rooms(rng, 2000)["translation"]
    errors, turns = [], []
    for point in points[points[:, 2] < 1.5][:500]:
        R = np.linalg.qr(rng.normal(size=(3, 3)))[0]
        R *= np.sign(np.linalg.det(R))
        text = published.text(("red cup", quantity("translation", point), quantity("rotation", matrix_to_euler(R)), ";"))
        back = published.numbers(text)
        errors.append(np.abs(back["translation"][0] - point))
        turns.append(np.degrees(angle_between(euler_to_matrix(back["rotation"][0]), R)))
    assert np.median(errors) <= 0.002
    assert np.median(np.linalg.norm(errors, axis=1)) <= 0.002
    assert np.median(turns) <= 0.6


def test_shared_lists_and_the_published_orders(published):
    places = Quantity("location", (0.0, 1.5, 0.5, 0.25))
    text = published.text((Quantity("translation", (0.3, 0.3, 1.0)), Quantity("extent", (0.1, 0.2, 0.4)), places))
    x, y, z = text.split("<")[1:4]
    assert x == y and x.startswith("transXY") and z.startswith("transZ")
    back = published.numbers(text)
    np.testing.assert_allclose(back["extent"][0], (0.1, 0.2, 0.4), atol=2e-3)
    first_size = next(t for t in text.split("<") if t.startswith("size"))
    assert published.size.decode(int(first_size[4:-1])) == pytest.approx(0.4, abs=2e-3)  # width is the side along z
    assert "<loc0000><loc1023><loc0511><loc0255>" in text
    y_first = fitted(PoseVocabulary(first="y"))
    said = y_first.text((places,))
    assert said == "<loc1023><loc0000><loc0255><loc0511>"
    np.testing.assert_allclose(y_first.numbers(said)["location"], published.numbers(text)["location"])


def test_a_view_without_delimiters_is_not_written_as_letters(published):
    assert published.text(("<image2>", " mug", "</image2>")) == "<image2> mug</image2>"
    with pytest.raises(ConfigError, match=r"section of view 3, counted from 0, and PoseVocabulary.views is 3; set it to the number of views"):
        published.text(("<image3>", " mug", "</image3>"))


def test_incomplete_groups_are_left_out_and_unused_tokens_are_the_last_bin(published):
    back = published.numbers("cup<loc0001><loc0002><loc0003><transXY0000><transXY0001><size0001>")
    assert back["location"].shape == (1, 2) and back["translation"].shape == (0, 3) and back["extent"].shape == (0, 3)
    few = fitted(PoseVocabulary(xy=64, z=64), {"translation": np.linspace(0, 0.01, 50)[:, None].repeat(3, 1)})
    assert few.xy.count <= 10
    assert few.numbers("<transXY0063><transXY0000><transZ0063>")["translation"][0, 0] == pytest.approx(few.xy.decode(few.xy.count - 1))


def test_a_fitted_vocabulary_is_kept_as_json(published):
    assert from_json(to_json(published), PoseTokens) == published


def test_bins_hold_equal_shares_none_is_too_narrow_and_the_ends_are_clipped():
    values = np.random.default_rng(0).normal(size=100_000)
    bins = quantile_bins(values, 50, least=1e-6)
    assert bins.count == 50
    np.testing.assert_allclose(np.bincount(bins.encode(values), minlength=50) / len(values), 0.02, atol=2e-3)
    assert np.diff(quantile_bins(values, 50, least=0.1).edges).min() >= 0.1 - 1e-12
    assert list(bins.encode(np.array([-99.0, 99.0]))) == [0, 49]
    doubled = quantile_bins(np.repeat([0.0, 1.0], 50_000) + values / 100, 10, 1e-6, np.repeat([1.0, 3.0], 50_000))
    assert np.isclose((np.asarray(doubled.edges) < 0.5).sum(), 3, atol=1)  # a quarter of the weight, a quarter of the edges


def test_faults_are_named():
    with pytest.raises(DataError, match="fitted on 0 values"):
        quantile_bins(np.array([]), 5, 0.1)
    with pytest.raises(ConfigError, match="no supervision says any; add ObjectPoses or Waypoints"):
        PoseVocabulary().fitted({}, {})
    with pytest.raises(ConfigError, match="rotation is 0"):
        PoseVocabulary(rotation=0)
    with pytest.raises(ConfigError, match="unknown quantity of the pose vocabulary 'extend'; did you mean 'extent'"):
        PoseTokens(PoseVocabulary(), *(Bins((0.0, 1.0)),) * 3).text((Quantity("extend", (1.0,)),))
