"""Numbers as people read them. A narrow no-break space stands between number and unit."""

import math

_THIN = "\u202f"


def percent(share: float) -> str:
    """0.62 -> 62 %."""
    return f"{100 * share:.0f}{_THIN}%"


def duration(seconds: float) -> str:
    """432 -> 7 min 12 s."""
    if seconds < 9.95:
        return f"{seconds:.1f}{_THIN}s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}{_THIN}h {minutes:02d}{_THIN}min"
    return f"{minutes}{_THIN}min {rest:02d}{_THIN}s" if minutes else f"{rest}{_THIN}s"


def count(number: float) -> str:
    """192000 -> 192 000; from a million on 2.41 M."""
    if number >= 1e9:
        return f"{number / 1e9:.3g}{_THIN}B"
    if number >= 1e6:
        return f"{number / 1e6:.3g}{_THIN}M"
    return f"{number:,.0f}".replace(",", _THIN)


def value(number: float | None) -> str:
    """A loss or an error: three digits that matter; a dash where there is none."""
    return "–" if number is None or not math.isfinite(number) else f"{number:.3g}"


def title(name: str) -> str:
    """pick_and_place -> pick and place."""
    return name.replace("_", " ")
