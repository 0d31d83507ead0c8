"""Recorder: keep every n-th observation and reply of a served policy as `.npz`, to look at later what the robot really sent."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from praxia.errors import ConfigError
from praxia.files import write_atomic

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recorder:
    """Writes `folder/session_SSSS/request_RRRRRR.npz`; keys are joined by `/`: `observation/images/head`, `reply/actions`."""

    folder: Path
    every: int = 1

    def __post_init__(self) -> None:
        if self.every < 1:
            raise ConfigError(f"record_every is {self.every}; expected 1 (every request) or more")

    def keep(self, session: int, request: int, observation: Mapping[str, Any], reply: Mapping[str, Any]) -> None:
        """Write request number `request` (from 0) of one session if it is due. A full disk must not stop a robot: failures are logged."""
        if request % self.every:
            return
        arrays: dict[str, Any] = dict(_flat(observation, "observation") | _flat(reply, "reply"))
        path = self.folder / f"session_{session:04d}" / f"request_{request:06d}.npz"
        try:
            write_atomic(path, lambda file: np.savez(file, **arrays))
        except OSError as error:
            _log.error("could not record %s: %s; the policy goes on, free space or stop recording", path, error)


def _flat(value: Any, path: str) -> dict[str, np.ndarray]:
    if isinstance(value, Mapping):
        return {key: leaf for name, item in value.items() for key, leaf in _flat(item, f"{path}/{name}").items()}
    return {path: np.asarray("" if value is None else value)}
