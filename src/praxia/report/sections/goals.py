"""Where the target is and how far things are: masks of the goal token over held-out pictures, and nearness to a geometry net's features."""

from collections.abc import Mapping, Sequence

from praxia.report.content import GoalFacts, MaskPicture, ReportContent
from praxia.report.html import Markup, section, tag
from praxia.report.overlays import around, lines_legend, lines_on
from praxia.report.tables import Table
from praxia.report.words import count, title

_MASKS = {
    "mean IoU where the target is seen": ("iou", "blind_iou"),
    "share above IoU 0.5": ("iou_50", ""),
    "fewer than 12 pixels where it is out of sight": ("silent", ""),
    "not a pixel where it is out of sight": ("empty", ""),
}
_ALIGNMENT = {"cosine after taking away the training mean": ("centred_cosine", "blind_centred_cosine"), "cosine": ("cosine", "blind_cosine")}


def goals(content: ReportContent) -> Markup | None:
    """Stage by stage; None for a recipe without a goal token and without a geometry teacher."""
    if not content.goals:
        return None
    return section("goals", "Target and geometry", [_stage(facts) for facts in content.goals])


def _stage(facts: GoalFacts) -> Markup:
    parts: list[Markup] = [tag("h3", title(facts.stage))]
    if facts.masks:
        seen = ", ".join(f"{role} {count(of['seen'])} and {count(of['out_of_sight'])}" for role, of in facts.masks.items())
        lead = (
            "One token says in every view which pixels show the thing that is to be manipulated. Held-out episodes; masks are compared at "
            f"64 x 64, where at least 12 pixels show the target; views with and without it: {seen}. In brackets: the usual mask of training "
            "pictures, without looking."
        )
        parts += [tag("p", lead, class_="note"), _table(facts.masks, _MASKS, 2)]
    if facts.pictures:
        views = len(dict.fromkeys(picture.role for picture in facts.pictures)) or 1
        samples = [facts.pictures[i : i + views] for i in range(0, len(facts.pictures), views)]
        parts += [lines_legend(), tag("div", [_figure(sample) for sample in samples], class_="sheet wide")]
    if facts.alignment:
        lead = (
            "Projected visual states beside the features of the geometry net that taught them, as directions, on held-out episodes; in "
            "brackets the mean feature of training pictures, which is what a projector that does not look can learn."
        )
        parts += [tag("p", lead, class_="note"), _table(facts.alignment, _ALIGNMENT, 3)]
    return tag("div", *parts)


def _table(scores: Mapping[str, Mapping[str, float]], names: Mapping[str, tuple[str, str]], digits: int) -> Markup:
    def cell(found: Mapping[str, float], name: str, blind: str) -> str:
        if name not in found:
            return "–"
        return f"{found[name]:.{digits}f}" + (f" ({found[blind]:.{digits}f})" if blind in found else "")

    rows = tuple((words, *(cell(found, *pair) for found in scores.values())) for words, pair in names.items())
    return Table(("", *scores), rows, numbers=frozenset(range(1, len(scores) + 1))).html()


def _figure(sample: Sequence[MaskPicture]) -> Markup:
    shown = [_picture(picture) for picture in sample]
    return tag("figure", shown, tag("figcaption", tag("b", sample[0].instruction), tag("br"), ", ".join(picture.role for picture in sample)))


def _picture(shown: MaskPicture) -> Markup:
    height, width = shown.image.shape[:2]
    return lines_on(shown.image, around(shown.truth, (height, width)), around(shown.marked, (height, width)), f"{shown.role}: {shown.instruction}")
