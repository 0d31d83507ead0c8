"""What a stage's latent of action chunks is worth, for the report: asked of its own last checkpoint, on held-out samples."""

import torch

from praxia.evaluate.latents import history_errors, smoothness, step_errors
from praxia.models.precision import compute
from praxia.report.content import LatentFacts
from praxia.report.curves import Curve, read_curves, updates_until
from praxia.workflows.train_recipe import Trained, stage_model

BATCHES = 8  # held-out steps that are looked at
LEVELS = (0.5, 0.3, 0.2, 0.15, 0.1, 0.07, 0.05, 0.02)  # errors of sampled chunks, normalised units, that a run may come down to


def latent_facts(trained: Trained, device: str = "cpu") -> tuple[LatentFacts, ...]:
    """Of every stage whose head decodes a latent; () of a recipe without."""
    assembly = trained.assembly
    if assembly.model.encoder is None:
        return ()
    found = []
    for stage, result in zip(assembly.recipe.stages, trained.results, strict=False):
        model = stage_model(trained, stage).to(device)
        if model.head is None or model.encoder is None:
            continue
        _, held_out = assembly.mixtures(stage, model)
        batches = [micro.batch.to(device) for micro in held_out.fixed(BATCHES)]
        with compute(torch.device(device), assembly.recipe.precision):
            smooth = smoothness(model, batches, torch.Generator().manual_seed(0))
            history = history_errors(model, batches, torch.Generator().manual_seed(1))
            steps = step_errors(model, batches, torch.Generator().manual_seed(2))
        curves = read_curves(trained.run.stage(stage.name).metrics)
        by_robot = {name.removeprefix("action_error/"): v for name, v in result.metrics.items() if name.startswith("action_error/")}
        pace = paces(curves.held_out.get("action_error"))
        found.append(LatentFacts(stage.name, smooth, history, by_robot, steps, curves.training.get("latent_alignment"), pace))
    return tuple(found)


def paces(error: Curve | None) -> dict[float, float]:
    """Updates until the held-out error was at most each of `LEVELS`, of those that it came down to from above."""
    if error is None or not len(error.value):
        return {}
    points = list(zip(error.step.tolist(), error.value.tolist(), strict=True))
    reached = ((level, updates_until(points, level)) for level in LEVELS if error.value[0] > level)
    return {level: updates for level, updates in reached if updates is not None}
