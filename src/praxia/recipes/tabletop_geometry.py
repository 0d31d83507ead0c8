"""Tabletop geometry: a small multi-view net learns metric depth, points and cameras from the world's own truth, in minutes on two CPU cores.

No paper's system: the stand-in for VGGT and CUT3R where their licence or size forbids them. It learns on the split `pretrain` and is looked at on
`benchmark`: other objects, table tops and camera places.
"""

from typing import Any

from praxia.data.demonstrations import Demonstrations
from praxia.data.sample_transforms import ColourJitter, RandomShift
from praxia.data.supervision import SceneGeometry
from praxia.errors import ConfigError
from praxia.models.geometry_nets.tabletop_geometry import TabletopGeometry
from praxia.models.spec import ModelSpec
from praxia.objectives import ReconstructionLoss
from praxia.recipes.base_vlm import QUICKSTART_TASKS
from praxia.stages.recipe import Recipe, Source, Stage, Weighted
from praxia.train.optimiser import AdamW

ROLES = ("head", "head_2", "wrist")


def scenes(split: str, episodes: int, seed: int, picture_every: int = 4) -> Demonstrations:
    """Clean demonstrations of six tasks, seen by two head cameras and the wrist's, with depth."""
    look: dict[str, Any] = {"split": split, "size": 64, "cameras": ROLES}
    return Demonstrations("tabletop", (*QUICKSTART_TASKS, "stack"), episodes, seed, look, picture_every=picture_every, depth=True)


def stage(minutes: float = 19.0, roles: tuple[str, ...] = ROLES) -> Stage:
    """The training of part `geometry` on these views; other recipes may have it as a stage of their own."""
    shown = SceneGeometry(roles)
    return Stage(
        name="geometry",
        sources=(Source(scenes("pretrain", 150, seed=21), shown, (RandomShift(), ColourJitter())),),
        held_out=(Source(scenes("benchmark", 10, seed=22), shown),),
        objectives=(Weighted(ReconstructionLoss()),),
        parts=("geometry",),
        steps=20_000,
        minutes=minutes,
        batch=32,
        shared=True,
        optimiser=AdamW(lr=1e-3, warmup=100, muon=0.02),
        validate_every=1000,
    )


def tiny() -> Recipe:
    """2.4 M parameters at 64 px, three views."""
    return Recipe("tabletop_geometry", ModelSpec(geometry=TabletopGeometry()), stages=(stage(),))


def paper() -> Recipe:
    """There is none: the published nets are `vggt` and `cut3r`."""
    raise ConfigError("tabletop_geometry has no preset 'paper': the published geometry nets are VGGT and CUT3R; use preset 'tiny'")
