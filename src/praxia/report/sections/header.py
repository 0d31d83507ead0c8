"""Top of the page: what this run is, and where and when and with what it was made."""

from collections.abc import Mapping
from typing import Any

from praxia.report.content import ReportContent
from praxia.report.html import Markup, tag
from praxia.report.tables import plain
from praxia.report.words import duration, title


def header(name: str, content: ReportContent) -> Markup:
    """Name of the run and its facts."""
    summary = content.summary
    known: dict[str, Any] = {
        "recipe": content.recipe,
        "preset": content.preset,
        "time": duration(summary["wall_s"]) if summary.get("wall_s") else None,
        "memory at most": f"{summary['peak_rss_gb']:.1f} GB" if summary.get("peak_rss_gb") else None,
        "commit": content.commit,
        "machine": summary.get("machine"),
        "seeds": {title(what): seed for what, seed in content.seeds.items()},
        "versions": summary.get("versions"),
    }
    facts = [
        tag("div", tag("dt", what), tag("dd", _shown(entry)), class_="wide" if isinstance(entry, Mapping) else None)
        for what, entry in known.items()
        if entry
    ]
    return tag("header", tag("p", "praxia report", class_="kicker"), tag("h1", title(name)), tag("dl", facts, class_="facts"))


def _shown(entry: Any) -> str:
    if isinstance(entry, Mapping):
        return " · ".join(f"{title(str(key))} {plain(inner)}" for key, inner in entry.items() if inner not in ("", None))
    return plain(entry)
