"""Points drawn over a picture as vectors, in pixel coordinates of that picture (integer = pixel centre)."""

from collections.abc import Sequence

import numpy as np

from praxia.report.content import Segment
from praxia.report.html import Markup, tag
from praxia.report.pictures import picture

EXPECTED, ANSWERED = "#0b7a53", "#c2185b"
Pixel = tuple[float, float]


def points_on(image: np.ndarray, expected: Pixel | None, answered: Pixel | None, words: str) -> Markup:
    """The picture with a ring where the truth is and a cross where the policy pointed; white edges keep both visible on any ground."""
    height, width = image.shape[:2]
    size = max(height, width) / 100  # marks scale with the picture, not with its pixels
    drawn: list[Markup] = []
    if expected is not None and answered is not None:
        ends = dict(zip(("x1", "y1", "x2", "y2"), (*map(float, expected), *map(float, answered))))
        drawn.append(tag("line", stroke="#fff", stroke_width=0.8 * size, stroke_dasharray=f"{2 * size} {1.5 * size}", **ends))
    if expected is not None:
        drawn += _edged("circle", size, EXPECTED, cx=float(expected[0]), cy=float(expected[1]), r=5 * size, fill="none")
    if answered is not None:
        u, v, arm = float(answered[0]), float(answered[1]), 3.6 * size
        drawn += _edged("path", size, ANSWERED, d=f"M{u - arm} {v - arm}L{u + arm} {v + arm}M{u - arm} {v + arm}L{u + arm} {v - arm}")
    overlay = tag("svg", drawn, viewBox=f"-0.5 -0.5 {width} {height}", preserveAspectRatio="none", aria_hidden="true")
    return tag("div", picture(image, words), overlay, class_="overlaid")


def _edged(name: str, size: float, colour: str, **attributes: float | str) -> list[Markup]:
    lines = (("#fff", 2.6 * size), (colour, 1.5 * size))
    return [tag(name, stroke=stroke, stroke_width=width, stroke_linecap="round", **attributes) for stroke, width in lines]


def lines_on(image: np.ndarray, expected: Sequence[Segment], answered: Sequence[Segment], words: str) -> Markup:
    """The picture with the truth in one colour and the answer in the other; parts outside the picture are cut off."""
    height, width = image.shape[:2]
    size = max(height, width) / 160
    drawn: list[Markup] = []
    for segments, colour in ((expected, EXPECTED), (answered, ANSWERED)):
        if segments:
            path = "".join(f"M{a[0]:.2f} {a[1]:.2f}L{b[0]:.2f} {b[1]:.2f}" for a, b in segments)
            drawn += _edged("path", size, colour, d=path, fill="none")
    overlay = tag("svg", drawn, viewBox=f"-0.5 -0.5 {width} {height}", preserveAspectRatio="none", aria_hidden="true")
    return tag("div", picture(image, words), overlay, class_="overlaid")


def outline(box: Sequence[float] | None) -> tuple[Segment, ...]:
    """The four edges of an upright box (u0, v0, u1, v1); () without one."""
    if box is None:
        return ()
    u0, v0, u1, v1 = box
    corners = ((u0, v0), (u1, v0), (u1, v1), (u0, v1))
    return tuple(zip(corners, (*corners[1:], corners[0]), strict=True))


def around(mask: np.ndarray, size: tuple[int, int]) -> tuple[Segment, ...]:
    """The borders of a mask bool [h, w] that covers a whole picture of `size` (height, width), as pixels of that picture; joined where straight."""
    h, w = mask.shape
    scale_u, scale_v = size[1] / w, size[0] / h
    padded = np.pad(mask.astype(bool), 1)
    lines: list[Segment] = []
    for edges, across in ((padded[1:] != padded[:-1], False), (padded[:, 1:].T != padded[:, :-1].T, True)):
        for line, row in enumerate(edges):  # borders between pixel `line - 1` and `line`
            ends = np.flatnonzero(np.diff(np.concatenate([[False], row, [False]]).astype(int)))
            for start, stop in zip(ends[::2] - 1, ends[1::2] - 1, strict=True):
                corners = [(line, start), (line, stop)] if across else [(start, line), (stop, line)]
                a, b = ((u * scale_u - 0.5, v * scale_v - 0.5) for u, v in corners)
                lines.append((a, b))
    return tuple(lines)


def lines_legend() -> Markup:
    """Whose lines are whose."""
    entries = []
    for colour, words in ((EXPECTED, " where it is"), (ANSWERED, " where the model says it is")):
        line = tag("path", d="M-6 0L6 0", stroke=colour, stroke_width=2.4, stroke_linecap="round")
        entries.append(tag("span", tag("svg", line, viewBox="-8 -8 16 16", width=14, height=14, aria_hidden="true"), words))
    return tag("p", *entries, class_="legend")


def points_legend() -> Markup:
    """What ring and cross mean."""
    ring = tag(
        "svg", tag("circle", r=5, fill="none", stroke=EXPECTED, stroke_width=2), viewBox="-8 -8 16 16", width=14, height=14, aria_hidden="true"
    )
    cross = tag("path", d="M-4-4L4 4M-4 4L4-4", stroke=ANSWERED, stroke_width=2.4, stroke_linecap="round")
    cross = tag("svg", cross, viewBox="-8 -8 16 16", width=14, height=14, aria_hidden="true")
    return tag("p", tag("span", ring, " where it is"), tag("span", cross, " where the model points"), class_="legend")
