"""Session: the memory of one episode with one client."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from praxia.policy.observation import checked

if TYPE_CHECKING:
    from praxia.policy.policy import Policy


class Session:
    """Infers chunk after chunk. Equal seeds and observations give equal actions; another `episode_id` than the last one begins anew."""

    def __init__(self, policy: "Policy", seed: int = 0):
        self.policy, self.seed = policy, seed
        self.reset()

    def reset(self) -> None:
        """Forget the past: a new episode begins."""
        self.calls = 0
        self.episode_id: str | None = None

    def infer(self, observation: Mapping[str, Any]) -> dict[str, Any]:
        """One observation (see `praxia.policy.observation`) -> {"actions": float32 [H, Da] in the robot's own units, "call": int}."""
        policy, known = self.policy, checked(observation, self.policy)
        episode = known.get("episode_id")
        if episode is not None and episode != self.episode_id:
            self.reset()
            self.episode_id = episode
        noise = policy.model_noise(np.random.SeedSequence([self.seed, self.calls]).generate_state(1)[0])
        actions = policy.act([policy.sample(known)], noise)[0]
        self.calls += 1
        return {"actions": actions, "call": self.calls - 1}


def torch_generator(seed: int) -> torch.Generator:
    """A CPU generator with the given seed."""
    return torch.Generator().manual_seed(int(seed))
