"""How success falls from level to level of each category of perturbations."""

from collections.abc import Mapping
from typing import Any

from praxia.evaluate.intervals import Rate
from praxia.report.conditions import rate_of
from praxia.report.html import Markup, tag
from praxia.report.perturbation_table import level_table
from praxia.report.words import percent, title

_WIDTH, _HEIGHT = 240, 150  # px of a panel's drawing, with room for the axes
_LEFT, _TOP, _BOTTOM = 42, 10, 24
_COLOUR = "#0b6fa4"


def perturbations(summary: Mapping[str, Any]) -> Markup:
    """One small plot a category and the table; nothing if no episode was perturbed."""
    found = summary.get("perturbed")
    if not found:
        return Markup()
    plain = rate_of(found["unperturbed"], "perturbed.unperturbed") if found["unperturbed"] else None
    panels = [_panel(title(c), {int(n): rate_of(r, c) for n, r in cells.items()}, plain) for c, cells in found["per_category_and_level"].items()]
    note = (
        "Bars are 95 % Wilson intervals; the dashed line is the success on the same tasks unperturbed. The Total weighs the categories as "
        "LIBERO-Plus does, by its numbers of tasks in each."
    )
    return tag(
        "div", tag("h3", "By category and level of perturbation"), tag("div", panels, class_="plots"), tag("p", note, class_="note"),
        level_table(summary).html(),
    )  # fmt: skip


def _panel(name: str, rates: Mapping[int, Rate], plain: Rate | None) -> Markup:
    """Success against the level, with intervals."""
    marks = [_grid(share) for share in (0.0, 0.5, 1.0)]
    if plain:
        marks.append(tag("line", x1=_LEFT, x2=_WIDTH, y1=_y(plain.rate), y2=_y(plain.rate), stroke="#5b6470", stroke_dasharray="4 3"))
    marks.append(tag("polyline", points=" ".join(f"{_x(n):.1f},{_y(r.rate):.1f}" for n, r in rates.items()), fill="none", stroke=_COLOUR))
    for n, rate in rates.items():
        marks.append(tag("line", x1=_x(n), x2=_x(n), y1=_y(rate.low), y2=_y(rate.high), stroke=_COLOUR, stroke_width=3, opacity=0.45))
        marks.append(tag("circle", cx=_x(n), cy=_y(rate.rate), r=4, fill=_COLOUR))
        marks.append(tag("text", str(n), x=_x(n), y=_HEIGHT - 8, text_anchor="middle", font_size=11, fill="#52606d"))
    words = "; ".join(f"level {n}: {percent(r.rate)}, {percent(r.low)} to {percent(r.high)}" for n, r in rates.items())
    picture = tag("svg", marks, viewBox=f"0 0 {_WIDTH} {_HEIGHT}", class_="plot", role="img", aria_label=f"{name}: {words}")
    return tag("figure", tag("figcaption", tag("b", name)), picture)


def _grid(share: float) -> Markup:
    line = tag("line", x1=_LEFT, x2=_WIDTH, y1=_y(share), y2=_y(share), stroke="#dfe4ea")
    return tag("g", line, tag("text", f"{100 * share:.0f} %", x=_LEFT - 4, y=_y(share) + 4, text_anchor="end", font_size=11, fill="#52606d"))


def _x(level: int) -> float:
    return _LEFT + (_WIDTH - _LEFT) * (level - 0.5) / 5


def _y(share: float) -> float:
    return _TOP + (1 - share) * (_HEIGHT - _TOP - _BOTTOM)
