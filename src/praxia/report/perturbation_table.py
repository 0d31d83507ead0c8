"""Success by category and level of perturbation, beside the same tasks unperturbed."""

from collections.abc import Mapping
from typing import Any

from praxia.report.conditions import rate_of
from praxia.report.tables import Table, interval
from praxia.report.words import title


def level_table(results: Mapping[str, Any]) -> Table:
    """Rows: unperturbed, the categories, all of them weighted; columns: all levels, then each. results: of `praxia.evaluate`, or a summary."""
    found = results["perturbed"]
    levels = list(found["per_level"])

    def row(name: str, whole: Mapping[str, Any] | None, cells: Mapping[str, Any]) -> tuple[str, ...]:
        return (name, *(interval(rate_of(r, f"perturbed.{name}") if r else None) for r in (whole, *(cells.get(n) for n in levels))))

    rows = [row("unperturbed", found["unperturbed"], {})]
    rows += [row(title(c), rate, found["per_category_and_level"][c]) for c, rate in found["per_category"].items()]
    rows.append(row("Total, weighted", results["success"], found["per_level"]))
    columns = ("category", "all levels", *(f"level {n}" for n in levels))
    return Table(columns, tuple(rows), frozenset(range(1, len(columns))), frozenset({len(rows) - 1}))
