"""PolicyConfig: everything a policy folder says of itself beside its weights (`policy.json`)."""

import platform
import subprocess
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

from praxia.data.numbers import Numbers
from praxia.data.sample_transforms import CentreCrop, Slots
from praxia.data.supervision.action_chunk import INSTRUCTION
from praxia.data.supervision.object_poses import ObjectPoses
from praxia.data.supervision.waypoints import Waypoints
from praxia.errors import CheckpointError
from praxia.models.precision import Precision
from praxia.models.spec import ModelSpec
from praxia.registry import register
from praxia.specs import ActionSpec, CameraSpec, StateSpec

FORMAT = 2
STATISTICS = "statistics.json"  # number transforms of every robot, in policy and run folders


@register("policy/robot")
@dataclass(frozen=True)
class Robot:
    """What the numbers of one embodiment mean to this policy, and how they are transformed.

    given: what came with the pictures it learned actions from, as `depth/ROLE` and `cameras/ROLE` (intrinsics): "always", or "sometimes" where
    only some of its datasets have it. What is not named was never there.
    """

    embodiment: str
    action: ActionSpec
    state: StateSpec
    cameras: tuple[CameraSpec, ...]
    numbers: Numbers
    given: dict[str, Literal["always", "sometimes"]] = field(default_factory=dict)


@register("policy/taught")
@dataclass(frozen=True)
class Taught:
    """What a policy learnt to say of poses. arms: that its waypoints are of; sees: crops and slots of its pictures."""

    says: ObjectPoses | Waypoints
    arms: tuple[str, ...] = ()
    sees: tuple[CentreCrop | Slots, ...] = ()


@dataclass(frozen=True)
class PolicyConfig:
    """Everything but the weights. history: steps that the model's history token reads. prompt: how an instruction is put to the model. sees: crops
    that pictures go through, and slots that they take, before it acts. taught: the poses it can be asked for."""

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
    history: int = 0
    prompt: str = INSTRUCTION
    sees: tuple[CentreCrop | Slots, ...] = ()
    taught: tuple[Taught, ...] = ()
    licences: tuple[tuple[str, str], ...] = ()
    provenance: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    git_commit: str = ""
    format: int = FORMAT

    def check_acts(self) -> None:
        """CheckpointError for a policy without an action head: it can be asked for poses and answers, and says no actions."""
        if self.model.head is None or "head" not in self.parts:
            raise CheckpointError(
                f"this policy folder ends at stage {self.stage!r} and has no action head: it cannot act, be judged in a world or be served\n"
                "  fix: train an action stage first; what it learnt to say, Policy.objects, Policy.waypoints and Policy.generate ask for"
            )


def package_versions() -> dict[str, str]:
    """Versions of what decides the numbers."""
    names = ("praxia", "torch", "transformers", "numpy", "mujoco")
    return {n: version(n) for n in names} | {"python": platform.python_version()}


def git_commit() -> str:
    """Commit of the code, or "" outside a checkout."""
    root = Path(__file__).parent
    result = subprocess.run(["git", "rev-parse", "HEAD"], cwd=root, capture_output=True, text=True, check=False)
    return result.stdout.strip() if result.returncode == 0 else ""
