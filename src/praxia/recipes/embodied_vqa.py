"""Embodied questions as a stage (PokeVLA stage 1, arXiv 2604.20834): on scenes of tabletop's pretrain split, looked at with the benchmark split."""

import re
from dataclasses import replace
from typing import Any

from praxia.data.demonstrations import Demonstrations
from praxia.data.sample_transforms import RandomShift
from praxia.data.supervision import EmbodiedVQA, SceneGrounding
from praxia.data.supervision.questions import affordance, general, grounding, reasoning
from praxia.objectives import Grounding, GuidedAttention, NextToken, PositionRegression
from praxia.recipes.base_vlm import QUICKSTART_TASKS, from_stage
from praxia.recipes.tabletop_contacts import contacts
from praxia.recipes.words import world_words
from praxia.stages.recipe import Constant, Source, Stage, Weighted
from praxia.train.optimiser import AdamW
from praxia.worlds.tabletop.objects import CATEGORIES
from praxia.worlds.tabletop.palette import COLOUR_NAMES
from praxia.worlds.tabletop.splits import split

TURNS = 4  # questions about a picture, whose first costs as much as the others together
FIXTURES = ("tray", "zone", "button", "drawer")
_TEMPLATES = (
    *(general.COLOUR, general.COUNT, general.COUNT_KIND, general.PRESENT, general.RELATION, general.NUMBERS, (general.YES, general.NO)),
    *(general.SIDES, general.DEPTHS, grounding.POINT, grounding.BOX, grounding.FREE, grounding.BESIDE, ("left", "right")),
    *affordance.INTERACT.values(),
    *(reasoning.NEARER, reasoning.NEXT, (reasoning.MOVE, reasoning.CARRY), reasoning.BLOCK, reasoning.THERE),
)


def vqa_words() -> tuple[str, ...]:
    """Words of the worlds and of these questions, sorted: one token each in a local tokenizer."""
    texts = (re.sub(r"\{.*?\}", " ", text) for templates in _TEMPLATES for text in templates)
    return tuple(sorted({*world_words(), *(word for text in texts for word in re.findall(r"[a-z]+", text))}))


def questions(scenes: str, positions: int = 0) -> EmbodiedVQA:
    """About the head camera's picture of scenes of a split; what is asked for in vain is what other scenes of the split have."""
    names = [f"{colour} {category}" for category, colour in split(scenes).pairs]
    names += [f"{colour} {kind}" for kind in FIXTURES for colour in COLOUR_NAMES]
    return EmbodiedVQA(("head",), absent=(*names, *CATEGORIES, *FIXTURES), contacts=contacts(), positions=positions)


def scenes(name: str, episodes: int, seed: int, **made: Any) -> Demonstrations:
    """Clean demonstrations of six tasks with depth and masks."""
    look = {"split": name, "size": 64}
    return Demonstrations("tabletop", (*QUICKSTART_TASKS, "stack"), episodes, seed, look, depth=True, masks=True, **made)


def stage(parts: tuple[str, ...], minutes: float, positions: int = 0) -> Stage:
    """Trains these parts, from those of `base_vlm`.

    positions: as in `EmbodiedVQA`, for models with the readouts of Pose-VLA's `tiny`: they then also learn places and names, as in its stages.
    """
    asked, shift = replace(questions("pretrain", positions), beside=SceneGrounding() if positions else None, turns=TURNS), (RandomShift(),)
    stills, moves = scenes("pretrain", 300, seed=31, steps=1), scenes("pretrain", 25, seed=32, picture_every=5)
    places = (
        Weighted(PositionRegression(beta=0.05), Constant(5.0)),
        Weighted(GuidedAttention(), Constant(0.2)),
        Weighted(Grounding(), Constant(0.3)),
    )
    return Stage(
        name="embodied_vqa",
        sources=(Source(stills, asked, shift, weight=0.5), Source(moves, asked, shift, weight=0.5)),
        held_out=(Source(scenes("benchmark", 12, seed=33, picture_every=6), questions("benchmark", positions)),),
        objectives=(Weighted(NextToken(spread=0.02)), *(places if positions else ())),
        parts=parts,
        init_from=(from_stage("base_vlm", tuple(part for part in parts if part != "tokens")),),
        steps=20_000,
        minutes=minutes,
        batch=32,
        shared=True,
        optimiser=AdamW(lr=1.5e-3, warmup=50, muon=0.02),
        validate_every=1000,
    )
