"""praxia quickstart: data, training in stages, closed-loop test beside controls, report.html."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from praxia.cli.arguments import parse_known
from praxia.cli.train import resolve_device
from praxia.files import read_json
from praxia.report.conditions import conditions, verdict
from praxia.report.tables import success_table
from praxia.train.settings import TrainSettings
from praxia.workflows.quickstart import EPISODES, quickstart


@dataclass(frozen=True)
class Quickstart:
    """Options; further flags set fields of the recipe, as in `praxia train`."""

    out: Path = Path("runs/quickstart")
    """Run folder."""
    episodes: int = EPISODES
    """Test episodes a task."""
    device: str = "auto"
    """auto, cpu, cuda ..."""
    restart: bool = False
    """Begin again even if the folder holds results."""
    quiet: bool = False
    """No progress bars."""


def main(arguments: Sequence[str]) -> None:
    """Parse, run, print the success table and where the report is."""
    options, rest = parse_known(Quickstart, "quickstart", arguments, "The whole story on this machine. A stopped quickstart goes on where it was.")
    settings = TrainSettings(device=resolve_device(options.device), quiet=options.quiet)
    report = quickstart(options.out, settings, rest, episodes=options.episodes, restart=options.restart, show=not options.quiet)
    summary = read_json(options.out / "summary.json")
    found = conditions(summary)
    Console().print(success_table(found).rich("success in closed loop, held-out episodes"))
    print(verdict(found).text)
    print(f"{summary['wall_s'] / 60:.1f} minutes, {summary['peak_rss_gb']:.1f} GB resident\nreport: {report}")
    print(f"policy: {options.out / 'policy'}\n  serve it: praxia serve {options.out / 'policy'}")
