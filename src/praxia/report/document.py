"""A whole HTML page that needs nothing else: no script, nothing from elsewhere."""

from praxia.report.html import Child, Markup, tag
from praxia.report.style import STYLE

# The browser itself refuses scripts and anything from elsewhere, whatever the texts inside say.
_POLICY = "default-src 'none'; img-src data:; media-src data:; style-src 'unsafe-inline'"


def document(title: str, *body: Child, style: str = "") -> str:
    """The page with the common style; style: rules of its own behind it."""
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", title),
        tag("style", Markup(STYLE + style)),
    )
    return "<!doctype html>\n" + tag("html", head, tag("body", *body), lang="en") + "\n"
