"""Policy: a trained model with the meaning of its numbers. It loads from one folder through the registry, without recipe code, and acts."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from praxia.data.collate import Collate
from praxia.data.sample import Sample
from praxia.data.supervision.action_chunk import told
from praxia.data.supervision.object_poses import ObjectPoses
from praxia.data.supervision.supervision import Example, picture_size
from praxia.data.supervision.waypoints import Waypoints
from praxia.errors import ConfigError, EvaluationError, unknown
from praxia.models.precision import compute
from praxia.models.vla import VLA
from praxia.policy.config import PolicyConfig, Taught
from praxia.policy.folder import read_folder, write_folder
from praxia.policy.observation import check_complete, checked, sample_from
from praxia.policy.session import Session, torch_generator
from praxia.policy.speaker import SaidBoxes, SaidWay, Speaker, said_boxes, said_way
from praxia.registry import to_json
from praxia.specs import ActionSpec, CameraSpec, StateSpec
from praxia.tokens import coordinates, locations
from praxia.tokens.pose_vocabulary import PoseTokens


class Policy:
    """A model with its meaning. `session()` acts; `embodiment` picks the robot if the policy knows several."""

    def __init__(self, config: PolicyConfig, model: VLA, tokenizer: Any, embodiment: str = ""):
        self.config, self.model, self.tokenizer = config, model.eval(), tokenizer
        if model.backbone is not None:
            model.backbone.bind(tokenizer)
        names = [r.embodiment for r in config.robots]
        if embodiment and embodiment not in names:
            raise ConfigError(unknown("embodiment of this policy", embodiment, names))
        self.robot = config.robots[names.index(embodiment) if embodiment else 0]
        numbers = {r.embodiment: r.numbers for r in config.robots}
        spec = config.model
        self.collate = Collate(numbers, model.backbone, tokenizer, spec.embodiments, spec.vocabulary, spec.state_in_prompt)

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
    def history(self) -> int:
        """Steps of the past that a history token reads; 0 of a policy without."""
        return self.config.history

    @property
    def needs_depth(self) -> bool:
        """Whether it looks at depth: an adapter reads it, and it was there in training."""
        return self.config.model.reads_depth and any(name.startswith("depth/") for name in self.robot.given)

    @property
    def needs_calibration(self) -> bool:
        """Whether every observation must hold intrinsics."""
        return any(name.startswith("cameras/") for name in self._required)

    @property
    def _required(self) -> list[str]:
        """What every observation must hold beside pictures, state and words: what the model relies on and always had in training."""
        relies_on = self.config.model.relies_on
        return [name for name, how in self.robot.given.items() if how == "always" and name.split("/")[0] in relies_on]

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
            "history": config.history,
            "needs_depth": self.needs_depth,
            "needs_calibration": self.needs_calibration,
            "licences": dict(config.licences),
            "versions": config.versions,
        }

    # --- acting -----------------------------------------------------------------------------------------------------------------

    def session(self, seed: int = 0) -> Session:
        """A fresh session; equal seeds and observations give equal actions."""
        return Session(self, seed)

    def model_noise(self, seed: int) -> Tensor:
        """What one chunk's integration starts from, float32 [1, H, A]."""
        self.config.check_acts()
        assert self.model.head is not None
        return self.model.head.noise(1, torch_generator(seed))

    def sample(self, observation: Mapping[str, Any]) -> Sample:
        """A checked observation as this policy takes it. Raises ObservationError where it lacks what the policy never missed in training."""
        check_complete(observation, self._required)
        return sample_from(observation, self.cameras, self.embodiment, self.robot.given)

    def act(self, samples: Sequence[Sample], noise: Tensor) -> list[np.ndarray]:
        """Samples (no targets needed) and noise [B, H, A] -> one chunk float32 [H, Da] per sample in its robot's units."""
        device = next(self.model.parameters()).device
        batch = self.collate([self._asked(s) for s in samples]).to(device)
        with torch.inference_mode(), compute(device, self.config.precision):
            chunk = self.model.sample(batch, noise.to(device)).float().cpu().numpy()
        if not np.isfinite(chunk).all():
            raise EvaluationError(
                f"the policy's actions are not finite ({np.count_nonzero(~np.isfinite(chunk))} of {chunk.size} numbers); do not execute them: "
                "look at the training run for NaN, or run with precision fp32"
            )
        return [self.collate.numbers[s.embodiment].action_inverse(c, s.state) for s, c in zip(samples, chunk, strict=True)]

    def _asked(self, sample: Sample) -> Example:
        """What the model is asked to do, as its training put it and showed it."""
        for transform in self.config.sees:
            sample = transform(sample)
        return Example(sample, told(self.config.prompt, sample.instruction))

    def generate(self, observation: Mapping[str, Any], prompt: str, view: str = "", limit: int = 64) -> dict[str, Any]:
        """Answer a prompt about an observation, the likeliest token at a time, at most `limit` of them.

        {"text": str, "points": [[u, v], ...]}: every pair of location tokens in the text, or else of coordinates, as a pixel of the sent picture of
        `view` (the first camera's if empty; questions in training are about one view). The observation's own instruction and state are not read.
        """
        return self.generate_for(self._shown(observation, {"instruction": prompt}), prompt, view, limit)

    def generate_for(self, sample: Sample, prompt: str, view: str = "", limit: int = 64) -> dict[str, Any]:
        """The same for a Sample."""
        backbone = self.model.backbone
        if backbone is None:
            raise ConfigError(f"policy {self.metadata['name']} has no language model; it cannot answer")
        roles = [v.role for v in sample.views]
        if view and view not in roles:
            raise ConfigError(unknown("view", view, roles))
        device = next(self.model.parameters()).device
        batch = self.collate([Example(sample, prompt).question]).to(device)
        stop = backbone.stop_id(self.tokenizer)
        with torch.inference_mode(), compute(device, self.config.precision):
            answer = self.model.generate(batch, stop, limit)
        text = self.tokenizer.decode(answer.ids[0][answer.valid[0]].tolist(), skip_special_tokens=False).strip()
        seen = sample.views[roles.index(view) if view else 0] if sample.views else None
        return {"text": text, "points": _points(text, picture_size(seen)) if seen else []}

    def objects(self, observation: Mapping[str, Any], category: str) -> dict[str, SaidBoxes]:
        """Where all things of a class are, in the frame of each view's camera, by its role. The observation's instruction and state are not read.

        Raises ConfigError if no stage that went into the policy said object poses.
        """
        known = self._taught(ObjectPoses)
        assert isinstance(known.says, ObjectPoses)
        sample = known.says.shown(self._cropped(self._shown(observation, {"instruction": category}), known))
        with torch.inference_mode(), compute(next(self.model.parameters()).device, self.config.precision):
            (said,) = self._speaker.objects([(Example(sample, known.says.question(category)), category)], known.says)
        return {view.role: said_boxes(said, i) for i, view in enumerate(sample.views)}

    def waypoints(self, observation: Mapping[str, Any]) -> dict[str, dict[str, SaidWay]]:
        """Where the grippers will be while they follow the observation's instruction, by view role and arm: the arms that the answer lists whole.

        In the frame that was taught, the view's camera (as published) or the base. The state is not read. Raises ConfigError as `objects`.
        """
        known = self._taught(Waypoints)
        says = known.says
        assert isinstance(says, Waypoints)
        sample = self._cropped(self._shown(observation, {}), known)
        with torch.inference_mode(), compute(next(self.model.parameters()).device, self.config.precision):
            (said,) = self._speaker.ways([(Example(sample, sample.instruction), known.arms)], says)
        ways = {view.role: {arm: said_way(said, i, arm, says) for arm in known.arms} for i, view in enumerate(sample.views)}
        return {role: {arm: way for arm, way in by_arm.items() if way is not None} for role, by_arm in ways.items()}

    def _shown(self, observation: Mapping[str, Any], usual: Mapping[str, Any]) -> Sample:
        """An observation that is asked about: who only looks needs no state."""
        return self.sample(checked({"state": np.zeros(self.state_spec.width, np.float32)} | dict(usual) | dict(observation), self))

    def _taught(self, kind: type) -> Taught:
        for known in self.config.taught:
            if isinstance(known.says, kind):
                return known
        name, learnt = f"{self.metadata['name']} at stage {self.config.stage!r}", [type(t.says).__name__ for t in self.config.taught]
        raise ConfigError(
            f"policy {name} was never taught {kind.__name__}; it was taught {', '.join(learnt) or 'no poses'}: train a stage of pose_vla that is"
        )

    def _cropped(self, sample: Sample, known: Taught) -> Sample:
        for transform in known.sees:
            sample = transform(sample)
        return sample

    @property
    def _speaker(self) -> Speaker:
        vocabulary = self.config.model.vocabulary
        assert isinstance(vocabulary, PoseTokens)
        return Speaker(self.model, self.collate, self.tokenizer, vocabulary)

    # --- the folder -------------------------------------------------------------------------------------------------------------

    def save(self, folder: Path | str) -> None:
        """Write the folder; it is complete when policy.json is there."""
        write_folder(Path(folder), self.config, self.model, self.tokenizer)

    @classmethod
    def load(cls, folder: Path | str, device: str = "cpu", embodiment: str = "") -> "Policy":
        """Read a policy folder. Raises CheckpointError if it is incomplete or does not fit itself."""
        config, model, tokenizer = read_folder(Path(folder))
        return cls(config, model.to(device), tokenizer, embodiment)


def _points(text: str, size: tuple[int, int]) -> list[list[float]]:
    """Pixels (u, v) of a picture of `size` (height, width) that a text names: by location tokens (Pose-VLA), else by coordinates (PokeVLA)."""
    said = locations.points_in(text, size) or coordinates.share_pixels(coordinates.points_in(text), size).tolist()
    return [list(point) for point in said]
