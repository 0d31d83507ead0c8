"""One episode, closed loop: look, think, act; pictures are made only when the policy looks."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from praxia.errors import ConfigError, EvaluationError
from praxia.evaluate.observation import Executed, PolicyLike, observe
from praxia.registry import register
from praxia.specs import ActionSpec
from praxia.worlds.world import Episode, World

Condition = Literal["normal", "instruction_shuffled", "images_blanked"]
Watch = Callable[[World, int], None]  # called after reset (step 0) and after every step, e.g. to film


@register("evaluate/rules")
@dataclass(frozen=True)
class Rules:
    """How an episode is judged: success is the world's condition holding after any step; the episode ends there."""

    replan: int | None = None  # actions executed before the next look; None = the policy's own
    max_steps: int | None = None  # None = the world's own limit


@dataclass(frozen=True)
class Trial:
    """One episode of a plan under one condition."""

    index: int
    episode: Episode
    seed: tuple[int, ...]  # entropy of the policy's noise
    condition: Condition = "normal"
    told: str = ""  # instruction given instead of the episode's own


@dataclass(frozen=True)
class Record:
    """What happened. Times are wall seconds and differ from run to run; all else does not."""

    index: int
    task: str
    seed: int
    perturbation: str
    instruction: str  # what the world asked for
    told: str  # what the policy was told
    success: bool
    steps: int
    looks: int
    look_seconds: float
    think_seconds: float
    seconds: float
    reset_seconds: float = 0.0
    step_seconds: float = 0.0


def rollout(world: World, policy: PolicyLike, trial: Trial, rules: Rules, watch: Watch | None = None) -> Record:
    """Run one episode. Raises ConfigError for a replan interval beyond the chunk, EvaluationError for actions that cannot be executed."""
    began = time.perf_counter()
    episode = trial.episode
    instruction = world.reset(episode)
    reset = time.perf_counter() - began
    told = trial.told or instruction
    session = policy.session(seed=int(np.random.SeedSequence(trial.seed).generate_state(1)[0]))
    session.reset()
    limit = rules.max_steps or world.max_steps(episode.task)
    roles = tuple(camera.role for camera in policy.cameras)
    look = {"depth": bool(policy.metadata.get("needs_depth")), "blank": trial.condition == "images_blanked"}
    episode_id = f"{episode.task}/{episode.seed}/{trial.index}"
    clock = {"look": 0.0, "think": 0.0, "step": 0.0}
    executed: Executed | None = None
    steps = looks = 0
    success = over = False
    if watch:
        watch(world, 0)
    while not over and steps < limit:
        start = time.perf_counter()
        observation = observe(world, roles, told, episode_id, executed, **look)
        seen = time.perf_counter()
        chunk = _checked(session.infer(observation)["actions"], world.action_spec, episode)
        clock["look"] += seen - start
        clock["think"] += time.perf_counter() - seen
        looks += 1
        actions, states = chunk[: min(_interval(policy, rules, len(chunk)), limit - steps)], []
        for action in actions:
            states.append(world.state())
            start = time.perf_counter()
            step = world.step(action)
            clock["step"] += time.perf_counter() - start
            steps += 1
            if watch:
                watch(world, steps)
            success, over = step.success, step.success or step.done
            if over:
                break
        executed = Executed(actions[: len(states)], np.stack(states))
    times = (round(seconds, 4) for seconds in (clock["look"], clock["think"], time.perf_counter() - began, reset, clock["step"]))
    return Record(trial.index, episode.task, episode.seed, episode.perturbation, instruction, told, success, steps, looks, *times)


def _interval(policy: PolicyLike, rules: Rules, horizon: int) -> int:
    replan = rules.replan or policy.replan
    if not 1 <= replan <= horizon:
        raise ConfigError(f"replan {replan}: the policy predicts {horizon} actions a chunk; fix: choose 1 to {horizon}")
    return replan


def _checked(actions: np.ndarray, spec: ActionSpec, episode: Episode) -> np.ndarray:
    """The chunk float32 [H, Da] within the spec's hard limits, as the robot will execute it."""
    actions = np.asarray(actions, np.float32)
    if actions.ndim != 2 or actions.shape[1] != spec.width or not len(actions):
        raise EvaluationError(f"{episode}: the policy returned actions of shape {list(actions.shape)}, expected [H, {spec.width}]")
    if not np.isfinite(actions).all():
        bad = [spec.dims[i].name for i in np.flatnonzero(~np.isfinite(actions).all(0))]
        raise EvaluationError(f"{episode}: the policy returned actions that are not finite in {', '.join(bad)}; fix: check the training run for NaN")
    low = np.array([-np.inf if dim.low is None else dim.low for dim in spec.dims], np.float32)
    high = np.array([np.inf if dim.high is None else dim.high for dim in spec.dims], np.float32)
    return np.clip(actions, low, high)
