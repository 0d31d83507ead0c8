"""The frozen nets of a recipe: whether each will have weights, and those that a stage's objectives learn from, built and loaded."""

from collections.abc import Sequence
from fnmatch import fnmatch
from typing import Any

import torch

from praxia.annotate.feature_cache import CachedFeatures
from praxia.errors import CheckpointError, ConfigError
from praxia.models.checkpoint_file import check_found
from praxia.models.geometry_nets.geometry_net import GeometryNet, frozen, pretrained
from praxia.models.lora import check_installed
from praxia.models.precision import resolved
from praxia.models.spec import ModelSpec
from praxia.policy.net_catalogue import net_files
from praxia.stages.recipe import Recipe, Stage, Teacher
from praxia.stages.run_directory import RunDirectory
from praxia.stages.weights import load_state, read_weights
from praxia.train.settings import TrainSettings

PART = "geometry."  # of a stage's model: where the net is that a teacher may be


def check_frozen_nets(recipe: Recipe) -> None:
    """ConfigError for a frozen net that no stage and no file gives weights, or a library that a stage lacks: before data is made, not when the stage
    begins."""
    for number, stage in enumerate(recipe.stages):
        if _builds(stage, "adapters"):
            _check_encoders(recipe.model, stage)
        if _builds(stage, "readouts"):
            _check_readouts(recipe.model, stage)
        if stage.lora is not None:
            check_installed()
        for teacher in stage.teachers:
            what = f"stage {stage.name!r}: teacher {teacher.name!r}"
            _check_net(recipe.model, teacher.net, teacher.stage, what, recipe.stages[:number])
        for data in labelled(stage):
            _check_net(recipe.model, data.net, data.stage, f"stage {stage.name!r}: the net that labels its data", recipe.stages[:number])


def check_checkpoints(recipe: Recipe) -> None:
    """CheckpointError for weights of readouts, frozen encoders, teachers and nets that label, which are named and cannot be had.

    No weights are fetched; the hub is asked only for what is not on this machine.
    """
    for stage in recipe.stages:
        nets = [user.net for user in (*stage.teachers, *labelled(stage)) if not user.stage]
        if _builds(stage, "adapters"):
            given = _given(stage, "adapters")
            encoders = enumerate(getattr(adapter, "encoder", None) for adapter in recipe.model.adapters)
            nets += [net for i, net in encoders if not {"adapters", f"adapters.{i}", f"adapters.{i}.encoder"} & given]
        for net in nets:
            if getattr(net, "checkpoint", ""):
                check_found(net.checkpoint, f"{type(net).__name__}.checkpoint", net_files(net))
        for name, readout in recipe.model.readouts.items() if _builds(stage, "readouts") else ():
            if getattr(readout, "checkpoint", "") and not {"readouts", f"readouts.{name}"} & _given(stage, "readouts"):
                readout.check_checkpoint()


def _builds(stage: Stage, part: str) -> bool:
    """Whether a stage builds a part that stands on the backbone."""
    return not stage.parts or {"backbone", part} <= set(stage.parts)


def _given(stage: Stage, part: str) -> set[str]:
    """Parts that are handed on to a stage; `part` where all of the model is."""
    return {ours for init in stage.init_from for _, ours in init.parts or (("", part),)}


def _check_readouts(model: ModelSpec, stage: Stage) -> None:
    given = _given(stage, "readouts")
    for name, readout in model.readouts.items():
        if not hasattr(readout, "stays_random") or {"readouts", f"readouts.{name}"} & given:
            continue

        def moves(parameter: str, of: str = f"readouts.{name}.") -> bool:
            return any(fnmatch(of + parameter, p) for p in stage.trainable) and not any(fnmatch(of + parameter, p) for p in stage.frozen)

        if part := readout.stays_random(moves):
            raise ConfigError(
                f"stage {stage.name!r}: {part} of readout {name!r} ({type(readout).__name__}) would have random weights and keep them\n  "
                "fix: name some in its checkpoint, hand on what an earlier stage trained, or take it out of Stage.frozen"
            )


def _check_encoders(model: ModelSpec, stage: Stage) -> None:
    given = _given(stage, "adapters")
    for i, adapter in enumerate(model.adapters):
        encoder = getattr(adapter, "encoder", None)
        if encoder is None or getattr(encoder, "checkpoint", "") or {"adapters", f"adapters.{i}", f"adapters.{i}.encoder"} & given:
            continue
        raise ConfigError(
            f"stage {stage.name!r}: the frozen encoder of adapter {i} ({type(encoder).__name__}) would have random weights\n  fix: name some in its "
            f"checkpoint, or hand on what an earlier stage trained: InitFrom(stage=..., parts=(('geometry', 'adapters.{i}.encoder'),))"
        )


def _check_net(model: ModelSpec, net: Any, trained_by: str, what: str, earlier: Sequence[Stage]) -> None:
    """A net that teaches or labels: it has weights, or an earlier stage trains the very same."""
    if not trained_by:
        if not getattr(net, "checkpoint", ""):
            kind = type(net).__name__
            raise ConfigError(f"{what} ({kind}) would have random weights; name some in its checkpoint, or a stage that trains it")
        return
    trains = next(s for s in earlier if s.name == trained_by)
    if model.geometry is None or (trains.parts and "geometry" not in trains.parts):
        raise ConfigError(
            f"{what}: stage {trained_by!r} trains no geometry net; give the model one (ModelSpec.geometry), and that stage the part 'geometry'"
        )
    if model.geometry != net:
        raise ConfigError(f"{what} is {net}, but stage {trained_by!r} trains {model.geometry}; give both the same spec")


def labelled(stage: Stage) -> list[Any]:
    """Data of a stage whose labels are made through a geometry net (`net`, and `stage` where one of the run trains it)."""
    return list(dict.fromkeys(source.data for source in (*stage.sources, *stage.held_out) if getattr(source.data, "net", None) is not None))


def build_teachers(stage: Stage, run: RunDirectory, settings: TrainSettings) -> dict[str, GeometryNet | CachedFeatures]:
    """By name. Raises ConfigError for a teacher without weights, CheckpointError where they cannot be read."""
    device = torch.device(settings.device)
    found: dict[str, GeometryNet | CachedFeatures] = {}
    for teacher in stage.teachers:
        net = _net(teacher, run).to(device)
        found[teacher.name] = CachedFeatures(net, teacher.net, resolved(settings.precision, device)) if teacher.cached else net
    return found


def _net(teacher: Teacher, run: RunDirectory) -> GeometryNet:
    return trained_net(teacher.net, teacher.stage, run, f"teacher {teacher.name!r}") if teacher.stage else pretrained(teacher.net)


def trained_net(spec: Any, stage: str, run: RunDirectory, what: str) -> GeometryNet:
    """The geometry net as a finished stage of the run left it, frozen. what: needs it. Raises CheckpointError if it trained none."""
    checkpoint = run.finished_checkpoint(stage)
    weights = {name.removeprefix(PART): tensor for name, tensor in read_weights(checkpoint).items() if name.startswith(PART)}
    if not weights:
        raise CheckpointError(f"{what}: stage {stage!r} trained no geometry net; its parts must contain 'geometry'")
    net = spec.build()
    load_state(net, weights, str(checkpoint))
    return frozen(net)
