"""Hand geometry: the small net of `tabletop_geometry` taught on clips of hands: it makes the cloud that `praxia annotate hands` calibrates.

A net that has only seen the robot's cameras does not know these views. It learns from the split `pretrain`, without the task that is held out of
the annotations; VIPA-VLA has CUT3R in this place (§3.2), which learnt from hand-object videos too.
"""

from dataclasses import replace

from praxia.data.demonstrations import Demonstrations
from praxia.data.sample_transforms import ColourJitter, RandomShift
from praxia.data.supervision import SceneGeometry
from praxia.errors import ConfigError
from praxia.models.geometry_nets.tabletop_geometry import TabletopGeometry
from praxia.models.spec import ModelSpec
from praxia.recipes import tabletop_geometry
from praxia.stages.recipe import Recipe, Source, Stage

TASKS = ("reach", "grasp", "move", "bring")


def scenes(clips: int, seed: int, split: str = "pretrain") -> Demonstrations:
    """Frames of clips at 5 Hz, with depth. clips: of each task."""
    return Demonstrations("hands", TASKS, clips, seed, {"split": split, "size": 64}, picture_every=3, depth=True)


def stage(minutes: float = 15.0) -> Stage:
    """The training of part `geometry` on single frames."""
    shown = SceneGeometry(("head",))
    return replace(
        tabletop_geometry.stage(minutes),
        sources=(Source(scenes(30, seed=31), shown, (RandomShift(), ColourJitter())),),
        held_out=(Source(scenes(3, seed=32, split="benchmark"), shown),),
    )


def tiny() -> Recipe:
    """2.4 M parameters at 64 px, one view."""
    return Recipe("hand_geometry", ModelSpec(geometry=TabletopGeometry()), stages=(stage(),))


def paper() -> Recipe:
    """There is none: the published net is CUT3R."""
    raise ConfigError("hand_geometry has no preset 'paper': VIPA-VLA's geometry net is CUT3R (`cut3r`); use preset 'tiny'")
