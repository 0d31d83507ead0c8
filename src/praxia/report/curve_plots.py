"""Learning curves drawn with matplotlib, as SVG pictures of about 360 x 230 px that stand side by side or below each other."""

import base64
import io
import math
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter

from praxia.report.curves import Curve, StageCurves
from praxia.report.html import Markup, tag
from praxia.report.words import title

INK, FAINT, RAW, TRAINING, HELD_OUT = "#1f2933", "#d5dbe1", "#bcd3e6", "#0b6fa4", "#b4530a"
_SHAPES = "osD^v"
_POINTS = 600  # of a drawn line; more cannot be seen
_STYLE: Any = {
    "svg.fonttype": "path",  # the same on every machine
    "svg.hashsalt": "praxia",  # the same bytes from the same numbers
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "text.color": INK,
}


def curve_plots(curves: StageCurves) -> list[Markup]:
    """One picture a training loss (raw, smoothed, held out), one for the action error if it was measured, gradient norm and learning rate."""
    named = [name for name in curves.training if name != "loss"]
    losses = named if len(named) == 1 else list(curves.training)  # a single loss is the total but for its weight
    plots = [_loss_plot(name, curves.training[name], curves.held_out_of(name)) for name in losses]
    shown = {held for name in losses for held in curves.held_out_of(name)} | {"loss"}
    plots += [_held_out_plot(name, curve) for name, curve in curves.held_out.items() if name not in shown]
    if curves.gradient_norm is not None:
        plots.append(_loss_plot("gradient_norm", curves.gradient_norm, {}))
    if curves.rate is not None:
        plots.append(_rate_plot(curves.rate))
    return plots


def _loss_plot(name: str, curve: Curve, held_out: dict[str, Curve]) -> Markup:
    figure, axes = panel("total loss, weighted" if name == "loss" else title(name))
    smooth = curve.smoothed(len(curve.value) // 40)
    every = max(1, -(-len(curve.value) // _POINTS))
    axes.plot(curve.step[::every], curve.value[::every], color=RAW, linewidth=0.8)
    axes.plot(curve.step[::every], smooth[::every], color=TRAINING, linewidth=1.8)
    for shape, (key, held) in zip(_SHAPES * len(held_out), held_out.items()):
        axes.plot(held.step, held.value, shape + "-", color=HELD_OUT, linewidth=1, markersize=4.5, label=title(key.rpartition("/")[0]))
    if len(held_out) > 1:
        axes.legend(frameon=False, fontsize=8, loc="upper right", title="held out", title_fontsize=8)
    _scale(axes, [smooth, *(held.value for held in held_out.values())], curve.value)
    return picture(figure, f"Learning curve of {title(name)}: {_span(smooth)}")


def _held_out_plot(name: str, curve: Curve) -> Markup:
    what = "action error, held out (normalised units)" if name == "action_error" else f"{title(name)}, held out"
    figure, axes = panel(what)
    axes.plot(curve.step, curve.value, "o-", color=HELD_OUT, linewidth=1.2, markersize=4.5)
    axes.set_xlim(left=0)
    _scale(axes, [curve.value], curve.value)
    return picture(figure, f"{what}: {_span(curve.value)}")


def _rate_plot(curve: Curve) -> Markup:
    highest = float(np.nanmax(curve.value))
    exponent = math.floor(math.log10(highest) + 1e-3) if highest > 0 else 0
    figure, axes = panel(f"learning rate (times $10^{{{exponent}}}$)")
    every = max(1, -(-len(curve.value) // _POINTS))
    axes.plot(curve.step[::every], curve.value[::every] / 10**exponent, color=INK, linewidth=1.5)
    axes.set_ylim(bottom=0)
    return picture(figure, f"Learning rate, at most {highest:.2g}")


def panel(heading: str, across: str = "updates") -> tuple[Figure, Axes]:
    """An empty plot. across: what the horizontal axis shows."""
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(3.75, 2.4))
        axes = figure.add_axes((0.125, 0.19, 0.855, 0.68))  # fixed: panels line up, and no layout has to be solved
        axes.set_title(heading, loc="left", fontsize=10, fontweight="bold")
        axes.set_xlabel(across)
        axes.grid(axis="y", color=FAINT, linewidth=0.7)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(length=0)
        axes.set_axisbelow(True)
        return figure, axes


def _scale(axes: Axes, important: list[np.ndarray], raw: np.ndarray) -> None:
    """Logarithmic where the values span more than a factor of ten; the outliers of single updates do not decide the range."""
    values = np.concatenate(important)
    values = values[np.isfinite(values)]
    if not len(values):
        return
    raw = raw[np.isfinite(raw)]
    low, high = min(values.min(), np.quantile(raw, 0.01)), max(values.max(), np.quantile(raw, 0.99))
    if low > 0 and values.max() > 10 * values.min():
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(low / 1.15, high * 1.3)
    else:
        room = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
        axes.set_ylim(0 if 0 <= low < 0.5 * high else low - room, high + 1.5 * room)


def _span(values: np.ndarray) -> str:
    known = values[np.isfinite(values)]
    return f"from {known[0]:.3g} to {known[-1]:.3g}" if len(known) else "no finite value"


def picture(figure: Figure, words: str) -> Markup:
    """The figure as a picture of its own: identifiers inside cannot meet those of other figures of the page."""
    buffer = io.BytesIO()
    with matplotlib.rc_context(_STYLE):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None}, transparent=True)
    source = "data:image/svg+xml;base64," + base64.b64encode(buffer.getvalue()).decode()
    return tag("img", src=source, alt=words, class_="plot", width=360, height=230)


def curves_legend() -> Markup:
    """What line, ground and dots mean, once for all panels."""
    line = tag("line", x1=0, x2=26, y1=8, y2=8, stroke=TRAINING, stroke_width=2.5)
    raw = tag("path", d="M0 9L4 3L8 12L12 5L16 13L20 4L26 10", stroke=RAW, stroke_width=1.5, fill="none")
    dots = [tag("line", x1=0, x2=26, y1=8, y2=8, stroke=HELD_OUT), tag("circle", cx=13, cy=8, r=3.5, fill=HELD_OUT)]
    marks = (("training, every update", raw), ("training, smoothed", line), ("held out", dots))
    return tag("p", [tag("span", tag("svg", drawn, width=26, height=16, aria_hidden="true"), " " + words) for words, drawn in marks], class_="legend")
