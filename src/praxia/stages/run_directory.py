"""The run folder: runs/<name>/config.json and stages/<name>/{metrics.jsonl, plan.json, scores.json, done.json, checkpoints/}.

A finished stage is known by a fingerprint of everything that decides its outcome; the same command skips it, another configuration is refused.
"""

import hashlib
import json
import platform
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import torch

from praxia import __version__
from praxia.data.cache import file_digest
from praxia.errors import ConfigError, unknown
from praxia.files import read_json, write_json
from praxia.models.vla import PARTS
from praxia.registry import to_json
from praxia.stages.recipe import Recipe, Stage

CONFIG = "config.json"  # in a run's folder: its recipe, and what it was made with
DONE, CHECKPOINTS = "done.json", "checkpoints"  # in a stage's folder: once it has finished; step_<n> folders


@dataclass(frozen=True)
class Identity:
    """Whose a checkpoint is. fingerprint: of the stage's configuration and inputs; vocabulary: of tokenizer and number tokens ("" = none)."""

    recipe: str
    stage: str
    fingerprint: str
    vocabulary: str = ""


@dataclass(frozen=True)
class StageResult:
    """What a finished stage leaves. seconds: wall clock over all its processes; checkpoint: folder relative to the stage's folder."""

    name: str
    seconds: float
    samples: int
    steps: int
    metrics: dict[str, float]
    checkpoint: str


@dataclass(frozen=True)
class StageFolder:
    """Where one stage of a run writes."""

    path: Path
    identity: Identity

    @property
    def metrics(self) -> Path:
        """One JSON object a line."""
        return self.path / "metrics.jsonl"

    @property
    def checkpoints(self) -> Path:
        """Folder of step_<n> folders and best.json."""
        return self.path / CHECKPOINTS

    @property
    def scores(self) -> Path:
        """How well the finished stage says poses, or sees geometry, if it was taught any."""
        return self.path / "scores.json"

    @property
    def plan(self) -> Path:
        """How many steps, and why."""
        return self.path / "plan.json"

    def result(self) -> StageResult | None:
        """The result of the finished stage, None if it has not finished. ConfigError if it was another configuration."""
        path = self.path / DONE
        if not path.is_file():
            return None
        done = read_json(path)
        if done["fingerprint"] != self.identity.fingerprint:
            raise ConfigError(
                f"stage {self.identity.stage!r} in {self.path} was finished with another configuration or other inputs "
                f"({done['fingerprint']} there, {self.identity.fingerprint} now)\n  fix: choose another --name, or --restart to begin again"
            )
        return StageResult(**done["result"])

    def finish(self, result: StageResult) -> None:
        """Mark the stage as finished."""
        write_json(self.path / DONE, {"fingerprint": self.identity.fingerprint, "result": asdict(result)})


@dataclass(frozen=True)
class RunDirectory:
    """The folder of one run of one recipe. vocabulary: fingerprint of its tokens; inputs: fingerprints of what the stages read, by stage name."""

    root: Path
    recipe: Recipe
    vocabulary: str = ""
    inputs: Mapping[str, str] = field(default_factory=dict)

    @staticmethod
    def open(
        root: Path | str, recipe: Recipe, vocabulary: str = "", inputs: Mapping[str, str] | None = None, restart: bool = False
    ) -> "RunDirectory":
        """Make the folder, or go on in one that holds the same recipe. restart: forget the run that is there, its policy and results too."""
        root = Path(root)
        config = {"recipe": to_json(recipe), "vocabulary": vocabulary}
        if restart:
            for name in ("stages", "policy", "eval"):  # records of the old policy would refuse those of the new one
                shutil.rmtree(root / name, ignore_errors=True)
            for name in (CONFIG, "summary.json", "report.html"):
                (root / name).unlink(missing_ok=True)
        path = root / CONFIG
        if path.is_file():
            theirs = read_json(path)
            gaps = list(differences(config, {k: theirs.get(k) for k in config}))
            if gaps:
                shown = "\n  ".join(gaps[:6]) + (f"\n  and {len(gaps) - 6} more" if len(gaps) > 6 else "")
                raise ConfigError(
                    f"{root} holds a run of another configuration:\n  {shown}\n  fix: choose another --name, or --restart to begin again"
                )
        else:
            made_with = {"praxia": __version__, "torch": torch.__version__, "python": platform.python_version()}
            write_json(path, config | {"versions": made_with})
        return RunDirectory(root, recipe, vocabulary, dict(inputs or {}))

    def stage(self, name: str) -> StageFolder:
        """The folder of a stage (made if missing)."""
        path = self.root / "stages" / name
        path.mkdir(parents=True, exist_ok=True)
        return StageFolder(path, Identity(self.recipe.name, name, self.fingerprint(name), self.vocabulary))

    def finished_checkpoint(self, name: str) -> Path:
        """Last checkpoint of a finished stage."""
        folder = self.stage(name)
        result = folder.result()
        if result is None:
            raise ConfigError(f"stage {name!r} has not been trained in {self.root}\n  fix: run it first: --stage {name}")
        return folder.path / result.checkpoint

    def fingerprint(self, name: str) -> str:
        """Hash of all that decides a stage's outcome: its fields, the parts it builds, seed, precision, vocabulary, data, and what it starts from,
        learns from or is labelled through."""
        stage = self._stage(name)
        model = {f.name: getattr(self.recipe.model, f.name) for f in fields(self.recipe.model)}
        built = {k: v for k, v in model.items() if not stage.parts or k not in PARTS or k in stage.parts}
        start = [self.fingerprint(earlier) for earlier in stage.waits_for]
        start += [_folder_digest(weights_folder(Path(init.checkpoint))) for init in stage.init_from if not init.stage]
        recipe = self.recipe
        return fingerprint(
            [stage, built, recipe.tokenizer, recipe.numbers, recipe.precision, recipe.seed, self.vocabulary, self.inputs.get(name), start]
        )

    def _stage(self, name: str) -> Stage:
        for stage in self.recipe.stages:
            if stage.name == name:
                return stage
        raise ConfigError(f"recipe {self.recipe.name!r}: {unknown('stage', name, [s.name for s in self.recipe.stages])}")


def fingerprint(value: Any) -> str:
    """16 hex digits of anything `to_json` can write; equal content gives equal digits."""
    return hashlib.blake2b(json.dumps(to_json(value), sort_keys=True).encode(), digest_size=8).hexdigest()


def differences(ours: Any, theirs: Any, path: str = "") -> Iterator[str]:
    """Where two JSON values differ, one line a place: `recipe.stages.1.batch: 64 here, 32 there`."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        for key in sorted(ours.keys() | theirs.keys()):
            yield from differences(ours.get(key), theirs.get(key), f"{path}.{key}" if path else key)
    elif isinstance(ours, list) and isinstance(theirs, list) and len(ours) == len(theirs):
        for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            yield from differences(a, b, f"{path}.{i}")
    elif ours != theirs:
        yield f"{path}: {_short(ours)} here, {_short(theirs)} there"


def _short(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= 60 else text[:57] + "..."


def weights_folder(path: Path) -> Path:
    """The folder with weights that a path means: a checkpoint or policy folder itself, or the last checkpoint of a stage folder."""
    done = path / DONE
    folder = path / read_json(done)["result"]["checkpoint"] if done.is_file() else path
    if not any(folder.glob("*.safetensors")):
        raise ConfigError(
            f"InitFrom.checkpoint {str(path)!r} holds no weights; name a checkpoint folder, a finished stage's folder or a policy folder"
        )
    return folder


def _folder_digest(folder: Path) -> str:
    return fingerprint([file_digest(f).hex() for f in sorted(folder.glob("*.safetensors"))])
