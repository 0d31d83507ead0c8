"""What a geometry net sees of held-out scenes: scores by view beside a predictor that does not look, and depth pictures."""

from collections.abc import Mapping, Sequence

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
_ROWS = {
    "depth, AbsRel": ("abs_rel", "blind_abs_rel", 3),
    "depth, median cm": ("median_cm", "blind_median_cm", 1),
    "points, median cm": ("points_cm", "", 1),
    "camera's place, cm": ("translation_cm", "blind_translation_cm", 1),
    "camera's turn, degrees": ("rotation_deg", "blind_rotation_deg", 1),
}


def geometry(content: ReportContent) -> Markup | None:
    """Stage by stage; None for a recipe without a geometry net."""
    if not content.geometry:
        return None
    lead = (
        "Depth, points and cameras from colour pictures alone, on held-out scenes; in brackets what is to be had without looking: the mean depth of "
        "training pictures at every pixel, the mean camera. Points and cameras are in the frame of the first view. From left to right: picture, true "
        f"depth, seen depth, error (white: {100 * _WORST:.0f} cm and more), the net's own confidence (bright: sure)."
    )
    return section("geometry", "Geometry", tag("p", lead, class_="lead"), [_stage(facts) for facts in content.geometry])


def _stage(facts: GeometryFacts) -> Markup:
    roles = tuple(facts.scores)
    rows = tuple((words, *(_cell(facts.scores[role], *names) for role in roles)) for words, names in _ROWS.items())
    table = Table(("", *roles), rows, numbers=frozenset(range(1, len(roles) + 1)))
    views = len(dict.fromkeys(picture.role for picture in facts.pictures)) or 1
    samples = [facts.pictures[i : i + views] for i in range(0, len(facts.pictures), views)]
    figures = [tag("figure", [_picture(shown) for shown in sample], tag("figcaption", _said(sample))) for sample in samples]
    return tag("div", tag("h3", title(facts.stage)), table.html(), tag("div", figures, class_="strips"))


def _cell(scores: Mapping[str, float], name: str, blind: str, digits: int) -> str:
    if name not in scores:
        return "–"
    return f"{scores[name]:.{digits}f}" + (f" ({scores[blind]:.{digits}f})" if blind in scores else "")


def _said(sample: Sequence[DepthPicture]) -> str:
    errors = ", ".join(f"{p.role} {100 * np.median(np.abs(p.seen - p.truth)[p.truth > 0]):.1f} cm" for p in sample)
    return f"median error of depth: {errors}"


def _picture(shown: DepthPicture) -> Markup:
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
    return picture(side_by_side(panels), shown.role)


def _painted(colours: Colormap, values: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
    """Values in [0, 1] in colours, uint8 [H, W, 3]; grey where nothing is known."""
    painted = (255 * colours(np.clip(values, 0, 1))[..., :3]).astype(np.uint8)
    return painted if known is None else np.where(known[..., None], painted, np.uint8(128))
