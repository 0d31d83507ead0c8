"""Tables: the same rows for the terminal (rich) and for the page (HTML)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import rich.box
import rich.table

from praxia.evaluate.intervals import Paired, Rate
from praxia.report.conditions import Condition
from praxia.report.html import Markup, tag
from praxia.report.words import count, duration, percent, title, value


@dataclass(frozen=True)
class Table:
    """Columns and rows of text. The first column names the row; numbers: columns set right. strong: rows that stand out, e.g. the mean."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numbers: frozenset[int] = frozenset()
    strong: frozenset[int] = frozenset()

    def html(self) -> Markup:
        """A table that scrolls sideways where the screen is narrow."""
        head = tag("tr", [tag("th", name, scope="col", class_=self._class(i)) for i, name in enumerate(self.columns)])
        body = [tag("tr", self._cells(row), class_="strong" if n in self.strong else None) for n, row in enumerate(self.rows)]
        return tag("div", tag("table", tag("thead", head), tag("tbody", body)), class_="scroll", tabindex=0)

    def rich(self, heading: str | None = None) -> rich.table.Table:
        """For `rich.console.Console().print`."""
        table = rich.table.Table(title=heading, title_justify="left", box=rich.box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
        for i, name in enumerate(self.columns):
            table.add_column(name, justify="right" if i in self.numbers else "left", overflow="fold")
        for n, row in enumerate(self.rows):
            table.add_row(*map(rich.table.Text, row), style="bold" if n in self.strong else None)  # type: ignore[attr-defined]
        return table

    def markdown(self) -> str:
        """For a page that is kept as Markdown."""
        lines = [self.columns, tuple("--:" if i in self.numbers else "---" for i in range(len(self.columns)))]
        lines += [tuple(f"**{cell}**" for cell in row) if n in self.strong else row for n, row in enumerate(self.rows)]
        return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)

    def _cells(self, row: Sequence[str]) -> list[Markup]:
        return [tag("th", row[0], scope="row")] + [tag("td", cell, class_=self._class(i)) for i, cell in enumerate(row[1:], 1)]

    def _class(self, column: int) -> str | None:
        return "number" if column in self.numbers else None


def interval(rate: Rate | None) -> str:
    """62 % (52 to 71)."""
    return "–" if rate is None else f"{percent(rate.rate)} ({100 * rate.low:.0f} to {100 * rate.high:.0f})"


def success_table(found: Sequence[Condition]) -> Table:
    """One row a task, or a category of perturbations, and the mean; a column for the policy and each control.

    Episodes stand as policy / controls where they differ.
    """
    policy = found[0]

    def row(name: str, rates: list[Rate | None]) -> tuple[str, ...]:
        episodes = dict.fromkeys(str(rate.episodes) for rate in rates if rate is not None)
        return (name, *map(interval, rates), " / ".join(episodes))

    rows = [row(title(task), [c.per_task.get(task) for c in found]) for task in policy.per_task]
    rows.append(row(policy.mean_name if rows else "all episodes", [c.mean for c in found]))
    columns = (policy.by, *(c.label for c in found), "episodes")
    return Table(columns, tuple(rows), frozenset(range(1, len(columns))), frozenset({len(rows) - 1}))


def paired_table(found: Paired) -> Table:
    """Two policies on the episodes of one plan: a row each, then their difference with the exact McNemar test."""
    difference = f"{100 * found.difference:+.0f} ({100 * found.low:+.0f} to {100 * found.high:+.0f})"
    rows = (
        ("first", interval(found.first), str(found.only_first)),
        ("second", interval(found.second), str(found.only_second)),
        ("first - second, points", difference, f"McNemar p = {found.p_value:.3g}"),
    )
    return Table(("policy", "success", f"solved alone, of {found.episodes}"), rows, frozenset({1, 2}), frozenset({2}))


def paired_categories_table(found: Mapping[str, Paired]) -> Table:
    """Two policies on the episodes of one plan, by category of perturbation."""
    rows = [
        (name, interval(p.first), interval(p.second), f"{100 * p.difference:+.0f} ({100 * p.low:+.0f} to {100 * p.high:+.0f})", str(p.episodes))
        for name, p in found.items()
    ]
    return Table(("category", "first", "second", "first - second, points", "episodes"), tuple(rows), frozenset({1, 2, 3, 4}))


def stage_table(stages: Sequence[Mapping[str, Any]], training_losses: Mapping[str, float | None]) -> Table:
    """One row a stage. training_losses: stage -> its loss at the end of training."""
    columns = ["stage", "time", "samples", "samples/s", "trained parameters", "training loss", "held-out loss", "held-out action error"]
    rows = [
        [
            title(stage["name"]),
            duration(stage["seconds"]),
            count(stage["samples"]),
            count(stage["samples"] / stage["seconds"]) if stage["seconds"] else "–",
            count(stage["trainable_parameters"]) if stage.get("trainable_parameters") else "–",
            value(training_losses.get(stage["name"])),
            value(stage.get("metrics", {}).get("loss")),
            value(stage.get("metrics", {}).get("action_error")),
        ]
        for stage in stages
    ]
    used = [i for i in range(len(columns)) if i < 4 or any(row[i] != "–" for row in rows)]  # what no stage knows is no column
    return Table(tuple(columns[i] for i in used), tuple(tuple(row[i] for i in used) for row in rows), frozenset(range(1, len(used))))


def loss_table(training: Mapping[str, float | None], held_out: Mapping[str, float]) -> Table:
    """Every loss of one stage at its end. training: by loss name; held_out: by `loss` or `supervision/loss`."""
    rows = [(name, value(training.get(name)), value(held_out.get(name))) for name in training if "/" not in name]
    rows += [(name, "–", value(number)) for name, number in held_out.items() if name not in training]
    return Table(("loss", "training, last 5 %", "held out"), tuple(rows), frozenset({1, 2}))


def facts(pairs: Mapping[str, Any]) -> Table:
    """Names and values."""
    return Table(("what", "value"), tuple((title(str(name)), plain(entry)) for name, entry in pairs.items()))


def plain(entry: Any) -> str:
    """A JSON value as words."""
    if isinstance(entry, Mapping):
        return ", ".join(f"{key}: {plain(inner)}" for key, inner in entry.items())
    if isinstance(entry, list | tuple):
        return ", ".join(map(plain, entry))
    if isinstance(entry, float):
        return f"{entry:.4g}"
    return "–" if entry is None else str(entry)
