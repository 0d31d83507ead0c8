"""The frozen nets that a stage's objectives learn from, built and loaded."""

import torch

from praxia.annotate.feature_cache import CachedFeatures
from praxia.errors import CheckpointError
from praxia.models.geometry_nets.geometry_net import GeometryNet, frozen, pretrained
from praxia.models.precision import resolved
from praxia.stages.recipe import Stage, Teacher
from praxia.stages.run_directory import RunDirectory
from praxia.stages.weights import load_state, read_weights
from praxia.train.settings import TrainSettings

PART = "geometry."  # of a stage's model: where the net is that a teacher may be


def build_teachers(stage: Stage, run: RunDirectory, settings: TrainSettings) -> dict[str, GeometryNet | CachedFeatures]:
    """By name. Raises ConfigError for a teacher without weights, CheckpointError where they cannot be read."""
    device = torch.device(settings.device)
    found: dict[str, GeometryNet | CachedFeatures] = {}
    for teacher in stage.teachers:
        net = _net(teacher, run).to(device)
        found[teacher.name] = CachedFeatures(net, teacher.net, resolved(settings.precision, device)) if teacher.cached else net
    return found


def _net(teacher: Teacher, run: RunDirectory) -> GeometryNet:
    if not teacher.stage:
        return pretrained(teacher.net)
    checkpoint = run.finished_checkpoint(teacher.stage)
    weights = {name.removeprefix(PART): tensor for name, tensor in read_weights(checkpoint).items() if name.startswith(PART)}
    if not weights:
        raise CheckpointError(f"teacher {teacher.name!r}: stage {teacher.stage!r} trained no geometry net; its parts must contain 'geometry'")
    net = teacher.net.build()
    load_state(net, weights, str(checkpoint))
    return frozen(net)
