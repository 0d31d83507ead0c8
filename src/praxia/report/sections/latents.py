"""The latent of action chunks: how far the VLA's prediction is from it, how smoothly it decodes, what each robot and a history token get of it."""

from collections.abc import Mapping
from typing import Any

from praxia.report.content import LatentFacts, ReportContent
from praxia.report.html import Markup, section, tag
from praxia.report.latent_plots import alignment_plot, blend_plot, turn_plot
from praxia.report.tables import Table
from praxia.report.words import title


def latents(content: ReportContent) -> Markup | None:
    """Stage by stage; None for a recipe without a latent."""
    if not content.latents:
        return None
    lead = (
        "A chunk of actions goes through one vector of unit length, the latent. A good latent decodes smoothly: turned a little it gives nearly the "
        "same chunk, and half-way between two chunks it gives something between them. Errors are held out, in normalised units."
    )
    return section("latents", "Latent", tag("p", lead, class_="lead"), [_stage(facts) for facts in content.latents])


def _stage(facts: LatentFacts) -> Markup:
    plots = []
    if facts.alignment is not None:
        plots.append(alignment_plot(facts.alignment))
    if facts.smoothness is not None:
        plots += [turn_plot(facts.smoothness), blend_plot(facts.smoothness)]
    history = {_HISTORY[name]: error for name, error in facts.history.items()}
    measured = (("robot", facts.by_robot), ("integration steps", facts.steps), ("history", history))
    tables = [_errors(what, found) for what, found in measured if found]
    if facts.pace:
        rows = tuple((f"{error:g}", f"{updates:,.0f}") for error, updates in facts.pace.items())
        tables.append(Table(("error of a chunk at most", "updates"), rows, numbers=frozenset({0, 1})).html())
    return tag("div", tag("h3", title(facts.stage)), tag("div", plots, class_="plots"), *tables)


def _errors(what: str, found: Mapping[Any, float]) -> Markup:
    rows = tuple((str(name), f"{error:.3f}") for name, error in found.items())
    return Table((what, "error of a chunk"), rows, numbers=frozenset({1})).html()


_HISTORY = {
    "true": "what was done",
    "none": "no history token",
    "zeros": "states and actions at zero",
    "another's": "that of another episode",
}
