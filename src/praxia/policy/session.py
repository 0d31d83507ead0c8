"""Session: the memory of one episode with one client."""

import logging
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from praxia.policy.history import History
from praxia.policy.observation import checked

if TYPE_CHECKING:
    from praxia.policy.policy import Policy

_log = logging.getLogger(__name__)


class Session:
    """Infers chunk after chunk. Equal seeds and observations give equal actions; another `episode_id` than the last one begins anew.

    A policy with a history token reads the past of episodes that the client names (`episode_id`). Of others nobody knows where they begin: it then
    acts as it learnt to act without history, says so, and forgets what it knew: a past with a hole is no past.
    """

    def __init__(self, policy: "Policy", seed: int = 0):
        self.policy, self.seed, self._warned = policy, seed, False
        self.reset()

    def reset(self) -> None:
        """Forget the past."""
        self.calls = 0
        self.episode_id: str | None = None
        self._history = History(self.policy.history)

    def infer(self, observation: Mapping[str, Any]) -> dict[str, Any]:
        """One observation (see `praxia.policy.observation`) -> {"actions": float32 [H, Da] in the robot's own units, "call": int}.

        "history": steps of the past that were read, of a policy that can.
        """
        policy, known = self.policy, checked(observation, self.policy)
        episode = known.get("episode_id")
        if episode is not None and episode != self.episode_id:
            self.reset()
            self.episode_id = episode
            known = {key: value for key, value in known.items() if key not in ("executed", "executed_states")}  # of the episode before
        noise = policy.model_noise(np.random.SeedSequence([self.seed, self.calls]).generate_state(1)[0])
        sample, read = policy.sample(known), {}
        if policy.history:
            read = {"history": 0}
            if episode is not None:
                self._history.look(known)
                read = {"history": self._history.length}
                sample = replace(sample, past=self._history.window(known["state"], policy.action_spec.width))
            else:
                self._history = History(policy.history)
                if not self._warned:
                    self._warned = True
                    _log.warning(
                        "the policy reads history, but observations name no episode_id: it acts without; send one that changes with every episode"
                    )
        actions = policy.act([sample], noise)[0]
        if episode is not None:
            self._history.command(known["state"], actions[: policy.replan])
        self.calls += 1
        return {"actions": actions, "call": self.calls - 1} | read


def torch_generator(seed: int) -> torch.Generator:
    """A CPU generator with the given seed."""
    return torch.Generator().manual_seed(int(seed))
