"""praxia doctor: what this machine can do, what is missing, the exact fix."""

from collections.abc import Sequence
from dataclasses import dataclass

from praxia.cli.arguments import parse, print_json
from praxia.workflows.diagnose import diagnose


@dataclass(frozen=True)
class Doctor:
    """Options."""

    json: bool = False
    """Print JSON."""


def main(arguments: Sequence[str]) -> None:
    """Parse, diagnose, print."""
    options = parse(Doctor, "doctor", arguments, "What this machine can do, what is missing, and the fix.")
    checks = diagnose()
    if options.json:
        print_json(checks)
        return
    for check in checks:
        mark = {"ok": "ok     ", "missing": "MISSING", "note": "note   "}[check.status]
        print(f"{mark}  {check.name}: {check.found}" + (f"\n         fix: {check.fix}" if check.fix else ""))
