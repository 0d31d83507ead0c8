"""What the latent of a finished run of Action Priors is worth, stage by stage, as its report draws it.

    python benchmarks/latents.py runs/action_priors [--out docs/results/action_priors_latent.json]

Held-out samples: cosine of predicted and encoded latent, errors of chunks decoded from a latent that is turned or lies between two, with 10 and 4
integration steps, and, with history, without the true past.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from praxia.files import read_json, write_json
from praxia.recipes import action_priors, action_priors_history, unified  # noqa: F401 - what configurations name
from praxia.registry import from_json
from praxia.stages.recipe import Recipe
from praxia.stages.run_directory import CONFIG, DONE
from praxia.workflows.latents import latent_facts
from praxia.workflows.summary import machine
from praxia.workflows.train_recipe import train_recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if not (options.run / CONFIG).is_file():
        parser.error(f"{options.run}: no run is there (it has no {CONFIG}); give the folder that `praxia train` wrote")
    recipe = from_json(read_json(options.run / CONFIG)["recipe"])
    assert isinstance(recipe, Recipe)
    if recipe.model.encoder is None:
        parser.error(f"{options.run}: recipe {recipe.name!r} has no latent of actions")
    for stage in recipe.stages:
        if not (options.run / "stages" / stage.name / DONE).is_file():
            parser.error(f"{options.run}: stage {stage.name!r} is not finished; finish it with the command that began the run")
    found = {}
    for facts in latent_facts(train_recipe(recipe, options.run)):
        alignment = facts.alignment.value if facts.alignment is not None else []
        cosines = [1 - float(a) / 2 for a in alignment]  # the loss is 2 - 2 cos
        found[facts.stage] = {
            "cosine": {"first": cosines[0], "last": cosines[-1]} if cosines else None,
            "smoothness": asdict(facts.smoothness) if facts.smoothness is not None else None,
            "error_by_robot": facts.by_robot,
            "error_by_integration_steps": facts.steps,
            "error_by_history": facts.history,
            "updates_until_error": facts.pace,
        }
    print(json.dumps(found, indent=1))
    if options.out:
        write_json(options.out, found | {"machine": machine()})


if __name__ == "__main__":
    main()
