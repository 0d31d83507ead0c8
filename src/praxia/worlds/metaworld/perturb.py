"""Perturbations of Meta-World: the same names as in tabletop, for all categories but layout, whose scenes hold what the package put there."""

from dataclasses import dataclass, field
from typing import Any

import mujoco
import numpy as np
from PIL import Image

from praxia.errors import ConfigError
from praxia.worlds.perturbations import PUBLISHED_CAMERA, STRENGTHS, Kind, Perturbation, Table, draw
from praxia.worlds.perturbations.light import change_light
from praxia.worlds.perturbations.viewpoint import move_camera
from praxia.worlds.perturbations.wording import amid_talk, indirectly, politely
from praxia.worlds.tabletop.textures import FOREIGN, mix, paint
from praxia.worlds.world import Episode

TABLE: Table = {
    "camera": PUBLISHED_CAMERA,
    "robot": (Kind("hand", "metres", (0.02, 0.04, 0.06, 0.08, 0.10), "to the side of and above where the hand starts otherwise"),),
    "language": (Kind("wording", "step", (1, 2, 3, 4, 5), "said politely; indirectly; amid talk; indirectly amid talk; the same amid more talk"),),
    "light": STRENGTHS["light"],
    "background": (
        Kind("table", "share", (0.2, 0.4, 0.6, 0.8, 1.0), "of the way from the table's own texture to another one"),
        Kind("surroundings", "share", (0.2, 0.4, 0.6, 0.8, 1.0), "the same of the floor"),
    ),
    "noise": STRENGTHS["noise"],
}
_TEXTURES = {"table": "T_table", "surroundings": "T_floor"}
_LOOKED_AT = 0.0  # m, height of the table
_FIELDS = ("cam_pos", "cam_quat", "light_dir", "light_diffuse", "light_ambient", "light_specular")
_HEADLIGHT = ("ambient", "diffuse", "specular")


def draw_here(episode: Episode) -> Perturbation | None:
    """What the episode asks for. Raises ConfigError for what Meta-World cannot show."""
    if episode.perturbation.startswith("layout:"):
        raise ConfigError(
            f"perturbation {episode.perturbation!r}: Meta-World's scenes hold a fixed set of things, so layout does not apply; "
            f"fix: choose among {', '.join(TABLE)}"
        )
    return draw(episode, TABLE, "Meta-World")


@dataclass
class Untouched:
    """What a model and its environment were like before any perturbation, to go back to."""

    env: Any
    camera: str
    touched: bool = False
    textures: dict[str, np.ndarray] = field(default_factory=dict)  # those that were painted over

    def __post_init__(self) -> None:
        model = self.env.model
        self._fields = {name: getattr(model, name).copy() for name in _FIELDS}
        self._headlight = {name: getattr(model.vis.headlight, name).copy() for name in _HEADLIGHT}
        self._hand = np.array(self.env.hand_init_pos)

    def restore(self) -> bool:
        """Go back; True if a texture changed, so that an open renderer shows an old one."""
        if not self.touched:
            return False
        model, painted = self.env.model, bool(self.textures)
        for name, value in self._fields.items():
            getattr(model, name)[:] = value
        for name, value in self._headlight.items():
            getattr(model.vis.headlight, name)[:] = value
        for name, pixels in self.textures.items():
            _texture(model, name)[:] = pixels
        self.env.hand_init_pos = self._hand.copy()
        self.touched, self.textures = False, {}
        return painted

    def perturb(self, found: Perturbation) -> bool:
        """Change what `found` says, before the environment is reset; True if a texture changed."""
        model, self.touched = self.env.model, True
        if found.category == "camera":
            move_camera(model, model.camera(self.camera).id, found, _LOOKED_AT)
        elif found.category == "light":
            change_light(model, found)
        elif found.category == "robot":
            way = found.rng().normal(size=3)
            way[2] = abs(way[2])
            self.env.hand_init_pos = self._hand + found.strength * way / np.linalg.norm(way)
        elif found.category == "background":
            name = _TEXTURES[found.kind.name]
            pixels = _texture(model, name)
            self.textures[name] = pixels.copy()
            other = paint(FOREIGN[int(found.rng().integers(len(FOREIGN)))])
            pixels[:] = mix(pixels, np.asarray(Image.fromarray(other).resize(pixels.shape[1::-1])), found.strength)
            return True
        return False


def _texture(model: mujoco.MjModel, name: str) -> np.ndarray:
    """Pixels uint8 [H, W, 3] of a texture, to be written into."""
    i = model.texture(name).id
    height, width, start = model.tex_height[i], model.tex_width[i], model.tex_adr[i]
    return model.tex_data[start : start + 3 * height * width].reshape(height, width, 3)


def reworded(text: str, found: Perturbation) -> str:
    """The instruction, said otherwise; what it is about keeps its name."""
    rng = found.rng()
    match found.level:
        case 1:
            return politely(text, rng)
        case 2:
            return indirectly(text, rng)
        case 3:
            return amid_talk(text, rng)
        case 4:
            return amid_talk(indirectly(text, rng), rng)
        case _:
            return amid_talk(indirectly(text, rng), rng, sentences=2)
