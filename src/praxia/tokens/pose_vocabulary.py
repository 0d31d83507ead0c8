"""The pose vocabulary (Pose-VLA, arXiv 2602.19710): places in the picture, translations, sizes and rotations as tokens of one shared vocabulary.

Camera frame: x right, y down, z forward, metres. x and y share one list of tokens, z has its own (perspective shifts it), the three sides of a box
share one, the three Euler angles share one. The 1,024 location tokens are PaliGemma's own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import numpy as np

from praxia.errors import ConfigError, unknown
from praxia.registry import register
from praxia.tokens.bins import Bins, check_smoothing, quantile_bins
from praxia.tokens.locations import BINS, bin_shares, share_bins
from praxia.tokens.quantity import Parts, Quantity

LOCATIONS = BINS + 1  # PaliGemma's slots
NO_OBJECT = "<no_object>"
KINDS = ("location", "translation", "extent", "rotation")
_LEAST = 0.001  # metres: translations and sizes are not told apart more finely
_SECTION = re.compile(r"</?image(\d+)>")
_TOKEN = re.compile(r"<(loc|transXY|transZ|size|rot)(\d+)>")


@register("vocabulary/poses")
@dataclass(frozen=True)
class PoseVocabulary:
    """Number of tokens of each kind; the defaults are the published ones, 6,511 with delimiters of three views and the negative answer.

    first: which picture coordinate comes first, `x` as Pose-VLA, `y` as PaliGemma was trained.
    row_smoothing: 0 as published: the embeddings of new number tokens are drawn independently. Above 0 those of neighbouring bins begin alike, over
    this share of the bins of a kind: what is learnt of one number then holds for those near it (docs/log.md).
    said: which bin of a number an answer gets, the `likeliest` as published, or the `median` of its probability, which is nearer to the truth on
    average; angles always get the likeliest.
    """

    xy: int = 2048
    z: int = 2048
    size: int = 2048
    rotation: int = 360
    views: int = 3
    first: Literal["x", "y"] = "x"
    row_smoothing: float = 0.0
    said: Literal["likeliest", "median"] = "likeliest"

    def __post_init__(self) -> None:
        check_smoothing("PoseVocabulary", self.row_smoothing)
        for name in ("xy", "z", "size", "rotation", "views"):
            if getattr(self, name) < 1:
                raise ConfigError(f"PoseVocabulary.{name} is {getattr(self, name)}; expected at least 1")

    @property
    def tokens(self) -> tuple[str, ...]:
        """What is added to a tokenizer, in id order."""
        lists = [kind_names("transXY", self.xy), kind_names("transZ", self.z), kind_names("rot", self.rotation), kind_names("size", self.size)]
        delimiters = [f"<{slash}image{view}>" for view in range(self.views) for slash in ("", "/")]
        return (*(token for names in lists for token in names), *delimiters, NO_OBJECT)

    def fitted(self, values: Mapping[str, np.ndarray], weights: Mapping[str, np.ndarray]) -> "PoseTokens":
        """The vocabulary with edges after the data.

        values: quantities by kind, of which "translation" and "extent" (each float [N, 3], metres) are read; weights: float [N] of each kind.
        Sizes may be missing where nothing but waypoints is said. Raises ConfigError without translations.
        """
        if "translation" not in values:
            raise ConfigError(
                "the pose vocabulary is fitted on the poses that the stages say, and no supervision says any; add ObjectPoses or Waypoints"
            )
        places, weight = values["translation"], weights["translation"]
        sizes = values.get("extent", np.array([[_LEAST, 1.0, 1.0]]))
        return PoseTokens(
            self,
            quantile_bins(places[:, :2], self.xy, _LEAST, np.repeat(weight, 2)),
            quantile_bins(places[:, 2], self.z, _LEAST, weight),
            quantile_bins(sizes, self.size, _LEAST, np.repeat(weights.get("extent", np.ones(1)), 3)),
        )


@register("vocabulary/pose_tokens")
@dataclass(frozen=True)
class PoseTokens:
    """A fitted pose vocabulary: numbers to text and back."""

    spec: PoseVocabulary
    xy: Bins
    z: Bins
    size: Bins

    @property
    def meaning(self) -> "PoseTokens":
        """The same tokens without what only decides how answers are read: weights go from run to run whatever that is."""
        return replace(self, spec=replace(self.spec, said="likeliest"))

    @property
    def row_smoothing(self) -> float:
        """As `PoseVocabulary.row_smoothing`."""
        return self.spec.row_smoothing

    @property
    def tokens(self) -> tuple[str, ...]:
        """As `PoseVocabulary.tokens`."""
        return self.spec.tokens

    @property
    def scales(self) -> tuple[tuple[tuple[str, ...], bool], ...]:
        """Tokens that are the bins of one quantity, in its order, and whether the last is the first one's neighbour: places, x and y, z, sizes,
        angles; without those that the data never used."""
        spec = self.spec
        named = (("loc", LOCATIONS, LOCATIONS), ("transXY", spec.xy, self.xy.count), ("transZ", spec.z, self.z.count))
        named = (*named, ("size", spec.size, self.size.count), ("rot", spec.rotation, spec.rotation))
        return tuple((tuple(kind_names(kind, count)[:used]), kind == "rot") for kind, count, used in named)

    def text(self, parts: Parts) -> str:
        """The target as text, every quantity as tokens. Raises ConfigError for a section of a view that has no delimiters."""
        for part in parts:
            if isinstance(part, str) and (section := _SECTION.fullmatch(part)) and int(section[1]) >= self.spec.views:
                raise ConfigError(
                    f"a target has a section of view {int(section[1])}, counted from 0, and PoseVocabulary.views is {self.spec.views}; set it to the "
                    "number of views, or let the supervision show fewer (roles) or go without delimiters"
                )
        return "".join(part if isinstance(part, str) else self._said(part) for part in parts)

    def _said(self, quantity: Quantity) -> str:
        spec, values = self.spec, np.asarray(quantity.values)
        match quantity.kind:
            case "location":  # (u, v) pairs as shares of the padded square picture; outside points are clipped to the border
                pairs = share_bins(values).reshape(-1, 2)
                return _text("loc", (pairs if spec.first == "x" else pairs[:, ::-1]).ravel(), LOCATIONS)
            case "translation":  # camera-frame x, y, z in metres
                return _text("transXY", self.xy.encode(values[:2]), spec.xy) + _text("transZ", self.z.encode(values[2:]), spec.z)
            case "extent":  # sides of a box along its x, y, z in metres -> width (z), height (y), length (x), as Omni3D names them
                return _text("size", self.size.encode(values[::-1]), spec.size)
            case "rotation":  # roll, pitch, yaw (extrinsic x-y-z): floor((a + pi) / 2 pi * (n - 1)), the published mapping
                share = (values + np.pi) / (2 * np.pi)
                return _text("rot", np.clip(np.floor(share * (spec.rotation - 1)), 0, spec.rotation - 1), spec.rotation)
        raise ConfigError(unknown("quantity of the pose vocabulary", quantity.kind, KINDS))

    def numbers(self, text: str) -> dict[str, np.ndarray]:
        """All numbers in a piece of text, in their order, by kind.

        "location" float64 [n, 2] (shares of the padded square, middles of the bins), "translation" [n, 3] metres, "extent" [n, 3] metres
        (x, y, z), "rotation" [n, 3] (roll, pitch, yaw; middles too, where the published decoding takes the lower edge, half a degree off).
        Incomplete groups are left out.
        """
        found: dict[str, list[int]] = {kind: [] for kind in ("loc", "transXY", "transZ", "size", "rot")}
        for kind, number in _TOKEN.findall(text):
            found[kind].append(int(number))
        location = bin_shares(_rows(found["loc"], 2))
        xy, z = _rows(found["transXY"], 2), _rows(found["transZ"], 1)
        n = min(len(xy), len(z))
        translation = np.concatenate([_middles(self.xy, xy[:n]), _middles(self.z, z[:n])], axis=1)
        return {
            "location": location if self.spec.first == "x" else location[:, ::-1],
            "translation": translation,
            "extent": _middles(self.size, _rows(found["size"], 3))[:, ::-1],
            "rotation": np.minimum((_rows(found["rot"], 3) + 0.5) / max(1, self.spec.rotation - 1), 1.0) * 2 * np.pi - np.pi,
        }


@cache
def kind_names(kind: str, count: int) -> list[str]:
    """Tokens of a kind (loc, transXY, transZ, size, rot) in bin order, numbered as wide as the published list or, if longer, as the list needs."""
    width = max(3 if kind == "rot" else 4, len(str(count - 1)))
    return [f"<{kind}{i:0{width}d}>" for i in range(count)]


def _text(kind: str, bins: np.ndarray, count: int) -> str:
    names = kind_names(kind, count)
    return "".join(names[int(i)] for i in bins)


def _rows(values: list[int], width: int) -> np.ndarray:
    """float64 [n, width]: complete groups."""
    return np.asarray(values[: len(values) // width * width], np.float64).reshape(-1, width)


def _middles(bins: Bins, numbers: np.ndarray) -> np.ndarray:
    """Middles of bins; numbers beyond the fitted ones (tokens the data never used) count as the last."""
    return bins.decode(np.clip(numbers.astype(int), 0, bins.count - 1))
