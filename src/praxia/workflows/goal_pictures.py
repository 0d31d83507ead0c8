"""What a run's goal token marks in held-out pictures, and the scores of the stages that learnt to, for the report."""

from collections.abc import Mapping
from dataclasses import replace

import torch

from praxia.data.pixels import view_pixels
from praxia.objectives import TargetMask
from praxia.report.content import GoalFacts, MaskPicture
from praxia.stages.recipe import Stage
from praxia.workflows.goal_scores import ALIGNMENT, MASKS, looked, marked
from praxia.workflows.train_recipe import Trained, stage_model


def goal_facts(trained: Trained, samples: int = 12) -> tuple[GoalFacts, ...]:
    """Of every stage that has scores of masks or of alignment; with pictures of `samples` held-out samples where it marks targets."""
    found = []
    for stage, result in zip(trained.assembly.recipe.stages, trained.results, strict=False):
        masks, alignment = (_by_view(result.metrics, prefix) for prefix in (MASKS, ALIGNMENT))
        if masks or alignment:
            found.append(GoalFacts(stage.name, masks, alignment, _pictures(trained, stage, samples) if masks else ()))
    return tuple(found)


def _by_view(metrics: Mapping[str, float], prefix: str) -> dict[str, dict[str, float]]:
    scores: dict[str, dict[str, float]] = {}
    for name, value in metrics.items():
        if name.startswith(prefix):
            role, score = name.removeprefix(prefix).split("/")
            scores.setdefault(role, {})[score] = value
    return scores


def _pictures(trained: Trained, stage: Stage, samples: int) -> tuple[MaskPicture, ...]:
    model = stage_model(trained, stage)
    _, held_out = trained.assembly.mixtures(stage, model)
    scores = next(w.objective for w in stage.objectives if isinstance(w.objective, TargetMask))
    entry = next(entry for entry in held_out.entries if entry.supervision.needs.horizon > 0)
    examples = list(entry.examples(samples))
    batch, outputs = looked(model, held_out.collate(examples))
    seen = marked(scores, batch, outputs)
    if seen is None or batch.views is None or outputs.visual is None or outputs.visual.image_spec is None:
        return ()
    spec = replace(outputs.visual.image_spec, mean=(0.0,) * 3, std=(1.0,) * 3)
    images = (255 * view_pixels(batch.views, spec)).round().to(torch.uint8).movedim(2, -1).cpu().numpy()
    return tuple(
        MaskPicture(role, images[n, v], example.sample.instruction, seen.truth[n, v].numpy(), seen.predicted[n, v].numpy())
        for n, example in enumerate(examples)
        for v, role in enumerate(seen.roles)
    )
