"""Spatial supervision: what the policy says about pictures, beside the truth."""

import math

from praxia.evaluate.vqa import ALL
from praxia.report.content import Answer, AnswerScores, ReportContent
from praxia.report.html import Markup, section, tag
from praxia.report.overlays import lines_legend, lines_on, outline, points_legend, points_on
from praxia.report.tables import Table
from praxia.report.words import title

_COLUMNS = {  # what a stage may be scored by -> heading, format
    "score": ("right", "share"),
    "point_in_mask": ("points in mask", "share"),
    "box_iou_50": ("boxes over IoU 0.5", "share"),
    "box_iou": ("mean box IoU", ".2f"),
    "exact_match": ("words", "share"),
    "direction": ("axes right, of 3", ".2f"),
    "distance": ("distance off (m)", ".3f"),
    "contact": ("contact", "share"),
    "touch": ("touches noticed", "share"),
    "turn": ("turns", "share"),
    "degrees": ("turn off (degrees)", ".1f"),
    "mean_mm": ("points off (mm)", ".0f"),
    "final_mm": ("last point off (mm)", ".0f"),
    "final_median_mm": ("median (mm)", ".0f"),
    "said": ("paths said", "share"),
    "valid": ("whole without a grammar", "share"),
    "exact": ("described", "share"),
    "words": ("words of it, F1", ".2f"),
    "unreadable": ("unreadable", "share"),
    "asked": ("asked", ".0f"),
}
_CONTROLS = {
    "majority answer": "the commonest training answer to that kind of question, the mean or median of numbers",
    "blank pictures": "the same model shown grey pictures",
    "constant velocity": "the hand goes on as it was told to have moved last",
    "standing still": "the hand stays where it is now, where a past is told",
    "without geometry": "the same model with alpha = 0, blind to the 3-D encoder (the model before its stage, where that trained the fusion alone)",
    "mean path": "the mean of the training paths, from where the hand is if that is told",
}


def answers(content: ReportContent) -> Markup:
    """A picture a question; points are drawn on it."""
    if not content.answers:
        return section("spatial", "Questions about pictures", tag("p", "No stage of this run learnt to answer questions.", class_="empty"))
    shown = content.answers
    pointed = sorted(off for off in map(_off, shown) if off is not None)
    said = [answer for answer in shown if answer.expected and answer.expected_box is None]
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
        [_table(scores) for scores in content.answer_scores],
        points_legend() if any(answer.expected_pixel for answer in shown) else None,
        lines_legend() if any(answer.expected_box for answer in shown) else None,
        [_group(group, [a for a in shown if a.group == group]) for group in dict.fromkeys(a.group for a in shown)],
    )


def _group(group: str, shown: list[Answer]) -> list[Markup]:
    heading = [tag("h3", title(group))] if group else []
    return [*heading, tag("div", [_figure(answer) for answer in shown], class_="sheet wide")]


def _table(scores: AnswerScores) -> Markup:
    """A row a group, the whole last, each with the controls below it."""
    groups = [*sorted(group for group in scores.scores if group != ALL), *([ALL] if ALL in scores.scores else [])]
    columns = [name for name in _COLUMNS if any(name in numbers for numbers in scores.scores.values())]
    rows, strong = [], set()
    for group in groups:
        strong.add(len(rows))
        rows.append((title(group), *(_number(name, scores.scores[group].get(name)) for name in columns)))
        for name, found in scores.controls.items():
            if numbers := found.get(group):
                rows.append((f"· {name}", *(_number(score, numbers.get(score)) for score in columns)))
    lead = "What cannot be read is wrong. " + "; ".join(f"{name}: {_CONTROLS[name]}" for name in scores.controls) + "."
    heads = [_COLUMNS[name][0] for name in columns]
    table = Table(("questions", *heads), tuple(rows), numbers=frozenset(range(1, len(heads) + 1)), strong=frozenset(strong))
    return tag("div", tag("h3", f"Scores after stage {title(scores.stage)}"), tag("p", lead, class_="note"), table.html())


def _number(name: str, value: float | None) -> str:
    form = _COLUMNS[name][1]
    return "–" if value is None else f"{100 * value:.0f} %" if form == "share" else f"{value:{form}}"


def _figure(answer: Answer) -> Markup:
    if answer.expected_box is not None:
        picture = lines_on(answer.image, outline(answer.expected_box), outline(answer.answered_box), answer.question)
    else:
        picture = points_on(answer.image, answer.expected_pixel, answer.answered_pixel, answer.question)
    return tag("figure", picture, tag("figcaption", tag("b", answer.question), tag("br"), _outcome(answer)))


def _outcome(answer: Answer) -> list[Markup | str]:
    off = _off(answer)
    if off is not None:
        return [*_mark(answer), f"inside, {off:.1f} px from the place that is taught" if answer.right else f"{off:.1f} px off"]
    if answer.answered_box is not None:
        return [*_mark(answer), answer.answered]
    if answer.expected_pixel is not None:
        return [tag("span", "✗", class_="no"), f" no point in the answer: “{answer.answered}”"]
    if answer.answered == answer.expected:
        return [tag("span", "✓", class_="yes"), f" {answer.answered}"]
    return [tag("span", "✗", class_="no"), f" {answer.answered or '(nothing)'}", tag("span", f", right: {answer.expected}", class_="note")]


def _mark(answer: Answer) -> list[Markup | str]:
    if answer.right is None:
        return []
    return [tag("span", "✓", class_="yes") if answer.right else tag("span", "✗", class_="no"), " "]


def _off(answer: Answer) -> float | None:
    if answer.expected_pixel is None or answer.answered_pixel is None:
        return None
    return math.dist(answer.expected_pixel, answer.answered_pixel)


def _median(values: list[float]) -> float:
    return values[(len(values) - 1) // 2]
