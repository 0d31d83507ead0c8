"""What a report is made of, as plain data. Parts that are empty are left out of the page with a sentence that says so."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from praxia.evaluate.latents import Smoothness
from praxia.report.curves import Curve


@dataclass(frozen=True)
class Clip:
    """A filmed episode. frames: uint8 [H, W, 3] each, all views side by side in the order of `views`."""

    task: str
    instruction: str  # what the policy was told
    success: bool
    frames: tuple[np.ndarray, ...]
    rate_hz: float  # frames per second of the robot's time
    views: tuple[str, ...] = ()
    perturbation: str = ""  # "category:level"


@dataclass(frozen=True)
class Answer:
    """A question about a picture the policy did not train on: what is right and what it said.

    Pixels are (u, v), integer = pixel centre, where the answer is a point; answered_pixel is None if it named none. Boxes are (u0, v0, u1, v1).
    right: whether it counts as right, None where the words decide. group: pictures of one group stand together.
    """

    image: np.ndarray  # uint8 [H, W, 3]
    question: str
    expected: str = ""
    answered: str = ""
    expected_pixel: tuple[float, float] | None = None
    answered_pixel: tuple[float, float] | None = None
    expected_box: tuple[float, float, float, float] | None = None
    answered_box: tuple[float, float, float, float] | None = None
    right: bool | None = None
    group: str = ""


@dataclass(frozen=True)
class AnswerScores:
    """How a stage answers held-out questions (`evaluate.vqa`). scores: group -> name -> number; controls: the same of what does not look, by name."""

    stage: str
    scores: Mapping[str, Mapping[str, float]]
    controls: Mapping[str, Mapping[str, Mapping[str, float]]]


Segment = tuple[tuple[float, float], tuple[float, float]]  # two pixels (u, v), integer = pixel centre


@dataclass(frozen=True)
class PosePicture:
    """A held-out picture with true poses and those that a stage's model said, as lines: edges of boxes, or the way from waypoint to waypoint."""

    stage: str
    image: np.ndarray  # uint8 [H, W, 3]
    words: str  # what was asked
    expected: tuple[Segment, ...]
    answered: tuple[Segment, ...]
    note: str = ""  # how far off


@dataclass(frozen=True)
class DepthPicture:
    """A held-out picture with its true depth and what a geometry net sees, float32 [H, W] in metres, 0 = unknown; sure: its confidence [H, W]."""

    role: str
    image: np.ndarray  # uint8 [H, W, 3]
    truth: np.ndarray
    seen: np.ndarray
    sure: np.ndarray


@dataclass(frozen=True)
class GeometryFacts:
    """What a stage's geometry net sees. scores: view -> name -> number (`evaluate.reconstruction`)."""

    stage: str
    scores: Mapping[str, Mapping[str, float]]
    pictures: tuple[DepthPicture, ...] = ()


@dataclass(frozen=True)
class MaskPicture:
    """A held-out picture with the pixels that show the target and those that a stage's goal token marks, bool [S, S] over the whole picture."""

    role: str
    image: np.ndarray  # uint8 [H, W, 3]
    instruction: str
    truth: np.ndarray
    marked: np.ndarray


@dataclass(frozen=True)
class GoalFacts:
    """What a stage's goal token marks, and how near its visual states are to a geometry net's features: view -> name -> number, {} of neither.

    masks: as in `evaluate.target_masks`, and blind_iou; alignment: as in `evaluate.alignment`.
    """

    stage: str
    masks: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    alignment: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    pictures: tuple[MaskPicture, ...] = ()


@dataclass(frozen=True)
class LatentFacts:
    """What a stage's latent of action chunks is worth. errors: mean absolute, normalised units, held out.

    by_robot: of sampled chunks; steps: by number of integration steps; history: with the true past and with others, {} of a stage that reads none;
    alignment: |z' - z|^2 over the updates; pace: updates until the error of sampled chunks was at most each of these, of those it came down to.
    """

    stage: str
    smoothness: Smoothness | None = None
    history: Mapping[str, float] = field(default_factory=dict)
    by_robot: Mapping[str, float] = field(default_factory=dict)
    steps: Mapping[int, float] = field(default_factory=dict)
    alignment: Curve | None = None
    pace: Mapping[float, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Moment:
    """One moment of a dataset: the instruction or question with its pictures. views: role -> uint8 [H, W, 3]."""

    text: str
    views: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class DataSource:
    """A dataset that went into the run. episodes, attempts: task -> number; attempts are empty where they were not counted (recorded data)."""

    name: str
    description: str = ""  # a sentence: where it comes from, what it is for
    stages: tuple[str, ...] = ()
    episodes: Mapping[str, int] = field(default_factory=dict)
    attempts: Mapping[str, int] = field(default_factory=dict)
    frames: int = 0
    examples: tuple[Moment, ...] = ()


@dataclass(frozen=True)
class Ingredient:
    """Something that went into the policy and has a licence: a dataset, world, checkpoint or tokenizer."""

    name: str
    kind: str
    licence: str
    origin: str = ""  # address, folder or "made in this run"
    stages: tuple[str, ...] = ()


@dataclass(frozen=True)
class ReportContent:
    """Everything the page shows besides the learning curves, which are read from the run folder.

    summary: as summary.json: success, per_task, controls, stages [{name, seconds, samples, metrics, and if known trainable_parameters}], wall_s,
    peak_rss_gb, machine, versions. evaluation: as results.json of `praxia.evaluate` (benchmark, plan, rules, effort, fingerprint), {} if none.
    """

    recipe: str
    preset: str
    summary: Mapping[str, Any]
    commit: str = ""
    seeds: Mapping[str, int] = field(default_factory=dict)  # what was drawn -> seed
    evaluation: Mapping[str, Any] = field(default_factory=dict)
    clips: tuple[Clip, ...] = ()
    answers: tuple[Answer, ...] = ()
    answer_scores: tuple[AnswerScores, ...] = ()
    poses: tuple[PosePicture, ...] = ()
    latents: tuple[LatentFacts, ...] = ()
    geometry: tuple[GeometryFacts, ...] = ()
    goals: tuple[GoalFacts, ...] = ()
    acts: bool = True  # whether a policy comes out of the run that can be asked and judged
    sources: tuple[DataSource, ...] = ()
    ingredients: tuple[Ingredient, ...] = ()
