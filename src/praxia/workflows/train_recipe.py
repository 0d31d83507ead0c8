"""Train a recipe stage by stage into a run folder, and export the policy. What is finished is not done again."""

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from praxia.annotate.feature_cache import CachedFeatures
from praxia.data.cache import file_digest
from praxia.data.mixture import Mixture
from praxia.data.readers import Llava
from praxia.data.recorded import Recorded
from praxia.data.sample_transforms import CentreCrop, Slots, without_chance
from praxia.data.source import SampleSource
from praxia.data.supervision.action_chunk import INSTRUCTION
from praxia.errors import ConfigError, unknown
from praxia.files import read_json, write_json
from praxia.models.geometry_nets.net_folder import DESCRIPTION
from praxia.models.precision import compute
from praxia.models.spec import HistoryToken
from praxia.models.vla import PARTS, VLA
from praxia.objectives.objective import Teachers
from praxia.policy import Policy, PolicyConfig, Robot
from praxia.policy.config import STATISTICS, git_commit, package_versions
from praxia.policy.net_catalogue import PUBLIC, net_licences
from praxia.policy.net_folder import save_net
from praxia.specs.licences import LicensePolicy, check_licences
from praxia.stages import shared
from praxia.stages.handoff import hand_off, source_folder
from praxia.stages.recipe import Recipe, Stage
from praxia.stages.run_directory import RunDirectory, StageFolder, StageResult, fingerprint
from praxia.stages.weights import load_state, read_weights
from praxia.train.loop import train
from praxia.train.parallel import ranks
from praxia.train.settings import TrainSettings
from praxia.workflows import summary
from praxia.workflows.assemble import Assembly, HeldOut, assemble
from praxia.workflows.geometry_scores import geometry_metrics
from praxia.workflows.goal_scores import goal_metrics
from praxia.workflows.hand_answers import hand_metrics
from praxia.workflows.pose_answers import pose_metrics
from praxia.workflows.recipe_checks import unseen_cameras
from praxia.workflows.robots import check_numbers
from praxia.workflows.taught import taught
from praxia.workflows.teachers import build_teachers, check_checkpoints, check_frozen_nets, labelled, trained_net
from praxia.workflows.vqa_answers import vqa_metrics

SCORED_ON = 32  # held-out samples of a source of poses
ASKED_ABOUT = 150  # held-out samples of a source of questions: one of every group about each
ASKED_OF_HANDS = 300  # held-out samples of a source of questions about hands, or of their motions
LOOKED_AT = 200  # held-out samples of a source of scenes, for a geometry net, or of actions, for a goal token or a geometry teacher

T = TypeVar("T")


@dataclass(frozen=True)
class Trained:
    """A finished run: its folder, what each stage gave, the policy folder (None if no action stage was reached), the folder of the geometry net
    (None if none was trained).

    poses: policy folder of a run that ends at a stage of poses: it can be asked for them, and cannot act. earlier_seconds: what earlier processes
    spent on these stages.
    """

    run: RunDirectory
    assembly: Assembly
    results: tuple[StageResult, ...]
    policy: Path | None
    geometry: Path | None = None
    earlier_seconds: float = 0.0
    poses: Path | None = None


def train_recipe(
    recipe: Recipe,
    root: Path | str,
    settings: TrainSettings | None = None,
    only: str = "",
    restart: bool = False,
    license_policy: LicensePolicy = "any",
) -> Trained:
    """Train all stages, or `only` one whose predecessors are finished. The same call resumes.

    Raises ConfigError if the folder holds another configuration or something has a licence that the policy refuses, and what `train` raises.
    """
    settings = replace(settings or TrainSettings(), precision=recipe.precision, seed=recipe.seed)
    names = [s.name for s in recipe.stages]
    if only and only not in names:
        raise ConfigError(unknown("stage", only, names))
    if only and restart:
        raise ConfigError(f"--restart forgets every stage of {root}, also those that stage {only!r} starts from; leave out --stage, or --restart")
    for stage in recipe.stages:
        if not stage.sources:
            raise ConfigError(f"stage {stage.name!r} of recipe {recipe.name!r} has no sources; give it one, e.g. Source(None, ActionChunk(16))")
        if any(source.data is None for source in stage.sources):
            raise ConfigError(f"stage {stage.name!r} of recipe {recipe.name!r} has no data; give it with --data FOLDER (a dataset with its card)")
        _put_and_shown(stage)
    check_frozen_nets(recipe)
    refusable = {net.name: net.instead for net in PUBLIC}
    check_licences(declared_licences(recipe), license_policy, refusable)  # before minutes of making data
    check_checkpoints(recipe)
    group = ranks()
    with group.main_first():  # what opening makes (demonstrations, frame stores) is then there for all
        assembly = assemble(recipe)
    check_licences(ingredients(assembly), license_policy, refusable)
    vocabulary = ""
    if assembly.tokenizer is not None:  # number tokens mean what their bins were fitted to
        fitted = assembly.model.vocabulary
        vocabulary = fingerprint([sorted(assembly.tokenizer.get_vocab().items()), getattr(fitted, "meaning", fitted)])
    inputs = {s.name: _inputs(s, assembly) for s in recipe.stages}
    with group.main_first():
        run = RunDirectory.open(root, recipe, vocabulary, inputs, restart and group.main)
        if group.main:
            write_json(run.root / STATISTICS, {robot.embodiment: robot.numbers for robot in assembly.robots})
    results, policy, poses, geometry, spent = [], None, None, None, 0.0
    for stage in recipe.stages:
        if only and stage.name != only:
            continue
        for earlier in stage.waits_for if run.stage(stage.name).result() is None else ():
            run.finished_checkpoint(earlier)
        assembly = _with_labels(assembly, run)
        began = time.monotonic()
        model, result = _train_stage(stage, assembly, run, settings, vocabulary, restart)
        spent += time.monotonic() - began
        results.append(result)
        if model.geometry is not None:
            geometry = run.root / "geometry"
            if group.main:
                save_net(geometry, assembly.model.geometry, model.geometry, _provenance(assembly, run))
        if stage.name not in (only, names[-1]):
            continue
        if model.head is not None:
            policy = run.root / "policy"
        elif model.backbone is not None and _robots(assembly, stage) and taught(assembly, stage):
            poses = run.root / "poses"
        if (left := policy or poses) and group.main:
            asked = replace(assembly, model=model.drop_what_only_teaches())
            Policy(policy_config(asked, stage, run), model, assembly.tokenizer).save(left)
    assembly = _with_labels(assembly, run)
    if not only and group.main:
        summary.add(root, summary.trained(recipe.name, recipe.preset, results))
    earlier = max(0.0, sum(r.seconds for r in results) - spent)
    return Trained(run, assembly, tuple(results), policy, geometry, earlier, poses)


def _with_labels(assembly: Assembly, run: RunDirectory) -> Assembly:
    """Opens the data that a net of the run labels, of stages that have finished."""
    found = dict(assembly.sources)
    for data in (data for stage in assembly.recipe.stages for data in labelled(stage)):
        if data in found or run.stage(data.stage).result() is None:
            continue
        with ranks().main_first():
            folder = run.stage(data.stage).path / "geometry"
            if not (folder / DESCRIPTION).is_file():
                save_net(folder, data.net, trained_net(data.net, data.stage, run, "labels of clips"), _provenance(assembly, run))
            found[data] = data.labelled_by(folder).open()
    return replace(assembly, sources=found)


def _train_stage(
    stage: Stage, assembly: Assembly, run: RunDirectory, settings: TrainSettings, vocabulary: str, restart: bool
) -> tuple[VLA, StageResult]:
    torch.manual_seed(assembly.recipe.seed)  # initial weights
    model = assembly.build(stage)
    folder, group = run.stage(stage.name), ranks()

    def say(text: str) -> None:
        if group.main:
            print(f"stage {stage.name}: {text}")

    with group.main_first():
        if group.main and stage.shared and restart:
            shared.forget(folder)
        elif group.main and stage.shared and shared.take(folder):
            say(f"taken from {shared.kept(folder)}, where an earlier run left it")
    if folder.result() is None:
        for init in stage.init_from:
            folder_of = source_folder(init, run)
            if init.checkpoint:
                check_numbers(init, folder_of, assembly.robots, assembly.model.embodiments)
            say(str(hand_off(model, init, folder_of, vocabulary)))
        if stage.new_rows:
            say(f"{assembly.start_rows(model)} rows of new tokens start around the mean row")
    training, held_out = assembly.mixtures(stage, model)
    if folder.result() is None:
        with group.main_first():
            training.open()
    if folder.result() is None and not settings.quiet:
        for source, samples, share in training.table():
            say(f"{share:.0%} from {source}, {samples} samples")
        opened = [(source, assembly.sources[source.data]) for source in stage.sources if source.data in assembly.sources]
        notes = [unseen_cameras(source, data) for source, data in opened]
        for note in dict.fromkeys(filter(None, notes)):
            say(note)
    teachers = {} if folder.result() is not None and folder.scores.is_file() else build_teachers(stage, run, settings)
    result = train(model, stage, HeldOut(training, held_out, stage.validation_batches), folder, settings, teachers)
    for name, teacher in teachers.items():
        if isinstance(teacher, CachedFeatures):
            say(f"teacher {name}: {teacher.counts}, kept in {teacher.folder}")
    if settings.spread == "shard":  # a whole model again
        model = assembly.build(stage)
        load_state(model, read_weights(folder.path / result.checkpoint), str(folder.path))
    with group.main_first():
        result = replace(result, metrics=result.metrics | _scores(assembly, stage, training, held_out, model, teachers, folder, settings))
    if stage.shared and group.main:
        shared.keep(folder, result)
    for record, fault in list(training.bad.items())[:5]:
        say(f"bad record skipped ({len(training.bad)} in all): {record}: {fault}")
    return model, result


def _scores(
    assembly: Assembly,
    stage: Stage,
    training: Mixture,
    held_out: Mixture,
    model: VLA,
    teachers: Teachers,
    folder: StageFolder,
    settings: TrainSettings,
) -> dict[str, float]:
    """How well a finished stage says poses, answers questions, marks targets, or sees geometry; asked once and kept beside its result."""
    if folder.scores.is_file():
        return read_json(folder.scores)
    device = torch.device(settings.device)
    with compute(device, settings.precision):
        scores = pose_metrics(held_out, model.to(device), assembly.tokenizer, assembly.model.vocabulary, stage.scored or SCORED_ON)
        scores |= vqa_metrics(training, held_out, model, assembly.tokenizer, stage.scored or ASKED_ABOUT)
        scores |= hand_metrics(training, held_out, model, assembly.tokenizer, stage.scored or ASKED_OF_HANDS)
        if model.geometry is not None:
            scores |= geometry_metrics(training, held_out, model.geometry, stage.scored or LOOKED_AT)
        scores |= goal_metrics(training, held_out, model, stage, teachers, stage.scored or LOOKED_AT)
    scores = {name: value for name, value in scores.items() if not np.isnan(value)}
    if scores:
        write_json(folder.scores, scores)
    return scores


def stage_model(trained: Trained, stage: Stage) -> VLA:
    """The model as a finished stage of the run left it, for looking at what that stage learnt."""
    model = trained.assembly.build(stage)
    checkpoint = trained.run.finished_checkpoint(stage.name)
    load_state(model, read_weights(checkpoint), str(checkpoint))
    return model.eval()


def policy_config(assembly: Assembly, stage: Stage, run: RunDirectory) -> PolicyConfig:
    """What a policy folder says of itself."""
    recipe = assembly.recipe
    prompt, sees = _put_and_shown(stage)
    reads_history = any(isinstance(tokens, HistoryToken) for tokens in assembly.model.tokens)
    return PolicyConfig(
        recipe=recipe.name,
        preset=recipe.preset,
        stage=stage.name,
        model=assembly.model,
        parts=stage.parts or PARTS,
        robots=_robots(assembly, stage),
        horizon=assembly.model.head.horizon if assembly.model.head is not None else 0,
        replan=recipe.replan,
        precision=recipe.precision,
        special_ids=assembly.special_ids,
        vocabulary_size=assembly.vocabulary_size,
        history=max(x.supervision.needs.history for x in stage.sources) if reads_history else 0,
        prompt=prompt,
        sees=sees,
        taught=taught(assembly, stage),
        **_provenance(assembly, run),
    )


def _robots(assembly: Assembly, stage: Stage) -> tuple[Robot, ...]:
    """Robots that a stage teaches to act; of a stage without actions those whose pictures it looks at."""
    sources = assembly.sources
    acting = {sources[x.data].embodiment for x in stage.sources if x.supervision.needs.horizon > 0}
    seen = acting or {sources[x.data].embodiment for x in stage.sources}
    return tuple(r for r in assembly.robots if r.embodiment in seen)


def _put_and_shown(stage: Stage) -> tuple[str, tuple[CentreCrop | Slots, ...]]:
    """How the policy of a stage puts an instruction, what it cuts out of pictures, and the slots that they take.

    Raises ConfigError where sources of actions differ in it.
    """
    acting = [source for source in stage.sources if source.supervision.needs.horizon > 0]
    prompts = [getattr(source.supervision, "prompt", INSTRUCTION) for source in acting]
    crops = [tuple(t for t in without_chance(source.transforms) if isinstance(t, CentreCrop | Slots)) for source in acting]
    return _common(stage, "ActionChunk.prompt", prompts, INSTRUCTION), _common(stage, "AreaCrop or Slots", crops, ())


def _common(stage: Stage, what: str, values: Sequence[T], without: T) -> T:
    """What all values are, `without` any."""
    if other := [value for value in values if value != values[0]]:
        raise ConfigError(f"stage {stage.name!r}: its sources of actions differ in {what}, {values[0]!r} and {other[0]!r}; give all the same")
    return values[0] if values else without


def _provenance(assembly: Assembly, run: RunDirectory) -> dict[str, Any]:
    """What went into the weights of a run, under which licences, made by which versions."""
    recipe, data = assembly.recipe, _licences(_learnt_from(assembly))
    return {
        "licences": tuple(sorted(ingredients(assembly).items())),
        "provenance": {"run": run.root.name, "stages": [s.name for s in recipe.stages], "datasets": sorted(data)},
        "versions": package_versions(),
        "git_commit": git_commit(),
    }


def ingredients(assembly: Assembly) -> dict[str, str]:
    """Licence of everything that goes into the weights: checkpoints, datasets that are learnt from and what labelled them, frozen nets that look
    or teach."""
    learnt = _learnt_from(assembly)
    labelled = {name: licence for source in learnt for name, licence in getattr(source, "label_licences", {}).items()}
    return declared_licences(assembly.recipe) | labelled | _licences(learnt)


def _learnt_from(assembly: Assembly) -> list[SampleSource]:
    """Opened data but what a stage is only looked at with."""
    learnt = {id(assembly.sources.get(source.data)) for stage in assembly.recipe.stages for source in stage.sources}
    return [source for source in assembly.sources.values() if id(source) in learnt]


def declared_licences(recipe: Recipe) -> dict[str, str]:
    """What a recipe says of licences before any data is opened: checkpoints, frozen nets, weights that readouts start from, conversations."""
    nets = [user.net for stage in recipe.stages for user in (*stage.teachers, *labelled(stage)) if not user.stage]
    nets += [adapter.encoder for adapter in recipe.model.adapters if hasattr(adapter, "encoder")]
    read = {spec.checkpoint: spec.licence for spec in recipe.model.readouts.values() if getattr(spec, "checkpoint", "")}
    data = [source.data for stage in recipe.stages for source in stage.sources]
    conversations = {one.name: one.licence for one in data if isinstance(one, Llava)}
    return dict(recipe.licences) | read | conversations | {name: licence for net in nets for name, licence in net_licences(net).items()}


def _licences(sources: Sequence[SampleSource]) -> dict[str, str]:
    """Licence of every dataset; datasets of one name are numbered."""
    names = Counter(s.name for s in sources)
    seen: Counter[str] = Counter()
    found = {}
    for source in sources:
        seen[source.name] += 1
        found[source.name if names[source.name] == 1 else f"{source.name} #{seen[source.name]}"] = source.licence
    return found


def _inputs(stage: Stage, assembly: Assembly) -> str:
    """Fingerprint of what a stage reads: how its data is made, or where it was recorded with what the dataset says of itself; of a stage with
    actions also how its robots' numbers are transformed."""
    said: list[Any] = []
    for source in stage.sources:
        said += [source.data, source.supervision.name]
        if isinstance(source.data, Recorded):
            said += [file_digest(file).hex() for file in sorted((Path(source.data.root) / "meta").rglob("*")) if file.is_file()]
        said += [file_digest(file).hex() for file in getattr(source.data, "inputs", ())]
    if any(source.supervision.needs.horizon for source in stage.sources):
        said += [(robot.embodiment, robot.numbers) for robot in assembly.robots]
    return fingerprint(said)
