"""HTML from Python values: everything is escaped unless it is Markup already."""

from collections.abc import Iterable
from html import escape

_VOID = ("img", "meta", "br", "hr", "col", "wbr")


class Markup(str):
    """Text that is HTML already and is not escaped again."""

    __slots__ = ()


Child = str | Markup | None | Iterable["Child"]


def tag(name: str, /, *children: Child, **attributes: str | int | float | bool | None) -> Markup:
    """One element. Attributes: `class_` -> class, `_` -> `-`; None and False are left out, True stands alone."""
    written = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escape(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Markup(f"<{name}{written}>" if name in _VOID else f"<{name}{written}>{join(children)}</{name}>")


def join(children: Child) -> Markup:
    """Children one after another."""
    if children is None:
        return Markup()
    if isinstance(children, Markup):
        return children
    if isinstance(children, str):
        return Markup(escape(children))
    return Markup("".join(join(child) for child in children))


def folded(title: str, *children: Child) -> Markup:
    """A part that opens when its title is chosen."""
    return tag("details", tag("summary", title), *children)


def section(anchor: str, title: str, *children: Child) -> Markup:
    """A part of the page with a heading that can be linked to."""
    return tag("section", tag("h2", title), *children, id=anchor)
