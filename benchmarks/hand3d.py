"""Hand3D-test of VIPA-VLA (Table 8): metric questions about clips of hands that nothing was trained on, put to a stage of a run or to a raw model.

    python benchmarks/hand3d.py clips/hands --run runs/vipa_vla [--stage spatial_vqa] [--samples 2000] [--out FILE]
    python benchmarks/hand3d.py clips/hands --raw OpenGVLab/InternVL3_5-2B-HF --example

The folder is what `praxia annotate hands` wrote; its clips of the split held_out are asked about, with the majority answer of its split train, blank
pictures and (where there is one) the model without its 3-D encoder beside. --example: every question names an answer of the form that is wanted, as
the paper does for the raw model, which was never taught that form.
"""

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from praxia.cli.train import resolve_device
from praxia.data.hand_clips import CommonCamera, HandQuestions
from praxia.data.supervision import SpatialVQA
from praxia.errors import ConfigError, DataError, PraxiaError, unknown
from praxia.evaluate.hand3d import ALL
from praxia.files import read_json, write_json
from praxia.models.backbones.internvl import InternVL
from praxia.recipes import unified  # noqa: F401 - what configurations name
from praxia.recipes.vipa_vla import HAND3D_TEST, paper
from praxia.registry import from_json
from praxia.report.tables import Table
from praxia.stages.recipe import Recipe, Source, Stage
from praxia.stages.run_directory import CONFIG, DONE
from praxia.stages.weights import load_state, read_weights
from praxia.workflows.assemble import assemble
from praxia.workflows.hand_answers import hand_metrics
from praxia.workflows.summary import machine

CONTROLS = {"": "model", "/no_geometry": "without geometry", "/blank": "blank pictures", "/majority": "majority answer"}


def of_run(root: Path, name: str) -> tuple[Recipe, Stage, Path]:
    """Recipe, stage and its last checkpoint."""
    if not (root / CONFIG).is_file():
        raise ConfigError(f"{root}: no run is there (it has no {CONFIG}); give the folder that `praxia train` wrote")
    recipe = from_json(read_json(root / CONFIG)["recipe"])
    stages = {stage.name: stage for stage in recipe.stages if any(isinstance(s.supervision, SpatialVQA) for s in stage.sources)}
    if name not in stages:
        raise ConfigError(f"--stage: {unknown('stage that answers metric questions', name, stages)}")
    folder = root / "stages" / name
    if not (folder / DONE).is_file():
        raise ConfigError(f"{root}: stage {name!r} is not finished; finish it with the command that began the run")
    return recipe, stages[name], folder / read_json(folder / DONE)["result"]["checkpoint"]


def raw(checkpoint: str) -> tuple[Recipe, Stage]:
    """A public InternVL as it comes: no 3-D encoder, no motion tokens."""
    recipe = paper()
    model = replace(recipe.model, backbone=InternVL(checkpoint=checkpoint), adapters=(), tokens=(), order=("views", "prompt", "target"), head=None)
    stage = replace(recipe.stages[0], parts=("backbone",), trainable=("backbone.*",))
    return replace(recipe, model=replace(model, vocabulary=None), tokenizer=replace(recipe.tokenizer, name=checkpoint), stages=(stage,)), stage


def questions_of(stage: Stage, folder: str, example: bool) -> dict[str, tuple[Source, ...]]:
    """Sources of the stage with the folder's clips in place of its own, seen as it saw those."""
    taught = next(s for s in stage.sources if isinstance(s.supervision, SpatialVQA))
    seen: dict[str, Any] = {"size": getattr(taught.data, "size", 0), "camera": getattr(taught.data, "camera", CommonCamera(448))}
    asked = replace(taught.supervision, example=example)
    train, held_out = (Source(HandQuestions(folder, split, **seen), asked) for split in ("train", "held_out"))
    return {"sources": (train,), "held_out": (held_out,)}


def scores(recipe: Recipe, stage: Stage, weights: Path | None, folder: str, samples: int, example: bool, device: str) -> dict[str, float]:
    """Of all questions of the folder's held-out clips (`hand_metrics`)."""
    stage = replace(stage, **questions_of(stage, folder, example), init_from=(), teachers=())
    assembly = assemble(replace(recipe, stages=(stage,)))
    model = assembly.build(stage)
    if weights is not None:
        load_state(model, read_weights(weights), str(weights))
    mixtures = assembly.mixtures(stage, model)
    with torch.inference_mode():
        found = hand_metrics(*mixtures, model.eval().to(device), assembly.tokenizer, samples)
    if f"spatial_vqa/{ALL}/asked" not in found:
        raise DataError(f"{folder}: none of its held-out questions can be asked; see its clips.parquet for what was rejected and why")
    return found


def table(found: dict[str, float]) -> Table:
    """A row for what answers, over all questions."""
    rows = []
    for control, name in CONTROLS.items():
        at = {key: found.get(f"spatial_vqa/{ALL}/{key}{control}") for key in ("direction", "distance", "unreadable")}
        if any(value is not None for value in at.values()):
            rows.append((name, *("–" if value is None else f"{value:.2f}" for value in at.values())))
    return Table(("answers of", "direction of 3", "distance off (m)", "unreadable"), tuple(rows), frozenset({1, 2, 3}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", help="that `praxia annotate hands` wrote")
    whose = parser.add_mutually_exclusive_group(required=True)
    whose.add_argument("--run", type=Path, help="folder that `praxia train` wrote")
    whose.add_argument("--raw", metavar="CHECKPOINT", help="a public InternVL, by name or folder")
    parser.add_argument("--stage", help="of the run; spatial_vqa if left out")
    parser.add_argument("--samples", type=int, default=HAND3D_TEST, help="questions, half of them about a task that is held out whole")
    parser.add_argument("--example", action="store_true", help="name an answer of the wanted form in every question")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda ...")
    parser.add_argument("--out", type=Path, help="JSON file for the scores")
    options = parser.parse_args()
    if options.samples < 2:
        parser.error(f"--samples {options.samples}: expected at least 2")
    if options.raw and options.stage:
        parser.error("--stage is of a run; leave it out beside --raw")
    try:
        recipe, stage, weights = of_run(options.run, options.stage or "spatial_vqa") if options.run else (*raw(options.raw), None)
        device = resolve_device(options.device)
        found = scores(recipe, stage, weights, options.folder, options.samples, options.example, device)
    except PraxiaError as error:
        parser.error(str(error))
    Console().print(table(found).rich(f"{options.run or options.raw}, stage {stage.name}: {found[f'spatial_vqa/{ALL}/asked']:.0f} questions"))
    if options.out:
        write_json(options.out, {"of": str(options.run or options.raw), "stage": stage.name, "scores": found, "machine": machine()})


if __name__ == "__main__":
    main()
