"""Licences as data: what a tag allows, and which of a run's ingredients a policy refuses (`--license-policy`). Facts as published, no advice."""

from collections.abc import Mapping
from typing import Literal

from praxia.errors import ConfigError

LicensePolicy = Literal["any", "research", "commercial"]

# Tags that a publisher uses, lower case -> whether commercial use is permitted. What is not here is treated as unknown.
_COMMERCIAL: dict[str, bool] = {
    "apache-2.0": True,
    "mit": True,
    "bsd-3-clause": True,
    "bsd-2-clause": True,
    "cc0-1.0": True,
    "cc-by-4.0": True,
    "cc-by-sa-4.0": True,
    "gemma terms of use": True,
    "vggt license": True,  # under its acceptable-use policy
    "cc-by-nc-4.0": False,
    "cc-by-nc-sa-4.0": False,
    "cc-by-nc-nd-4.0": False,
    "vggt-1b non-commercial": False,
    "libero assets": False,  # some objects of LIBERO are for non-commercial use only: LIBERO_OBJECTS
}
# Where the 3D objects of LIBERO are from, and under which terms: pictures of its scenes show them.
LIBERO_OBJECTS: dict[str, str] = {
    "HOPE objects (stable_hope_objects)": "cc-by-nc-sa-4.0",
    "Google Scanned Objects (stable_scanned_objects)": "cc-by-4.0",
    "TurboSquid objects (turbosquid_objects)": "terms not verified",
}
_NO_RESEARCH: frozenset[str] = frozenset({"proprietary", "all rights reserved"})


def commercial_use(licence: str) -> bool | None:
    """Whether a tag permits commercial use; None where nothing is known of it."""
    return _COMMERCIAL.get(licence.strip().lower())


def refused(licence: str, policy: LicensePolicy) -> str:
    """Why a policy refuses a licence, or "" if it does not. `commercial` also refuses what is unknown: nobody has looked it up."""
    if policy == "commercial":
        allowed = commercial_use(licence)
        return "" if allowed else "not for commercial use" if allowed is False else "unknown, nobody has looked up what it permits"
    if policy == "research" and licence.strip().lower() in _NO_RESEARCH:
        return "grants nothing"
    return ""


def check_licences(licences: Mapping[str, str], policy: LicensePolicy, instead: Mapping[str, str] | None = None) -> None:
    """Raises ConfigError that lists everything a policy refuses, and why. instead: what may be used in place of some of it."""
    faults = []
    for name, licence in sorted(licences.items()):
        if why := refused(licence, policy):
            hint = (instead or {}).get(name, "")
            faults.append(f"{name} ({licence}): {why}" + (f"; use {hint}" if hint else ""))
    if faults:
        raise ConfigError(
            f"--license-policy {policy} refuses {len(faults)} of {len(licences)} ingredients:\n  "
            + "\n  ".join(faults)
            + "\n  fix: replace them, or choose another policy; the licence of data of your own stands in its dataset.yaml"
        )
