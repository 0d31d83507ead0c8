"""What a linear map reads of where things are: features of a geometry net beside those of `base_vlm`'s vision tower.

    python benchmarks/geometry_probe.py runs/tabletop_geometry/geometry [--run runs/base_vlm] [--out docs/results/geometry_probe.json]

For every visible object of held-out scenes (tabletop's benchmark split) the feature at its centre's pixel is taken, and ridge regression maps it to
the centre in the camera's frame. Fitted on one half of the episodes, scored on the other. Pictures alone for both; for the tower also with its rays
and depth. "pixel": the same regression on nothing but where in the picture the centre is.
--run: where `base_vlm` is trained (a minute), if it is not there.
"""

import argparse
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from praxia.data.batch import Batch, ViewBatch
from praxia.data.collate import view_batch
from praxia.data.pixels import canvas_transform
from praxia.data.resampling import homogeneous
from praxia.data.sample import Sample
from praxia.data.supervision.scene_questions import visible_objects
from praxia.data.supervision.supervision import Needs
from praxia.files import write_json
from praxia.geometry.se3 import apply, invert
from praxia.models.geometry_nets.geometry_net import pretrained
from praxia.models.vla import VLA
from praxia.policy.net_catalogue import net_spec
from praxia.recipes.load import load_recipe
from praxia.recipes.tabletop_geometry import ROLES, scenes
from praxia.specs import ImageSpec
from praxia.workflows.summary import machine
from praxia.workflows.train_recipe import stage_model, train_recipe

Features = Callable[[ViewBatch], tuple[Tensor, ImageSpec]]  # maps [B, V, h, w, C] on the square of a spec
AT_ONCE = 32
RIDGES = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)


def tower(model: VLA, priors: bool) -> Features:
    """Patch tokens of the vision tower, after the adapters that add rays and depth if `priors`."""
    backbone = model.backbone
    assert backbone is not None

    def features(views: ViewBatch) -> tuple[Tensor, ImageSpec]:
        batch = Batch(size=len(views.valid), views=views)
        if priors:
            visual = model._encoded(backbone, batch, model.draw(batch, torch.Generator()))
        else:
            visual = backbone.encode_views(batch, [])
        assert visual is not None
        return visual.patches.unflatten(2, visual.patch_grid), backbone.image_spec

    return features


def examples(samples: list[Sample], features: Features) -> dict[str, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """By role: features [N, C], centres [N, 3] in the camera's frame, and number of the sample [N]."""
    found: dict[str, list[tuple[np.ndarray, np.ndarray, int]]] = {}
    for start in range(0, len(samples), AT_ONCE):
        some = samples[start : start + AT_ONCE]
        views = view_batch([s.views for s in some])
        with torch.no_grad():
            maps, spec = features(views)
        to_square = homogeneous(canvas_transform(views.size.flatten(0, 1), spec)).unflatten(0, views.valid.shape)
        for b, sample in enumerate(some):
            for v, view in enumerate(sample.views):
                assert view.camera is not None and view.camera.T_base_cam is not None
                for seen in visible_objects(sample.objects, view):
                    at = (to_square[b, v] @ torch.tensor([*seen.pixel, 1.0], dtype=torch.float64))[:2]
                    where = (2 * (at + 0.5) / spec.size - 1).float().view(1, 1, 1, 2)
                    feature = F.grid_sample(maps[b, v].movedim(-1, 0)[None].float(), where, padding_mode="border", align_corners=False)[0, :, 0, 0]
                    centre = apply(invert(view.camera.T_base_cam), seen.truth.T_base_object[None, :3, 3])[0]
                    found.setdefault(view.role, []).append((feature.numpy(), centre, start + b))
    return {role: tuple(map(np.array, zip(*rows, strict=True))) for role, rows in found.items()}  # type: ignore[misc]


def probe(features: np.ndarray, centres: np.ndarray, episodes: np.ndarray) -> float:
    """Median distance in centimetres on the odd episodes of a ridge regression fitted on the even ones, its strength chosen on a fifth of those."""
    fit, test = episodes % 2 == 0, episodes % 2 == 1
    inner = fit & (episodes % 10 == 0)
    best = min(RIDGES, key=lambda ridge: _error(features, centres, fit & ~inner, inner, ridge))
    return 100 * _error(features, centres, fit, test, best)


def _error(features: np.ndarray, centres: np.ndarray, fit: np.ndarray, test: np.ndarray, ridge: float) -> float:
    mean, std = features[fit].mean(0), features[fit].std(0) + 1e-6
    x = np.column_stack([(features - mean) / std, np.ones(len(features))]).astype(np.float64)
    a = x[fit].T @ x[fit] + ridge * fit.sum() * np.diag([*np.ones(x.shape[1] - 1), 0])
    weights = np.linalg.solve(a, x[fit].T @ centres[fit])
    return float(np.median(np.linalg.norm(x[test] @ weights - centres[test], axis=1)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("net", help="folder of the geometry net")
    parser.add_argument("--run", type=Path, default=Path("runs/base_vlm"))
    parser.add_argument("--episodes", type=int, default=40, help="a task")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    net = pretrained(net_spec(options.net))
    recipe = load_recipe("pose_vla")
    trained = train_recipe(replace(recipe, stages=recipe.stages[:1]), options.run)
    base = stage_model(trained, trained.assembly.recipe.stages[0])
    source = scenes("benchmark", options.episodes, seed=23, picture_every=8).open()
    needs = Needs(objects=True, masks=True, depth=True)
    samples = [source.sample(i, needs) for i in range(len(source))]
    samples = [replace(s, views=tuple(v for v in s.views if v.role in ROLES)) for s in samples]

    def geometry(views: ViewBatch) -> tuple[Tensor, ImageSpec]:
        return net.features(Batch(size=len(views.valid), views=views)).patches, net.image_spec

    kinds: dict[str, Features] = {"geometry net": geometry, "base_vlm": tower(base, False), "base_vlm, rays and depth": tower(base, True)}
    rows: dict[str, dict[str, float]] = {}
    for kind, features in kinds.items():
        for role, (x, centres, numbers) in examples(samples, features).items():
            rows.setdefault(role, {})[kind] = probe(x, centres, source.episodes[numbers])
            rows[role]["objects"] = len(x)
            rows[role]["pixel"] = probe(centres[:, :2] / centres[:, 2:], centres, source.episodes[numbers])
    ratios = {role: row["geometry net"] / row["base_vlm"] for role, row in rows.items()}
    found = {"median_cm": rows, "ratio": ratios, "samples": len(samples), "machine": machine()}
    print(json.dumps(found, indent=1))
    if options.out:
        write_json(options.out, found)


if __name__ == "__main__":
    main()
