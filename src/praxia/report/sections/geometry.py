"""What a geometry net sees of held-out scenes: scores by view beside a predictor that does not look, and depth pictures."""

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Colormap

from praxia.report.content import DepthPicture, GeometryFacts, ReportContent
from praxia.report.html import Markup, section, tag
from praxia.report.pictures import picture, side_by_side
from praxia.report.tables import Table
from praxia.report.words import title

_DEPTHS, _ERRORS, _SURE = colormaps["viridis"], colormaps["magma"], colormaps["cividis"]
_WORST = 0.05  # metres: the end of the error scale
_COLUMNS = {
    "abs_rel": "depth, AbsRel",
    "blind_abs_rel": "not looking",
    "median_cm": "depth, median cm",
    "blind_median_cm": "not looking",
    "points_cm": "points, median cm",
    "translation_cm": "camera, cm",
    "blind_translation_cm": "mean place",
    "rotation_deg": "camera, degrees",
    "blind_rotation_deg": "mean turn",
}


def geometry(content: ReportContent) -> Markup | None:
    """Stage by stage; None for a recipe without a geometry net."""
    if not content.geometry:
        return None
    lead = (
        "Depth, points and cameras from colour pictures alone, on held-out scenes. Not looking: the mean depth of training pictures at every pixel. "
        "Points and cameras are in the frame of the first view. From left to right: picture, true depth, seen depth, error "
        f"(white: {100 * _WORST:.0f} cm and more), the net's own confidence (bright: sure)."
    )
    return section("geometry", "Geometry", tag("p", lead, class_="lead"), [_stage(facts) for facts in content.geometry])


def _stage(facts: GeometryFacts) -> Markup:
    rows = tuple((role, *(_number(name, scores.get(name)) for name in _COLUMNS)) for role, scores in facts.scores.items())
    table = Table(("view", *_COLUMNS.values()), rows, numbers=frozenset(range(1, len(_COLUMNS) + 1)))
    return tag("div", tag("h3", title(facts.stage)), table.html(), tag("div", [_figure(p) for p in facts.pictures], class_="strips"))


def _number(name: str, value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if "abs_rel" in name else f"{value:.2f}"


def _figure(shown: DepthPicture) -> Markup:
    known = shown.truth > 0
    low, high = np.quantile(shown.truth[known], (0.02, 0.98)) if known.any() else (0.0, 1.0)
    error = np.abs(shown.seen - shown.truth)
    panels = [
        shown.image,
        _painted(_DEPTHS, (shown.truth - low) / max(high - low, 1e-6), known),
        _painted(_DEPTHS, (shown.seen - low) / max(high - low, 1e-6)),
        _painted(_ERRORS, error / _WORST, known),
        _painted(_SURE, (shown.sure - shown.sure.min()) / max(float(np.ptp(shown.sure)), 1e-6)),
    ]
    words = f"{shown.role}: median error {100 * np.median(error[known]):.1f} cm"
    return tag("figure", picture(side_by_side(panels), words), tag("figcaption", words))


def _painted(colours: Colormap, values: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
    """Values in [0, 1] in colours, uint8 [H, W, 3]; grey where nothing is known."""
    painted = (255 * colours(np.clip(values, 0, 1))[..., :3]).astype(np.uint8)
    return painted if known is None else np.where(known[..., None], painted, np.uint8(128))
