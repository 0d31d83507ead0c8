"""praxia doctor: what this machine can do, what is missing, the exact fix."""

from collections.abc import Sequence
from dataclasses import dataclass

from praxia.cli.arguments import parse, print_json
from praxia.errors import ConfigError, unknown
from praxia.workflows.diagnose import diagnose, libero_checks, net_checks


@dataclass(frozen=True)
class Doctor:
    """Options."""

    net: str = ""
    """A geometry net instead of the machine: vggt, vggt-commercial, cut3r, or the folder of a trained one."""
    checkpoint: str = ""
    """Other weights for it: a file, folder or public name."""
    benchmark: str = ""
    """A benchmark with an environment of its own instead of the machine: libero. Nothing is installed."""
    json: bool = False
    """Print JSON."""


def main(arguments: Sequence[str]) -> None:
    """Parse, diagnose, print."""
    options = parse(Doctor, "doctor", arguments, "What this machine can do, what is missing, and the fix.")
    if options.checkpoint and not options.net:
        raise ConfigError(f"--checkpoint {options.checkpoint} says nothing without the net it is of; add --net vggt or another")
    if options.benchmark not in ("", "libero"):
        raise ConfigError(unknown("benchmark with an environment of its own", options.benchmark, ("libero",)))
    if options.net and options.benchmark:
        raise ConfigError(f"--net {options.net} and --benchmark {options.benchmark}: one thing at a time; leave one out")
    if options.benchmark:
        checks = libero_checks()
    else:
        checks = net_checks(options.net, options.checkpoint) if options.net else diagnose()
    if options.json:
        print_json(checks)
        return
    for check in checks:
        mark = {"ok": "ok     ", "missing": "MISSING", "note": "note   "}[check.status]
        print(f"{mark}  {check.name}: {check.found}" + (f"\n         fix: {check.fix}" if check.fix else ""))
