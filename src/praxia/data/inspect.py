"""Inspect a LeRobot dataset that somebody else recorded: what is in it, and a card to start from."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from praxia.data.card import CARD, UNKNOWN, card_text
from praxia.data.lerobot.features import BOOKKEEPING, Feature
from praxia.data.lerobot.frames import LazyFrames
from praxia.data.lerobot.pictures import METRES_PER_UNIT, PLAUSIBLE_DEPTH_M
from praxia.data.lerobot.tables import Tables
from praxia.errors import DataError
from praxia.files import read_json, write_text
from praxia.registry import to_json
from praxia.specs import ViewKeys

# Where recorders keep calibration (papers/data_and_metrics.md §3.7); {cam} is the camera's name. Second: the form of ViewKeys.
_INTRINSICS = (r"cameras\.{cam}\.intrinsics", r"sensors\.{cam}\.intrinsic_cv", r"camera_intrinsics\.{cam}", r"intrinsics\.{cam}")
_EXTRINSICS = (
    (r"cameras\.{cam}\.T_base_cam", "T_base_cam"),
    (r"sensors\.{cam}\.extrinsic_cv", "T_cam_base"),
    (r"sensors\.{cam}\.cam2world_gl", "T_base_cam_gl"),
    (r"camera_extrinsics\.{cam}", "T_base_cam"),
    (r"extrinsics\.{cam}", "T_base_cam"),
)
_SIDECARS = ("meta/cameras.json", "meta/intrinsics.json", "intrinsics.json")
_ROLES = {"": "head", "image": "head", "rgb": "head", "main": "head", "image2": "wrist"}
_ON_ARM = {"wrist", "hand"}  # words of a name: `cam_left_wrist`, `hand_right`, `eye_in_hand`
_HEADER = """# Drafted by `praxia data inspect`. Check every line; replace each 'unknown'; the loader refuses the card until then.
# dims: kind position|rotation|joint|gripper|velocity|effort|phase, unit m|rad|..., frame base|tool|camera:<role>, reference absolute|delta
"""


@dataclass(frozen=True)
class Inspection:
    """What a dataset holds and what was guessed about it."""

    root: Path
    version: str
    fps: float
    episodes: int
    frames: int
    lengths: tuple[int, int, int]  # shortest, median, longest episode in steps
    tasks: tuple[str, ...]
    features: dict[str, Feature]
    views: tuple[ViewKeys, ...]
    notes: tuple[str, ...]
    megabytes: float

    def text(self) -> str:
        """The report as a person reads it."""
        low, middle, high = self.lengths
        lines = [
            f"{self.root}: LeRobotDataset {self.version}, {self.megabytes:.1f} MB",
            f"  {self.episodes} episodes, {self.frames} frames at {self.fps:g} per second; {low} to {high} steps an episode, median {middle}",
            f"  {len(self.tasks)} tasks: " + "; ".join(self.tasks[:5]) + ("; ..." if len(self.tasks) > 5 else ""),
            "  features:",
        ]
        for key, feature in self.features.items():
            if key not in BOOKKEEPING:
                names = _names(feature)
                shown = f"  ({', '.join(names[:12])})" if names and not feature.is_picture else ""
                lines.append(f"    {key}: {feature.dtype} {list(feature.shape)}{shown}")
        lines.append("  views (guessed):")
        for view in self.views:
            parts = [f"depth {view.depth} [{view.depth_unit}]" if view.depth else "", f"mask {view.mask}" if view.mask else ""]
            parts += [f"K {view.intrinsics or 'constant'}" if view.intrinsics or view.K else "no K"]
            parts += [f"pose {view.extrinsics} as {view.extrinsics_form}" if view.extrinsics else "no pose"]
            lines.append(f"    {view.role}: {view.image}; " + "; ".join(p for p in parts if p))
        return "\n".join(lines + [f"  note: {note}" for note in self.notes])


def inspect(root: Path | str) -> Inspection:
    """Look at a dataset of any version; decodes at most one depth picture a view."""
    tables, notes = Tables(root), []
    lengths = np.array([e.stop - e.start for e in tables.episodes])
    return Inspection(
        root=tables.root,
        version=tables.info.version,
        fps=tables.info.fps,
        episodes=len(tables.episodes),
        frames=len(tables),
        lengths=(int(lengths.min()), int(np.median(lengths)), int(lengths.max())),
        tasks=tuple(tables.meta.tasks.values()),
        features=tables.info.features,
        views=_views(tables, notes),
        notes=tuple(notes),
        megabytes=sum(p.stat().st_size for p in tables.root.rglob("*") if p.is_file()) / 1e6,
    )


def draft_card(root: Path | str) -> str:
    """Text of a `dataset.yaml` to be completed by the owner; what cannot be known is written as 'unknown'."""
    found = inspect(root)
    vectors = {k: f for k, f in found.features.items() if not f.is_picture and k not in BOOKKEEPING and f.dtype.startswith("float")}
    action_key = _first(vectors, "action", "actions")
    state_key = _first(vectors, "observation.state", "state", "observation.qpos")
    if not action_key:
        raise DataError(
            f"{root} has no float feature named 'action' or 'actions'; it has {', '.join(vectors) or 'no vectors'}. Write the card by hand"
        )
    info = Tables(root).info
    value: dict[str, Any] = {
        "name": found.root.resolve().name,
        "embodiment": info.robot_type or UNKNOWN,
        "fps": found.fps,
        "views": [to_json(view) for view in found.views],
        "action": {"dims": _dims(vectors[action_key], "action"), "rate_hz": found.fps},
        "state": {"dims": _dims(vectors[state_key], "state") if state_key else []},
        "action_key": action_key,
        "state_key": state_key,
        "tool_keys": {m[1]: k for k in vectors if (m := re.search(r"observation\.tool\.(\w+)$", k))},
        "licence": UNKNOWN,
        "source": "",
        "notes": " ".join(found.notes),
    }
    return card_text(value, _HEADER)


def write_draft(root: Path | str) -> Path:
    """Write the drafted card beside the dataset; an existing card is never overwritten."""
    path = Path(root) / CARD
    if path.exists():
        raise DataError(f"{path} exists; edit it, or move it away to draft a new one")
    write_text(path, draft_card(root))
    return path


def _views(tables: Tables, notes: list[str]) -> tuple[ViewKeys, ...]:
    features = tables.info.features
    depths = {k for k, f in features.items() if f.is_picture and (f.is_depth or "depth" in k.lower())}
    masks = {k for k, f in features.items() if f.is_picture and (f.info.get("is_instance_mask") or re.search(r"mask|segment", k.lower()))} - depths
    constants = _sidecar(tables.root, notes)
    views = []
    pictures = {k: k.rsplit(".", 1)[-1] for k, f in features.items() if f.is_picture and k not in depths | masks}
    for key, name in pictures.items():
        role = _role(name, pictures.values(), {v.role for v in views})
        depth = next((d for d in sorted(depths) if _same_camera(d, name)), "")
        unit, scale = "m", 1.0
        if depth:
            depth, unit, scale = _depth(tables, depth, notes)
        intrinsics = _alias(features, name, _INTRINSICS)
        extrinsics, form = "", "T_base_cam"
        for pattern, pattern_form in _EXTRINSICS:
            if found := _alias(features, name, (pattern,)):
                extrinsics, form = found, pattern_form
                break
        if extrinsics and re.search(r"extrinsics\.[^.]*$", extrinsics):
            notes.append(f"{extrinsics!r} does not say its direction; T_base_cam was assumed: check by projecting the tool into the picture.")
        view = ViewKeys(role, key, depth, next((m for m in sorted(masks) if _same_camera(m, name)), ""), intrinsics, extrinsics)
        views.append(ViewKeys(**view.__dict__ | {"extrinsics_form": form, "depth_unit": unit, "depth_scale": scale, "K": constants.get(name)}))
    return tuple(views)


def _role(name: str, names: Iterable[str], taken: set[str]) -> str:
    """A view's role by its camera's name. A camera on an arm is `wrist`, of several `wrist_left` and `wrist_right`: supervisions look for that."""
    if (words := _words(name)) & _ON_ARM:
        several = sum(bool(_words(other) & _ON_ARM) for other in names) > 1
        role = "_".join(["wrist", *sorted(words & {"left", "right"})]) if several else "wrist"
        return role if role not in taken else f"{role}_{len(taken)}"
    base = re.sub(r"[_-]?(image|rgb|cam|camera|view)$|^(image|rgb|cam|camera)[_-]", "", name.lower())
    role = _ROLES.get(base, base)
    return role if role not in taken else name


def _words(name: str) -> set[str]:
    return set(re.findall("[a-z]+", name.lower()))


def _same_camera(key: str, name: str) -> bool:
    last = key.rsplit(".", 1)[-1].lower()
    return re.sub(r"[_-]?(depth|mask|segmentation)[_-]?", "", last) in (name.lower(), re.sub(r"[_-]?(image|rgb)$", "", name.lower()))


def _alias(features: dict[str, Feature], name: str, patterns: tuple[str, ...]) -> str:
    for pattern in patterns:
        for key, feature in features.items():
            if not feature.is_picture and re.search(rf"(^|\.){pattern.format(cam=re.escape(name))}$", key):
                return key
    return ""


def _sidecar(root: Path, notes: list[str]) -> dict[str, tuple[float, ...]]:
    """Constant K by camera name from a JSON file beside the dataset: {camera: {fx, fy, cx, cy}} or {camera: {K: 3x3}}."""
    for name in _SIDECARS:
        if not (root / name).is_file():
            continue
        found = {}
        for camera, value in read_json(root / name).items():
            if isinstance(value, dict) and {"fx", "fy", "cx", "cy"} <= value.keys():
                found[camera] = tuple(float(value[k]) for k in ("fx", "fy", "cx", "cy"))
            elif isinstance(value, dict) and np.size(value.get("K", ())) == 9:
                K = np.asarray(value["K"], np.float64).reshape(3, 3)
                found[camera] = (K[0, 0], K[1, 1], K[0, 2], K[1, 2])
        notes.append(f"K was read from {name}; check that it belongs to the stored picture size.")
        return found
    return {}


def _depth(tables: Tables, key: str, notes: list[str]) -> tuple[str, str, float]:
    """(key, unit, scale), with the unit from the feature's info or else guessed from the first picture."""
    feature = tables.info.features[key]
    if feature.dtype == "video":
        notes.append(f"{key!r} is depth in a video and is not read; store depth as 16-bit PNG image features to use it.")
        return "", "m", 1.0
    scale = float(feature.info.get("depth_scale", 1.0))
    if "depth_unit" in feature.info:
        return key, feature.info["depth_unit"], scale
    codes = LazyFrames(tables, key, codes=True).get(0)
    known = codes[codes > 0]
    median = float(np.median(known)) if known.size else 0.0
    low, high = PLAUSIBLE_DEPTH_M
    fitting = [unit for unit, metres in METRES_PER_UNIT.items() if low <= median * metres <= high]
    unit = "mm" if "mm" in fitting else "m"
    notes.append(f"{key!r} does not say its unit; the median code is {median:g}, so {unit} was guessed: check it.")
    return key, unit, scale


def _first(features: dict[str, Feature], *names: str) -> str:
    return next((name for name in names if name in features), "")


def _names(feature: Feature) -> list[str]:
    names = feature.names
    if isinstance(names, dict):  # {"motors": [...]}, {"axes": [...]}
        names = [n for group in names.values() if isinstance(group, list) for n in group]
    return [str(n) for n in names] if isinstance(names, list) else []


def _dims(feature: Feature, what: str) -> list[dict[str, Any]]:
    names = _names(feature)
    if len(names) != feature.width:
        names = [f"{what}_{i}" for i in range(feature.width)]
    return [{"name": name, **_meaning(name, what)} for name in names]


_JOINT = re.compile(r"joint|waist|shoulder|elbow|forearm|wrist|hip|knee|ankle|finger|thumb|\.pos$")


def _meaning(name: str, what: str) -> dict[str, Any]:
    """What a name makes clear; everything else is 'unknown'. An action called x may be a position or a step, so its reference stays open."""
    plain = re.sub(r"^(left|right)[_.]|^(action|state|ee|eef|tcp)[_.]|\.pos$", "", name.lower())
    delta = re.match(r"(d|delta[_.]?)(?=(x|y|z|roll|pitch|yaw|rx|ry|rz)$)", plain)
    axis = plain[delta.end() :] if delta else plain
    reference = "delta" if delta else "absolute" if what == "state" else UNKNOWN
    if "gripper" in plain:
        return {"kind": "gripper", "reference": "absolute", "sense": UNKNOWN}
    if axis in ("x", "y", "z"):
        return {"kind": "position", "unit": "m", "frame": "base", "reference": reference}
    if axis in ("roll", "pitch", "yaw"):
        return {"kind": "rotation", "unit": "rad", "frame": "base", "reference": reference, "rotation": "euler_xyz"}
    if axis in ("rx", "ry", "rz"):
        return {"kind": "rotation", "unit": "rad", "frame": "base", "reference": reference, "rotation": "axis_angle"}
    if _JOINT.search(name.lower()):
        # lerobot's `*.pos` are degrees or a normalised range, by its configuration; other recorders use radians.
        return {"kind": "joint", "unit": "" if name.endswith(".pos") else "rad", "reference": "absolute"}
    return {"kind": UNKNOWN}
