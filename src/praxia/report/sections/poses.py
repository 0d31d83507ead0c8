"""Poses as language: what the pose stages say about held-out pictures, drawn over them."""

from praxia.report.content import PosePicture, ReportContent
from praxia.report.html import Markup, section, tag
from praxia.report.overlays import lines_legend, lines_on
from praxia.report.words import title


def poses(content: ReportContent) -> Markup | None:
    """Boxes and paths, stage by stage; None for a recipe without stages of poses."""
    if not content.poses:
        return None
    stages = list(dict.fromkeys(picture.stage for picture in content.poses))
    parts: list[Markup] = []
    for stage in stages:
        figures = [_figure(picture) for picture in content.poses if picture.stage == stage]
        parts += [tag("h3", title(stage)), tag("div", figures, class_="sheet wide")]
    lead = "Held-out pictures with what each stage's model says right after that stage, written as tokens and read back."
    return section("poses", "Poses", tag("p", lead, class_="lead"), lines_legend(), *parts)


def _figure(picture: PosePicture) -> Markup:
    caption = tag("figcaption", tag("b", picture.words), tag("br"), picture.note)
    return tag("figure", lines_on(picture.image, picture.expected, picture.answered, picture.words), caption)
