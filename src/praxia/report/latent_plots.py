"""Plots of a latent of action chunks, in the form of the learning curves."""

import numpy as np

from praxia.evaluate.latents import Smoothness
from praxia.report.curve_plots import HELD_OUT, TRAINING, panel, picture
from praxia.report.curves import Curve
from praxia.report.html import Markup


def alignment_plot(alignment: Curve) -> Markup:
    """Cosine between predicted and encoded latent over the updates: 1 - |z' - z|^2 / 2 for vectors of unit length."""
    cosine = 1 - alignment.smoothed(len(alignment.value) // 40) / 2
    figure, axes = panel("cosine of predicted and encoded latent")
    axes.plot(alignment.step, cosine, color=TRAINING, linewidth=1.8)
    axes.set_ylim(min(0.0, float(np.nanmin(cosine))), 1.02)
    return picture(figure, f"Cosine between predicted and encoded latent, {cosine[-1]:.2f} at the end")


def turn_plot(found: Smoothness) -> Markup:
    """Error of the decoded chunk against the angle that its latent was turned by."""
    figure, axes = panel("latent turned: error of the chunk", "degrees")
    axes.plot(found.degrees, found.error, "o-", color=HELD_OUT, linewidth=1.2, markersize=4.5)
    axes.set_ylim(bottom=0)
    return picture(figure, f"Error {found.error[0]:.3f} at 0 degrees, {found.error[-1]:.3f} at {found.degrees[-1]:g}")


def blend_plot(found: Smoothness) -> Markup:
    """Distance of the decoded chunk to those at both ends, on the way from one latent to another."""
    figure, axes = panel("between two latents: distance to both chunks", "share of the way")
    for values, colour, label in ((found.to_first, TRAINING, "to the first"), (found.to_second, HELD_OUT, "to the second")):
        axes.plot(found.shares, values, "o-", color=colour, linewidth=1.2, markersize=4.5, label=label)
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, fontsize=8, loc="upper center")
    return picture(figure, f"Distance to the first chunk from 0 to {found.apart:.3f} along the way")
