"""Stage 0 of the `tiny` presets: words and places on still scenes of tabletop's base split, in place of a public web-pretrained VLM."""

from praxia.data.demonstrations import Demonstrations
from praxia.data.sample_transforms import RandomShift
from praxia.data.supervision import SceneGrounding, SceneQuestions
from praxia.objectives import Grounding, NextToken
from praxia.stages.recipe import Constant, InitFrom, Source, Stage, Weighted
from praxia.train.optimiser import AdamW

QUICKSTART_TASKS = ("reach", "push", "press", "drawer", "pick_and_place")


def base_vlm(parts: tuple[str, ...]) -> Stage:
    """Trains these parts for a minute; shared through the cache by every run that has them alike."""
    scenes = Demonstrations("tabletop", QUICKSTART_TASKS, episodes=200, seed=1, world_args={"split": "base", "size": 64}, depth=True, steps=1)
    shift = (RandomShift(),)
    return Stage(
        name="base_vlm",
        sources=(Source(scenes, SceneGrounding(), shift, weight=0.8), Source(scenes, SceneQuestions(), shift, weight=0.2)),
        objectives=(Weighted(Grounding()), Weighted(NextToken(), Constant(0.5))),
        parts=parts,
        steps=8000,
        minutes=1.0,
        batch=32,
        cycle=5,
        shared=True,
        optimiser=AdamW(lr=2e-3, warmup=50, muon=0.02),
        validate_every=500,
    )


def from_stage(name: str, parts: tuple[str, ...]) -> InitFrom:
    """Start with these parts of an earlier stage."""
    return InitFrom(stage=name, parts=tuple((part, part) for part in parts))
