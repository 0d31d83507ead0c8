"""How the policy was trained: a table of stages, and the learning curves of each."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from praxia.report.content import ReportContent
from praxia.report.curve_plots import curve_plots, curves_legend
from praxia.report.curves import StageCurves, read_curves
from praxia.report.html import Markup, folded, section, tag
from praxia.report.tables import loss_table, stage_table
from praxia.report.words import title


def stages(run: Path, content: ReportContent) -> Markup:
    """Stages in training order; curves come from runs/<name>/stages/<stage>/metrics.jsonl."""
    done = content.summary.get("stages") or []
    if not done:
        return section("training", "Training", tag("p", "No stage has been finished yet.", class_="empty"))
    curves = {stage["name"]: read_curves(run / "stages" / stage["name"] / "metrics.jsonl") for stage in done}
    ends = {name: found.at_end().get("loss") for name, found in curves.items()}
    lead = (
        "A policy is trained in stages: each starts from the weights of one before it and learns from its own "
        "data. Losses fall as the policy improves; held-out ones are measured on episodes it does not train on. "
        "Losses of different stages are not comparable."
    )
    return section(
        "training",
        "Training",
        tag("p", lead, class_="lead"),
        stage_table(done, ends).html(),
        curves_legend() if any(found.training for found in curves.values()) else None,
        [_stage(number, stage, curves[stage["name"]]) for number, stage in enumerate(done, 1)],
    )


def _stage(number: int, stage: Mapping[str, Any], curves: StageCurves) -> Markup:
    heading = tag("h3", f"Stage {number}: {title(stage['name'])}")
    if not curves.training:
        return tag("div", heading, tag("p", "There is no metrics.jsonl for this stage.", class_="empty"))
    skipped = f"{curves.skipped} updates were skipped because their loss or gradient was not finite." if curves.skipped else None
    held_out = {name: entry for name, entry in (stage.get("metrics") or {}).items() if isinstance(entry, int | float)}
    return tag(
        "div",
        heading,
        tag("p", skipped, class_="note") if skipped else None,
        tag("div", curve_plots(curves), class_="plots"),
        folded("All losses of this stage", loss_table(curves.at_end(), held_out).html()),
    )
