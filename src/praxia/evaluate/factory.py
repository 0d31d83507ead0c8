"""Factory: how to build a world or a policy, as plain data, so that every worker process builds its own."""

import hashlib
import importlib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from praxia.errors import ConfigError
from praxia.policy.folder import read_config
from praxia.registry import register, to_json


@register("evaluate/factory")
@dataclass(frozen=True)
class Factory:
    """`target` is "module:callable" (dots after the colon reach into classes: "praxia.policy:Policy.load"); kwargs are JSON values."""

    target: str
    kwargs: dict[str, Any] = field(default_factory=dict)

    def build(self) -> Any:
        """Import and call. Raises ConfigError if the target cannot be found."""
        module, _, path = self.target.partition(":")
        try:
            found: Any = importlib.import_module(module)
            for name in path.split("."):
                found = getattr(found, name)
        except (ImportError, AttributeError) as error:
            raise ConfigError(f"cannot find {self.target!r} ({error}); expected 'module:callable' that Python can import here") from error
        return found(**self.kwargs)


def policy_folder(folder: Path | str, device: str = "cpu", embodiment: str = "") -> Factory:
    """The policy saved in a folder."""
    return Factory("praxia.policy.policy:Policy.load", {"folder": str(Path(folder).resolve()), "device": device, "embodiment": embodiment})


def is_served(policy: Path | str) -> bool:
    """Whether a policy is named by the address of its server."""
    return str(policy).startswith(("ws://", "wss://"))


def driver(folder: Path | str, robot: str, device: str = "cpu", asked: str = "") -> Factory:
    """The policy saved in a folder, driving the robot asked for, or a world's `robot` where the policy knows several; or the one behind the door at
    ws://HOST:PORT. Raises CheckpointError, or ConfigError for a robot asked of a door, which has one already."""
    if is_served(folder):
        if asked:
            raise ConfigError(f"robot {asked!r} is asked of {folder}, which drives the one it was started with; start `praxia serve --embodiment`")
        return Factory("praxia.serve.client:Remote", {"url": str(folder)})
    config = read_config(folder)
    config.check_acts()
    known = [r.embodiment for r in config.robots]
    return policy_folder(folder, device, asked or (robot if len(known) > 1 and robot in known else ""))


def policy_identity(factory: Factory) -> dict[str, Any]:
    """What makes a policy this policy: how it is built and, where it is a folder, the weights' SHA-256 in place of the folder (it may be moved)."""
    weights = Path(str(factory.kwargs.get("folder", ""))) / "weights.safetensors"
    if not weights.is_file():
        return {"factory": to_json(factory), "weights_sha256": ""}
    with weights.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    elsewhere = {k: v for k, v in factory.kwargs.items() if k != "folder"}
    return {"factory": to_json(replace(factory, kwargs=elsewhere)), "weights_sha256": digest}
