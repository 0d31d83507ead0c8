"""Spatial supervision: what the policy says about pictures, beside the truth."""

import math

from praxia.report.content import Answer, ReportContent
from praxia.report.html import Markup, section, tag
from praxia.report.overlays import points_legend, points_on


def answers(content: ReportContent) -> Markup:
    """A picture a question; points are drawn on it."""
    if not content.answers:
        return section("spatial", "Questions about pictures", tag("p", "No stage of this run learnt to answer questions.", class_="empty"))
    shown = content.answers
    pointed = sorted(off for off in map(_off, shown) if off is not None)
    said = [answer for answer in shown if answer.expected]
    lead = [
        "Held-out pictures, the question, and the answer of the model right after the stage that learnt to answer; what came later was not taught to."
    ]
    if pointed:
        lead.append(f"Of the {len(pointed)} points shown, half are within {_median(pointed):.1f} px of the truth.")
    if said:
        lead.append(f"{sum(answer.answered == answer.expected for answer in said)} of {len(said)} answers in words are right.")
    return section(
        "spatial",
        "Questions about pictures",
        tag("p", " ".join(lead), class_="lead"),
        points_legend() if any(answer.expected_pixel for answer in shown) else None,
        tag("div", [_figure(answer) for answer in shown], class_="sheet wide"),
    )


def _figure(answer: Answer) -> Markup:
    picture = points_on(answer.image, answer.expected_pixel, answer.answered_pixel, answer.question)
    return tag("figure", picture, tag("figcaption", tag("b", answer.question), tag("br"), _outcome(answer)))


def _outcome(answer: Answer) -> list[Markup | str]:
    off = _off(answer)
    if off is not None:
        return [f"{off:.1f} px off"]
    if answer.expected_pixel is not None:
        return [tag("span", "✗", class_="no"), f" no point in the answer: “{answer.answered}”"]
    if answer.answered == answer.expected:
        return [tag("span", "✓", class_="yes"), f" {answer.answered}"]
    return [tag("span", "✗", class_="no"), f" {answer.answered or '(nothing)'}", tag("span", f", right: {answer.expected}", class_="note")]


def _off(answer: Answer) -> float | None:
    if answer.expected_pixel is None or answer.answered_pixel is None:
        return None
    return math.dist(answer.expected_pixel, answer.answered_pixel)


def _median(values: list[float]) -> float:
    return values[(len(values) - 1) // 2]
