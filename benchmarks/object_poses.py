"""How well finished pose stages say poses, on all their held-out scenes, one run beside the other.

    for inputs in "rgb --model.adapters.0.drop_rays 1 --model.adapters.0.drop_depth 1" "rays --model.adapters.0.drop_depth 1" \
                  "depth --model.adapters.0.drop_rays 1" "both"; do set -- $inputs; praxia train pose_vla --name poses_$1 ...; done
    python benchmarks/object_poses.py object_poses runs/poses_rgb runs/poses_both [--samples 150] [--said median] [--out JSON]

Every class that a held-out picture shows is asked for. Each run is opened with the configuration that it kept.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

from praxia.files import read_json, write_json
from praxia.recipes import action_priors, pose_vla  # noqa: F401 - what configurations name
from praxia.registry import from_json
from praxia.stages.recipe import Recipe
from praxia.stages.run_directory import DONE
from praxia.workflows.pose_answers import pose_metrics
from praxia.workflows.summary import machine
from praxia.workflows.train_recipe import stage_model, train_recipe


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage")
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--samples", type=int, default=150)
    parser.add_argument("--said", choices=("likeliest", "median"), help="bin of a number that an answer gets; the run's own if left out")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    for root in options.runs:
        if not (root / "stages" / options.stage / DONE).is_file():
            parser.error(f"{root}: stage {options.stage!r} is not finished; finish it with the command that began the run")
    rows = {}
    for root in options.runs:
        recipe = from_json(read_json(root / "config.json")["recipe"])
        assert isinstance(recipe, Recipe)
        trained = train_recipe(recipe, root, only=options.stage)
        stage = next(s for s in recipe.stages if s.name == options.stage)
        _, held_out = trained.assembly.mixtures(stage, stage_model(trained, stage))
        model = stage_model(trained, stage)
        vocabulary = trained.assembly.model.vocabulary
        if options.said:
            vocabulary = replace(vocabulary, spec=replace(vocabulary.spec, said=options.said))
        scores = pose_metrics(held_out, model, trained.assembly.tokenizer, vocabulary, options.samples)
        rows[root.name] = scores | {"training samples": trained.results[0].samples, "seconds": trained.results[0].seconds}
        print(root.name, json.dumps(rows[root.name], indent=1), flush=True)
        if options.out:
            write_json(options.out, {"stage": options.stage, "samples": options.samples, "runs": rows, "machine": machine()})


if __name__ == "__main__":
    main()
