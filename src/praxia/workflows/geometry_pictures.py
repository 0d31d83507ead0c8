"""What a run's geometry nets see of held-out scenes, for the report."""

import torch

from praxia.report.content import DepthPicture, GeometryFacts
from praxia.specs import ImageSpec
from praxia.workflows.geometry_scores import SCORES, Looked, batches, look, scenes
from praxia.workflows.train_recipe import Trained, stage_model


def geometry_facts(trained: Trained, samples: int = 4) -> tuple[GeometryFacts, ...]:
    """Of every stage that trained a geometry net: its scores, and pictures of a few held-out samples; () of a recipe without."""
    assembly, found = trained.assembly, []
    if assembly.model.geometry is None:
        return ()
    for stage, result in zip(assembly.recipe.stages, trained.results, strict=False):
        model = stage_model(trained, stage)
        if model.geometry is None:
            continue
        _, held_out = assembly.mixtures(stage, model)
        looked = [look(model.geometry, batch) for entry in scenes(held_out) for batch in batches(held_out, entry, samples)]
        pictures = tuple(picture for one in looked for picture in _pictures(one, model.geometry.image_spec))
        scores: dict[str, dict[str, float]] = {}
        for name, value in result.metrics.items():
            if name.startswith(SCORES):
                role, score = name.removeprefix(SCORES).split("/")
                scores.setdefault(role, {})[score] = value
        found.append(GeometryFacts(stage.name, scores, pictures))
    return tuple(found)


def _pictures(looked: Looked, spec: ImageSpec) -> list[DepthPicture]:
    mean, std = (torch.tensor(values)[:, None, None] for values in (spec.mean, spec.std))
    shown = (255 * (looked.pixels * std + mean).clamp(0, 1)).round().to(torch.uint8).movedim(2, -1)
    maps = (looked.truth.depth, looked.made.depth, looked.made.depth_confidence)
    return [
        DepthPicture(role, shown[n, v].numpy(), *(m[n, v].numpy() for m in maps)) for n in range(len(shown)) for v, role in enumerate(looked.roles)
    ]
