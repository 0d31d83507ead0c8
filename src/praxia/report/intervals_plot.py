"""Success as dots with intervals: one row a task, one lane a condition. Percent coordinates, so that it is sharp and readable at any width."""

from collections.abc import Sequence

from praxia.evaluate.intervals import Rate
from praxia.report.conditions import Condition
from praxia.report.html import Markup, tag
from praxia.report.words import percent, title

_LANE = 15  # px
# Colours that people with any colour vision tell apart, and shapes for those who print in black.
_MARKS = (
    ("#0b6fa4", "M0-6A6 6 0 1 1 0 6A6 6 0 1 1 0-6Z"),  # circle
    ("#b4530a", "M-5-5H5V5H-5Z"),  # square
    ("#5b6470", "M0-6.5L6.5 0L0 6.5L-6.5 0Z"),  # diamond
    ("#7a3e9d", "M0-6L6 5H-6Z"),  # triangle
)
_TICKS = (0, 25, 50, 75, 100)


def intervals_plot(found: Sequence[Condition]) -> Markup:
    """Legend, one row a task, the mean last, and the axis."""
    rows = [_row(title(task), [c.per_task.get(task) for c in found], found) for task in found[0].per_task]
    rows.append(_row(found[0].mean_name if rows else "all episodes", [c.mean for c in found], found, "row mean"))
    ticks = [tag("text", f"{x} %", x=f"{x}%", y=14, text_anchor="middle") for x in _TICKS]
    axis = tag(
        "div",
        tag("div", class_="label"),
        tag("svg", ticks, class_="track", height=20),
        tag("div", class_="rate"),
        class_="row axis",
        aria_hidden="true",
    )
    return tag("div", legend(found), rows, axis, class_="intervals")


def legend(found: Sequence[Condition]) -> Markup:
    """What the marks mean."""
    return tag("p", [tag("span", mark(i), " ", c.label) for i, c in enumerate(found)], class_="legend")


def mark(number: int) -> Markup:
    """The mark of the n-th condition as a small picture."""
    colour, path = _MARKS[number % len(_MARKS)]
    return tag("svg", tag("path", d=path, fill=colour), viewBox="-8 -8 16 16", width=14, height=14, aria_hidden="true")


def _row(name: str, rates: Sequence[Rate | None], found: Sequence[Condition], kind: str = "row") -> Markup:
    height = _LANE * len(found) + 8
    grid = [tag("line", x1=f"{x}%", x2=f"{x}%", y1=0, y2=height, class_="grid") for x in _TICKS]
    lanes = [_lane(i, rate, found[i].label) for i, rate in enumerate(rates) if rate is not None]
    words = "; ".join(f"{found[i].label} {_words(rate)}" for i, rate in enumerate(rates) if rate is not None)
    track = tag("svg", grid, lanes, class_="track", height=height, role="img", aria_label=f"{name}: {words}")
    first = rates[0]
    return tag("div", tag("div", name, class_="label"), track, tag("div", percent(first.rate) if first else "–", class_="rate"), class_=kind)


def _lane(number: int, rate: Rate, label: str) -> Markup:
    colour, path = _MARKS[number % len(_MARKS)]
    y = 4 + _LANE * (number + 0.5)
    line = tag("line", x1=_at(rate.low), x2=_at(rate.high), y1=y, y2=y, stroke=colour, stroke_width=3, stroke_linecap="round", opacity=0.55)
    dot = tag("svg", tag("path", d=path, fill=colour, stroke="#fff", stroke_width=1.2), x=_at(rate.rate), y=y, overflow="visible")
    return tag("g", tag("title", f"{label}: {_words(rate)}"), line, dot)


def _at(share: float) -> str:
    return f"{100 * share:.2f}%"


def _words(rate: Rate) -> str:
    return f"{percent(rate.rate)}, 95 % interval {percent(rate.low)} to {percent(rate.high)}, {rate.episodes} episodes"
