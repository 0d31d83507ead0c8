"""Licences and provenance of everything that went into the policy."""

from praxia.report.content import ReportContent
from praxia.report.html import Markup, section, tag
from praxia.report.tables import Table
from praxia.report.words import title


def provenance(content: ReportContent) -> Markup:
    """One row an ingredient."""
    if not content.ingredients:
        return section("licences", "Licences and provenance", tag("p", "No ingredients were listed.", class_="empty"))
    return section("licences", "Licences and provenance", licence_table(content).html())


def licence_table(content: ReportContent) -> Table:
    """What, which kind, under which licence, from where, used in which stages."""
    rows = [(i.name, i.kind, i.licence, i.origin or "–", ", ".join(title(stage) for stage in i.stages) or "–") for i in content.ingredients]
    return Table(("ingredient", "kind", "licence", "origin", "used in"), tuple(rows))
