"""praxia info: what a recipe is, without training it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import tyro
from rich.console import Console

from praxia.cli.arguments import flag_names, parse_known, print_json
from praxia.recipes.load import load_recipe, override
from praxia.report.words import count
from praxia.workflows.describe import describe, slot_table, stage_table


@dataclass(frozen=True)
class Info:
    """Options; further flags set fields of the recipe, as in `praxia train`."""

    recipe: Annotated[str, tyro.conf.Positional]
    """Name of a built-in recipe, or path.py:function."""
    preset: str = "tiny"
    """tiny or paper."""
    json: bool = False
    """Print JSON."""


def main(arguments: Sequence[str]) -> None:
    """Parse, describe, print."""
    options, rest = parse_known(Info, "info", arguments, "Parameters, token layout, FLOPs, memory, stages and licences of a recipe.")
    recipe = replace(override(load_recipe(options.recipe, options.preset), rest, flag_names(Info)), preset=options.preset)
    facts = describe(recipe)
    if options.json:
        print_json(facts)
        return
    console = Console()
    console.print(stage_table(recipe).rich(f"{recipe.name} ({recipe.preset})"))
    parts = ", ".join(f"{name} {count(size)}" for name, size in facts["parameters"]["by_module"].items())
    print(f"parameters: {count(facts['parameters']['total'])} ({parts})")
    for name, layout in facts["layout"].items():
        memory = facts["memory_gb"][name]
        flops = facts["flops_per_sample"][name] / 1e9
        print(f"\nstage {name}: {count(facts['trainable_by_stage'][name])} trainable, {flops:.2f} GFLOP a training sample,")
        print(f"  {memory['state']:.2f} GB weights, moments and gradients, {memory['at_batch']:.2f} GB with fp32 activations of the whole batch")
        print("\n".join("  " + line for line in layout.splitlines()))
    if facts["slots"]:
        print()
        console.print(slot_table(facts["slots"]).rich("unified vectors"))
    print(f"\nadded tokens: {facts['added_tokens']['count']}; reused: {', '.join(facts['reused_tokens']) or 'none'}")
    print("licences: " + (", ".join(f"{k}: {v}" for k, v in facts["licences"].items()) or "none beyond those of the data"))
