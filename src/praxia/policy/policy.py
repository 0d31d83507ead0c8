"""Policy: one self-contained folder that acts. It loads through the registry: no recipe code, no network, no pickle.

folder: weights.safetensors, policy.json (model, specs, number transforms, provenance, licences, versions), statistics.json, tokenizer/.
"""

import platform
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from transformers import AutoTokenizer

import praxia.models.parts  # noqa: F401 - policy.json names parts by kind
from praxia.data.collate import Collate
from praxia.data.number_transforms import Numbers
from praxia.data.sample import Sample
from praxia.data.supervision.supervision import Example
from praxia.errors import CheckpointError
from praxia.files import read_json, write_json
from praxia.models.precision import Precision, compute
from praxia.models.spec import ModelSpec
from praxia.models.vla import VLA
from praxia.policy.session import Session, torch_generator
from praxia.registry import from_json, register, to_json
from praxia.specs import ActionSpec, CameraSpec, StateSpec

FORMAT = 1


@register("policy/robot")
@dataclass(frozen=True)
class Robot:
    """What the numbers of one embodiment mean to this policy, and how they are transformed."""

    embodiment: str
    action: ActionSpec
    state: StateSpec
    cameras: tuple[CameraSpec, ...]
    numbers: Numbers


@dataclass(frozen=True)
class PolicyConfig:
    """Everything but the weights."""

    recipe: str
    preset: str
    stage: str
    model: ModelSpec
    parts: tuple[str, ...]
    robots: tuple[Robot, ...]
    horizon: int
    replan: int
    precision: Precision
    special_ids: dict[str, int] = field(default_factory=dict)
    vocabulary_size: int = 0
    licences: tuple[tuple[str, str], ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    git_commit: str = ""
    format: int = FORMAT


class Policy:
    """A model with its meaning. `session()` acts; `embodiment` picks the robot if the policy knows several."""

    def __init__(self, config: PolicyConfig, model: VLA, tokenizer: Any, embodiment: str = ""):
        self.config, self.model, self.tokenizer = config, model.eval(), tokenizer
        if model.backbone is not None:
            model.backbone.bind(tokenizer)
        names = [r.embodiment for r in config.robots]
        if embodiment and embodiment not in names:
            raise CheckpointError(f"policy knows robots {names}, not {embodiment!r}")
        self.robot = config.robots[names.index(embodiment) if embodiment else 0]
        numbers = {r.embodiment: r.numbers for r in config.robots}
        self.collate = Collate(numbers, model.backbone, tokenizer, config.model.embodiments)

    # --- what it is -------------------------------------------------------------------------------------------------------------

    @property
    def embodiment(self) -> str:
        """Name of the robot it drives."""
        return self.robot.embodiment

    @property
    def action_spec(self) -> ActionSpec:
        """Meaning of the actions it returns."""
        return self.robot.action

    @property
    def state_spec(self) -> StateSpec:
        """Meaning of the state it expects."""
        return self.robot.state

    @property
    def cameras(self) -> tuple[CameraSpec, ...]:
        """Views every observation must hold."""
        return self.robot.cameras

    @property
    def replan(self) -> int:
        """Actions of a chunk to execute before the next look."""
        return self.config.replan

    @property
    def metadata(self) -> dict[str, Any]:
        """Plain values that tell a client what the numbers mean."""
        config = self.config
        return {
            "name": f"{config.recipe}/{config.preset}",
            "recipe": config.recipe,
            "preset": config.preset,
            "stage": config.stage,
            "embodiment": self.embodiment,
            "action_spec": to_json(self.action_spec),
            "state_spec": to_json(self.state_spec),
            "cameras": to_json(self.cameras),
            "horizon": config.horizon,
            "replan": config.replan,
            "licences": dict(config.licences),
            "versions": config.versions,
        }

    # --- acting -----------------------------------------------------------------------------------------------------------------

    def session(self, seed: int = 0) -> Session:
        """A fresh session; equal seeds and observations give equal actions."""
        return Session(self, seed)

    def model_noise(self, seed: int) -> Tensor:
        """What one chunk's integration starts from, float32 [1, H, A]."""
        if self.model.head is None:
            raise CheckpointError(f"this policy folder ends at stage {self.config.stage!r} and has no action head; train an action stage first")
        return self.model.head.noise(1, torch_generator(seed))

    def act(self, samples: Sequence[Sample], noise: Tensor) -> list[np.ndarray]:
        """Samples (no targets needed) and noise [B, H, A] -> one chunk float32 [H, Da] per sample in its robot's units."""
        device = next(self.model.parameters()).device
        batch = self.collate([Example(s, s.instruction) for s in samples]).to(device)
        with torch.inference_mode(), compute(device, self.config.precision):
            chunk = self.model.sample(batch, noise.to(device)).float().cpu().numpy()
        return [self.collate.numbers[s.embodiment].action_inverse(c, s.state) for s, c in zip(samples, chunk, strict=True)]

    # --- the folder -------------------------------------------------------------------------------------------------------------

    def save(self, folder: Path | str) -> None:
        """Write the folder; policy.json comes last, so a folder with it is complete."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "policy.json").unlink(missing_ok=True)
        if self.tokenizer is not None:
            self.tokenizer.save_pretrained(folder / "tokenizer")
        temporary = folder / ".weights.safetensors"
        save_file(unshared(self.model), temporary, metadata={"format": "pt"})
        temporary.replace(folder / "weights.safetensors")
        write_json(folder / "statistics.json", {r.embodiment: to_json(r.numbers) for r in self.config.robots})
        write_json(folder / "policy.json", to_json(self.config))

    @classmethod
    def load(cls, folder: Path | str, device: str = "cpu", embodiment: str = "") -> "Policy":
        """Read a policy folder. Raises CheckpointError if it is incomplete or does not fit itself."""
        config, tokenizer = read_config(folder), None
        if (Path(folder) / "tokenizer").is_dir():
            tokenizer = AutoTokenizer.from_pretrained(Path(folder) / "tokenizer")
        model = VLA(config.model, config.parts, config.special_ids)
        if model.backbone is not None:
            model.backbone.resize_vocabulary(config.vocabulary_size)
        missing, unexpected = model.load_state_dict(load_file(Path(folder) / "weights.safetensors"), strict=False)
        missing = [k for k in missing if k not in shared_names(model)]
        if missing or unexpected:
            raise CheckpointError(
                f"{folder}: weights do not fit policy.json (recipe {config.recipe!r}, stage {config.stage!r}): "
                f"missing {missing[:5]}, unexpected {unexpected[:5]}; the folder mixes files of two policies, export it again"
            )
        return cls(config, model.to(device), tokenizer, embodiment)


def read_config(folder: Path | str) -> PolicyConfig:
    """policy.json of a folder."""
    path = Path(folder) / "policy.json"
    if not path.is_file():
        raise CheckpointError(f"{folder} is not a policy folder (no policy.json); a training run keeps it under runs/<name>/policy")
    value = read_json(path)
    if value.get("format") != FORMAT:
        raise CheckpointError(f"{path} has format {value.get('format')!r}, this version reads {FORMAT}; export the policy again")
    return from_json(value, PolicyConfig)


def shared_names(model: torch.nn.Module) -> set[str]:
    """Names that share storage with an earlier name (tied weights): written once, filled by the tie."""
    seen: dict[int, str] = {}
    shared = set()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if seen.setdefault(tensor.data_ptr(), name) != name and tensor.numel():
            shared.add(name)
    return shared


def unshared(model: torch.nn.Module) -> dict[str, Tensor]:
    """State dict on the CPU without tied duplicates."""
    shared = shared_names(model)
    return {k: v.detach().cpu().contiguous() for k, v in model.state_dict().items() if k not in shared}


def package_versions() -> dict[str, str]:
    """Versions of what decides the numbers."""
    names = ("praxia", "torch", "transformers", "numpy", "mujoco")
    return {n: version(n) for n in names} | {"python": platform.python_version()}


def git_commit() -> str:
    """Commit of the code, or "" outside a checkout."""
    root = Path(__file__).parent
    result = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else ""
