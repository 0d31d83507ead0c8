"""What a perturbation changes in LIBERO: the names of tabletop and Meta-World, LIBERO-Plus's own ranges where they are known (arXiv 2510.13626).

Looks and starts are changed in LIBERO's process between the hard reset and the idle steps; noise and wording are of this side.
"""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from praxia.errors import EvaluationError
from praxia.worlds.libero.arrange import MORE, displaced, spots
from praxia.worlds.libero.process import Process
from praxia.worlds.libero.scene import Now
from praxia.worlds.perturbations import PUBLISHED_CAMERA, STRENGTHS, Kind, Perturbation, Table
from praxia.worlds.perturbations.light import change_light
from praxia.worlds.perturbations.viewpoint import move_camera
from praxia.worlds.tabletop.textures import FOREIGN, mix, paint


def _severities(noise: str, strengths: tuple[float, ...]) -> Kind:
    """A kind of noise with strengths of its own, two a level."""
    (kind,) = (kind for kind in STRENGTHS["noise"] if kind.name == noise)
    return replace(kind, strengths=strengths)


TABLE: Table = {
    "camera": PUBLISHED_CAMERA,
    "robot": STRENGTHS["robot"],
    "language": (Kind("wording", "step", (1, 2, 3, 4, 5), "other verbs; said politely; amid talk; only the outcome said; and other things named"),),
    "light": STRENGTHS["light"],
    "background": (
        Kind("table", "share", (0.2, 0.4, 0.6, 0.8, 1.0), "of the way from the texture of what things stand on to another one"),
        Kind("surroundings", "share", (0.2, 0.4, 0.6, 0.8, 1.0), "the same of floor and walls, and of the kitchen or living room behind"),
    ),
    "noise": (  # the five families of LIBERO-Plus, ten severities each
        _severities("motion_blur", (0.02, 0.03, 0.04, 0.05, 0.06, 0.07, 0.08, 0.09, 0.105, 0.12)),
        _severities("gaussian_blur", (0.008, 0.01, 0.012, 0.014, 0.016, 0.018, 0.02, 0.022, 0.0245, 0.027)),
        _severities("zoom_blur", (1.03, 1.04, 1.055, 1.07, 1.085, 1.1, 1.12, 1.14, 1.16, 1.18)),
        _severities("fog", (0.08, 0.15, 0.215, 0.28, 0.34, 0.4, 0.46, 0.52, 0.58, 0.64)),
        _severities("glass_blur", (0.007, 0.01, 0.013, 0.016, 0.019, 0.022, 0.0255, 0.029, 0.0325, 0.036)),
    ),
    "layout": (
        STRENGTHS["layout"][0],
        Kind("displaced", "metres", (0.02, 0.04, 0.06, 0.08, 0.10), "that the target, with what it stands on and is described by, is moved aside"),
    ),
}
BASE_VIEW = "head"  # what camera and noise perturbations touch; the wrist view stays
_CAMERA = ("cam_pos/agentview", "cam_quat/agentview")
_LAMPS = ("light_pos", "light_dir", "light_diffuse", "light_ambient", "light_specular")
_CONES = ("light_cutoff", "light_exponent", "light_directional")
_HEADLIGHT = ("ambient", "diffuse", "specular")
_STOOD_ON = {"living_room": "tex-living_room_table", "study": "tex-desk", "floor": "texplane"}
_AROUND = ("texplane", "tex-wall")
_MORE_AROUND = {"kitchen": ("tex-kitchen_background", "tex-kitchen_background_fridge"), "living_room": ("tex-living_room",)}  # meshes
_TRIES = 128  # directions of a joint offset
_LOWER = 0.10  # m, that the fingertips may start below where they usually do: above what stands there


def more_objects(found: Perturbation | None) -> tuple[list[str], int]:
    """Categories in the order in which a scene is to have more of, and how many."""
    if found is None or found.kind.name != "distractors":
        return [], 0
    return [tuple(MORE)[i] for i in found.rng().permutation(len(MORE))], int(found.strength)


def perturb(process: Process, found: Perturbation, now: Now, joints: np.ndarray, said: str) -> None:
    """Change the scene that was just reset. now, joints [7]: how it is; said: the instruction."""
    match found.category:
        case "camera":
            _change_view(process, found, now.scene.height)
        case "light":
            _change_light(process, found, now.scene.height)
        case "background":
            _change_background(process, found, now.scene.arena)
        case "robot":
            process.call("place", things={}, joints=_start(process, found, now, joints))
        case "layout":
            things = spots(now, found.rng(1)) if found.kind.name == "distractors" else displaced(now, found, said)
            process.call("place", things=things, joints=None)


def _change_view(process: Process, found: Perturbation, height: float) -> None:
    told = process.call("read", names=list(_CAMERA))
    model = SimpleNamespace(cam_pos=told[_CAMERA[0]][None], cam_quat=told[_CAMERA[1]][None])
    move_camera(model, 0, found, height)
    process.call("write", values={_CAMERA[0]: model.cam_pos[0], _CAMERA[1]: model.cam_quat[0]})


def _change_light(process: Process, found: Perturbation, height: float) -> None:
    told = process.call("read", names=[*_LAMPS, *_CONES, *(f"headlight/{part}" for part in _HEADLIGHT)])
    head = SimpleNamespace(**{part: told[f"headlight/{part}"] for part in _HEADLIGHT})
    model = SimpleNamespace(vis=SimpleNamespace(headlight=head), **{name: told[name] for name in (*_LAMPS, *_CONES)})
    middle = np.array([0.0, 0.0, height])
    arriving = _arriving(model, middle)
    change_light(model, found)
    if found.kind.name == "direction":
        # LIBERO's lamps shine in a cone: they go where the middle of what they shine upon is that of the cone, and send as much there as before
        model.light_pos[:] = middle - model.light_dir * np.linalg.norm(model.light_pos - middle, axis=1, keepdims=True)
        model.light_diffuse[:] = model.light_diffuse * arriving[:, None]
        model.light_specular[:] = model.light_specular * arriving[:, None]
    process.call("write", values={name: value for name, value in told.items() if name not in _CONES})


def _arriving(model: Any, point: np.ndarray) -> np.ndarray:
    """Share of each lamp's light that goes towards a point, [lamps]: OpenGL's spotlight, cos ** exponent within the cut-off."""
    ways = point - model.light_pos
    cosine = (ways * model.light_dir).sum(1) / np.linalg.norm(ways, axis=1)
    within = cosine >= np.cos(np.radians(model.light_cutoff))
    return np.where(model.light_directional, 1.0, within * np.maximum(cosine, 0.0) ** model.light_exponent)


def _change_background(process: Process, found: Perturbation, arena: str) -> None:
    stood_on = _STOOD_ON.get(arena, "tex-table")
    names = [f"texture/{name}" for name in ((stood_on,) if found.kind.name == "table" else (*_AROUND, *_MORE_AROUND.get(arena, ())))]
    other = paint(FOREIGN[int(found.rng().integers(len(FOREIGN)))])
    told = process.call("read", names=names)
    process.call("write", values={name: _mixed(own, other, found.strength) for name, own in told.items()})


def _mixed(own: np.ndarray, other: np.ndarray, share: float) -> np.ndarray:
    """A texture [H, W, 3]; the six faces of a cube lie below one another."""
    height, width = own.shape[:2]
    faces = height // width if height % width == 0 else 1
    new = np.asarray(Image.fromarray(other).resize((width, height // faces)))
    return mix(own, np.concatenate([new] * faces), share)


def _start(process: Process, found: Perturbation, now: Now, joints: np.ndarray) -> np.ndarray:
    """Joint angles [7], off by the strength, in the first drawn direction in which the arm is free at every level, or at this one where the
    scene is too full for that."""
    ways = found.rng().normal(size=(_TRIES, len(joints)))
    ways /= np.linalg.norm(ways, axis=1, keepdims=True)
    tried = joints + np.array(found.kind.strengths)[:, None, None] * ways
    free = process.call("free", joints=tried.reshape(-1, len(joints)), lowest=float(now.tool[2, 3]) - _LOWER).reshape(tried.shape[:2])
    way = free.all(0) if free.all(0).any() else free[found.level - 1]
    if not way.any():
        raise EvaluationError(
            f"no start of the arm off by {found.strength} rad is free here; fix: leave its level out (eval: --levels, data make: --perturbations)"
        )
    return tried[found.level - 1, int(np.argmax(way))]
