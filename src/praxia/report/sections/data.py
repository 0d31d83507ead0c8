"""What the policy learned from: numbers of episodes and a contact sheet for every source."""

from praxia.report.content import DataSource, Moment, ReportContent
from praxia.report.html import Markup, section, tag
from praxia.report.pictures import picture
from praxia.report.tables import Table
from praxia.report.words import count, percent, title


def data(content: ReportContent) -> Markup:
    """One part a source."""
    if not content.sources:
        return section("data", "Data", tag("p", "The data of this run were not described.", class_="empty"))
    return section("data", "Data", [_source(source) for source in content.sources])


def _source(source: DataSource) -> Markup:
    used = f"Used in stage{'s' * (len(source.stages) > 1)} {', '.join(title(stage) for stage in source.stages)}. " if source.stages else ""
    total = f"{count(sum(source.episodes.values()))} episodes, {count(source.frames)} frames." if source.episodes else ""
    sheet = tag("div", [_moment(moment) for moment in source.examples], class_="sheet") if source.examples else None
    return tag(
        "div",
        tag("h3", source.name),
        tag("p", f"{source.description} {used}{total}".strip(), class_="lead"),
        source_table(source).html() if source.episodes else None,
        sheet,
    )


def source_table(source: DataSource) -> Table:
    """Episodes by task; with attempts, how many of them the expert solved."""
    if not source.attempts:
        rows = [(title(task), count(kept)) for task, kept in source.episodes.items()]
        return Table(("task", "episodes"), tuple(rows), frozenset({1}))
    rows = [
        (title(task), count(kept), count(source.attempts[task]), percent(kept / source.attempts[task]))
        for task, kept in source.episodes.items()
        if source.attempts.get(task)
    ]
    return Table(("task", "episodes kept", "attempts", "expert succeeds"), tuple(rows), frozenset({1, 2, 3}))


def _moment(moment: Moment) -> Markup:
    views = [picture(image, f"{role} view: {moment.text}") for role, image in moment.views.items()]
    return tag("figure", tag("div", views, class_="views"), tag("figcaption", f"“{moment.text}”"))
