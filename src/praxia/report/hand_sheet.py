"""sheet.html of annotated hand clips: questions and motions with their geometry drawn on the frames, so that a person can judge the labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from praxia.files import write_text
from praxia.geometry.camera import project
from praxia.geometry.scene import View
from praxia.report.document import document
from praxia.report.html import Markup, section, tag
from praxia.report.pictures import picture
from praxia.report.tables import Table
from praxia.specs.hands import BONES, SIDES

_HANDS = {"left": "#0b6fa4", "right": "#c2185b"}
_ARROW, _PAST, _THING = "#ffd500", "#ffffff", "#0b7a53"
_NEAR = 0.05  # metres before the lens


@dataclass(frozen=True)
class Drawn:
    """One frame with geometry, all in its camera frame (metres). joints: side -> [21, 3]; arrow: (from [3], to [3]); thing: [3], where an object is;
    paths: side -> (past [n, 3], future [m, 3]). box: (u0, v0, u1, v1) of an object, in pixels."""

    view: View
    joints: dict[str, np.ndarray]
    arrow: tuple[np.ndarray, np.ndarray] | None = None
    thing: np.ndarray | None = None
    paths: dict[str, tuple[np.ndarray, np.ndarray]] | None = None
    box: tuple[float, ...] = ()


@dataclass(frozen=True)
class Card:
    """A sample: its frames in order, what is asked, what is answered, where it comes from."""

    frames: Sequence[Drawn]
    asked: str
    answer: str
    origin: str


def write_sheet(path: Path, name: str, tables: Sequence[tuple[str, Table]], parts: Mapping[str, Sequence[Card]], licence: str) -> Path:
    """Write the page; tables: (heading, table) on top; parts: heading -> cards."""
    words = {key: key.replace("_", " ").capitalize() for key in parts}
    links = tag("nav", tag("div", [tag("a", words[key], href=f"#{key}") for key in parts]), aria_label="Parts of this page")
    counted = [tag("div", tag("h3", heading), table.html()) for heading, table in tables]
    sections = [section(key, words[key], tag("div", [_card(card) for card in cards], class_="strips")) for key, cards in parts.items()]
    top = tag("header", tag("p", "Annotated hands", class_="kicker"), tag("h1", name), tag("p", f"Licence of the clips: {licence}.", class_="note"))
    body = tag("main", tag("section", _legend(), counted), sections)
    style = ".strips .overlaid { flex: 1 1 0; min-width: 0; } .strips figcaption b { display: block; }"
    write_text(path, document(f"{name} · annotated hands", top, links, body, style=style))
    return path


def _card(card: Card) -> Markup:
    frames = tag("div", [drawn(f, card.asked) for f in card.frames], class_="views")
    return tag("figure", frames, tag("figcaption", card.asked, tag("b", card.answer), tag("span", card.origin, class_="note")))


def drawn(frame: Drawn, words: str) -> Markup:
    """The picture with its geometry as vectors over it; what is behind the lens is left out."""
    height, width = frame.view.image.shape[:2]
    unit = max(height, width) / 128
    lines: list[Markup] = []
    for side, joints in frame.joints.items():
        path = "".join(_segment(frame.view, joints[a], joints[b]) for a, b in BONES)
        lines.append(tag("path", d=path, fill="none", stroke=_HANDS[side], stroke_width=0.9 * unit, stroke_linecap="round"))
        for u, v in _pixels(frame.view, joints):
            lines.append(tag("circle", cx=u, cy=v, r=0.9 * unit, fill=_HANDS[side]))
    for side, (past, future) in (frame.paths or {}).items():
        for points, colour, dash in ((past, _PAST, f"{2 * unit} {1.5 * unit}"), (future, _HANDS[side], None)):
            if len(points) > 1:
                path = "".join(_segment(frame.view, a, b) for a, b in pairwise(points))
                lines += [tag("path", d=path, fill="none", stroke="#fff", stroke_width=2.4 * unit, stroke_opacity=0.6)]
                lines += [tag("path", d=path, fill="none", stroke=colour, stroke_width=1.3 * unit, stroke_dasharray=dash)]
        for u, v in _pixels(frame.view, future[-1:]):
            lines.append(tag("circle", cx=u, cy=v, r=2.2 * unit, fill=_ARROW, stroke="#000", stroke_width=0.4 * unit))
    if frame.box:
        u0, v0, u1, v1 = frame.box
        lines.append(tag("rect", x=u0, y=v0, width=u1 - u0, height=v1 - v0, fill="none", stroke=_THING, stroke_width=0.9 * unit))
    if frame.thing is not None:
        for u, v in _pixels(frame.view, frame.thing[None]):
            lines.append(tag("circle", cx=u, cy=v, r=4 * unit, fill="none", stroke=_THING, stroke_width=1.4 * unit))
    if frame.arrow is not None:
        lines += _arrow(frame.view, *frame.arrow, unit)
    overlay = tag("svg", lines, viewBox=f"-0.5 -0.5 {width} {height}", preserveAspectRatio="none", aria_hidden="true")
    return tag("div", picture(frame.view.image, words), overlay, class_="overlaid")


def _pixels(view: View, points: np.ndarray) -> list[tuple[float, float]]:
    assert view.camera is not None
    pixels, z = project(view.camera.K, points)
    return [(round(float(u), 2), round(float(v), 2)) for (u, v), depth in zip(pixels, z, strict=True) if depth > _NEAR]


def _segment(view: View, a: np.ndarray, b: np.ndarray) -> str:
    ends = _pixels(view, np.stack([a, b]))
    return f"M{ends[0][0]} {ends[0][1]}L{ends[1][0]} {ends[1][1]}" if len(ends) == 2 else ""


def _arrow(view: View, start: np.ndarray, end: np.ndarray, unit: float) -> list[Markup]:
    ends = _pixels(view, np.stack([start, end]))
    if len(ends) < 2:
        return []
    a, b = np.array(ends)
    along = (b - a) / max(float(np.linalg.norm(b - a)), 1e-6)
    across = np.array((-along[1], along[0]))
    wings = [b - 4 * unit * along + s * 2.2 * unit * across for s in (-1, 1)]
    text = lambda p: f"{p[0]:.2f} {p[1]:.2f}"  # noqa: E731
    path = f"M{text(a)}L{text(b)}M{text(wings[0])}L{text(b)}L{text(wings[1])}"
    return [
        tag("path", d=path, fill="none", stroke=colour, stroke_width=w * unit, stroke_linecap="round") for colour, w in (("#000", 2.2), (_ARROW, 1.3))
    ]


def _legend() -> Markup:
    others = [(" the answer, or where a path ends", _ARROW), (" the object's box and point", _THING)]
    entries = [(f" {side} hand", _HANDS[side]) for side in SIDES] + others
    square = lambda colour: tag("svg", tag("rect", width=12, height=12, fill=colour), viewBox="0 0 12 12", width=12, height=12, aria_hidden="true")  # noqa: E731
    return tag("p", [tag("span", square(colour), words) for words, colour in entries], class_="legend")
