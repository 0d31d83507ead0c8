"""praxia claims: the central comparison of a recipe's paper, as a controlled experiment."""

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro
from rich.console import Console

from praxia.cli.arguments import parse, print_json
from praxia.cli.train import resolve_device
from praxia.recipes.load import load_claim
from praxia.report.claim_page import budget_rows, success_rows, verdict
from praxia.report.tables import Table
from praxia.train.settings import TrainSettings
from praxia.workflows.claims import run_claim


@dataclass(frozen=True)
class Claims:
    """Options."""

    recipe: Annotated[str, tyro.conf.Positional]
    """Name of a built-in recipe, or path.py:function for a claim of your own."""
    variants: tuple[str, ...] = ()
    """Variants to train, by name; those of the primary contrast if empty."""
    seeds: int | None = None
    """How many training seeds; as many as the claim plans if left out."""
    first_seed: int = 0
    """The first of them: lets two machines share the seeds of a claim, their runs brought into one folder afterwards."""
    out: Path | None = None
    """Folder for the runs, claim.json and claim.md; runs/claims/<recipe> if left out."""
    device: str = "auto"
    """auto, cpu, cuda ..."""
    threads: int = 0
    """CPU threads; 0 = all cores."""
    workers: int | None = None
    """Worker processes that judge; one a core if left out, 0 = this process."""
    list: bool = False
    """Show the variants and stop."""
    quiet: bool = False
    """No progress bars."""
    json: bool = False
    """Print the results as JSON."""


def main(arguments: Sequence[str]) -> None:
    """Parse, train and judge what is missing, print the contrast."""
    options = parse(Claims, "claims", arguments, "A paper's central comparison, run as an experiment. The same command resumes and adds seeds.")
    claim = load_claim(options.recipe)
    if options.list:
        rows = tuple((v.name, "primary" if v.name in claim.primary else "", v.about) for v in claim.variants)
        Console().print(Table(("variant", "contrast", "what it is"), rows).rich(claim.statement))
        return
    out = options.out or Path("runs/claims") / options.recipe.rpartition(":")[2]
    quiet = options.quiet or options.json
    settings = TrainSettings(device=resolve_device(options.device), threads=options.threads, quiet=quiet)
    with redirect_stdout(sys.stderr if options.json else sys.stdout):
        found = run_claim(claim, out, settings, options.variants, options.seeds, options.first_seed, options.workers, not quiet)
    if options.json:
        print_json(found)
        return
    Console().print(success_rows(found["variants"]).rich(claim.statement))
    Console().print(budget_rows(found["variants"]).rich("what each variant was trained on"))
    Console().print(verdict(found["primary"]).replace("**", ""), highlight=False)
    print(f"results: {out / 'claim.json'}\npage: {out / 'claim.md'}")
