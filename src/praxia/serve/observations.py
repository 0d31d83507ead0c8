"""From what a client sends to a praxia observation: one grammar of keys for nested maps and for openpi's flat names, everything checked.

Keys (a leading `observation/` may be left out; nested maps are the same as names joined by `/`): `image/ROLE`, `images/ROLE` or just
`observation/ROLE`; `state`; `prompt` or `instruction`; `depth/ROLE`; `cameras/ROLE/K`, `cameras/ROLE/T_base_cam`; `episode_id`;
`executed`; `executed_states`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from praxia.errors import DataError, ObservationError, unknown
from praxia.geometry.camera import camera_from
from praxia.serve.servable import Servable
from praxia.specs import CameraSpec, Dim

_FAR = 50.0  # metres; no depth camera on a robot has a median beyond it, a millimetre picture nearly always has


def to_observation(message: Any, policy: Servable) -> dict[str, Any]:
    """Map and check one client message.

    Returns {"images": {role: uint8 [H, W, 3]}, "state": float32 [Ds], "instruction": str} and, where sent,
    "depth" {role: float32 [H, W] metres}, "cameras" {role: {"K": float64 [3, 3], "T_base_cam": float64 [4, 4]}},
    "episode_id" str, "executed" float32 [n, Da], "executed_states" float32 [n, Ds].
    Raises ObservationError naming the key, what came, what the policy expects and the fix.
    """
    if not isinstance(message, Mapping):
        raise ObservationError(f"observation is a {type(message).__name__}; expected a map such as {_example(policy)}")
    found = _sorted_into_places(message, policy)
    observation: dict[str, Any] = {"images": _images(found, policy.cameras)}
    if policy.state_spec.dims:
        state = _required(found, "state", policy)
        observation["state"] = _vector(state, "state", policy.state_spec.dims)
    else:
        observation["state"] = np.zeros(0, np.float32)
    observation["instruction"] = _text(_required(found, "instruction", policy), "prompt")
    if depth := found.get("depth"):
        observation["depth"] = {role: _depth(value, role, observation["images"]) for role, value in depth.items()}
    if cameras := found.get("cameras"):
        observation["cameras"] = {role: _calibration(value, role) for role, value in cameras.items()}
    if "episode_id" in found:
        value = found["episode_id"]
        observation["episode_id"] = str(value) if isinstance(value, int | np.integer) else _text(value, "episode_id")
    for name, dims in (("executed", policy.action_spec.dims), ("executed_states", policy.state_spec.dims)):
        if name in found:
            observation[name] = _rows(found[name], name, dims)
    return observation


def _leaves(message: Mapping[Any, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in message.items():
        path = f"{prefix}{key}"
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{path}/")
        else:
            yield path, value


def _place(path: str, roles: set[str]) -> tuple[str, ...] | None:
    """Where a client's key belongs in the observation; None if it is no key of ours."""
    match path.removeprefix("observation/").split("/"):
        case ["prompt" | "instruction"]:
            return ("instruction",)
        case ["state" | "episode_id" | "executed" | "executed_states" as name]:
            return (name,)
        case ["image" | "images", role]:
            return ("images", role)
        case ["depth", role]:
            return ("depth", role)
        case ["camera" | "cameras", role, "K" | "T_base_cam" as name]:
            return ("cameras", role, name)
        case [role] if role in roles:
            return ("images", role)
    return None


def _sorted_into_places(message: Mapping[Any, Any], policy: Servable) -> dict[str, Any]:
    roles = {camera.role for camera in policy.cameras}
    found: dict[str, Any] = {}
    leaves = list(_leaves(message))
    for path, value in leaves:
        place = _place(path, roles)
        if place is None:
            known = [name for name, _ in _example_keys(policy)] + ["observation/executed", "observation/executed_states", "episode_id"]
            raise ObservationError(
                f"{unknown('observation key', path, known)}\n  sent: {', '.join(sorted(p for p, _ in leaves))}\n"
                "  fix: rename the key to the one that means the same, or leave it out"
            )
        into = found
        for name in place[:-1]:
            into = into.setdefault(name, {})
        if place[-1] in into:
            raise ObservationError(f"observation key {path!r} gives {'/'.join(place)} a second time; send it once")
        into[place[-1]] = value
    _check_roles(found, roles)
    return found


def _check_roles(found: dict[str, Any], roles: set[str]) -> None:
    sent = set(found.get("images", {}))
    if sent != roles:
        missing, extra = sorted(roles - sent), sorted(sent - roles)
        parts = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"unknown: {', '.join(extra)}"] * bool(extra)
        raise ObservationError(
            f"views do not fit the policy ({'; '.join(parts)})\n  sent: {', '.join(sorted(sent)) or '(none)'}\n"
            f"  policy expects: {', '.join(sorted(roles))}\n  fix: send each view as 'observation/image/ROLE' with the policy's roles"
        )
    for group in ("depth", "cameras"):
        for role in found.get(group, {}):
            if role not in roles:
                raise ObservationError(f"observation {group}: {unknown('view', role, roles)}")


def _images(found: dict[str, Any], cameras: tuple[CameraSpec, ...]) -> dict[str, np.ndarray]:
    return {camera.role: _image(found["images"][camera.role], camera) for camera in cameras}


def _image(value: Any, camera: CameraSpec) -> np.ndarray:
    name, expected = f"image/{camera.role}", f"uint8 [{camera.height}, {camera.width}, 3] RGB"
    if not isinstance(value, np.ndarray):
        raise ObservationError(f"{name} is a {type(value).__name__}; expected an array {expected}")
    got = f"{value.dtype} {list(value.shape)}"
    if value.ndim == 4:
        raise ObservationError(f"{name} is {got}; expected {expected}: send one picture without a batch dimension, image[0]")
    if value.ndim == 3 and value.shape[0] == 3 and value.shape[2] != 3:
        raise ObservationError(f"{name} is {got}, channels first; expected {expected}: send image.transpose(1, 2, 0)")
    if value.ndim != 3 or value.shape[2] != 3 or 0 in value.shape:
        raise ObservationError(f"{name} is {got}; expected {expected}: drop an alpha channel, repeat a grey one")
    if value.dtype != np.uint8:
        raise ObservationError(f"{name} is {got}; expected {expected}: for floats in [0, 1] send (image * 255).round().astype(np.uint8)")
    height, width = value.shape[:2]
    if abs(height * camera.width - width * camera.height) > max(camera.height, camera.width):  # more than rounding: only the size is adaptable
        raise ObservationError(
            f"{name} is {height} x {width} (height x width); expected the aspect ratio of {camera.height} x {camera.width}, "
            "on which the policy was trained: crop the picture as the training data was, or set the camera to that format"
        )
    return value


def _numbers(value: Any, name: str) -> np.ndarray:
    """Numbers of any shape as float64; integers are taken, text, objects and bools are not."""
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ObservationError(f"{name} is a ragged list; expected an array of numbers") from error
    if array.dtype.kind not in "fiu":
        raise ObservationError(f"{name} is {array.dtype}; expected numbers (float32)")
    return array.astype(np.float64)


def _float32(array: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):  # too large becomes infinite and is refused as such
        return array.astype(np.float32)


def _vector(value: Any, name: str, dims: tuple[Dim, ...]) -> np.ndarray:
    array = _float32(_numbers(value, name))
    if array.shape != (len(dims),):
        hint = " without a batch dimension" if array.ndim > 1 else ""
        raise ObservationError(f"{name} has shape {list(array.shape)}; expected [{len(dims)}]{hint}: {_names(dims)}")
    _check_finite(array[None], name, dims)
    return array


def _rows(value: Any, name: str, dims: tuple[Dim, ...]) -> np.ndarray:
    array = _float32(_numbers(value, name))
    if array.size == 0:
        return np.zeros((0, len(dims)), np.float32)
    if array.ndim != 2 or array.shape[1] != len(dims):
        raise ObservationError(f"{name} has shape {list(array.shape)}; expected [n, {len(dims)}], one row per step: {_names(dims)}")
    _check_finite(array, name, dims)
    return array


def _check_finite(rows: np.ndarray, name: str, dims: tuple[Dim, ...]) -> None:
    bad = np.argwhere(~np.isfinite(rows))
    if len(bad):
        row, i = (int(n) for n in bad[0])
        raise ObservationError(
            f"{name} holds {len(bad)} value(s) that are not finite; first: dim {i} {dims[i].name!r} = {rows[row, i]}; "
            "fix: hold the last good reading or stop the robot before asking for actions"
        )


def _depth(value: Any, role: str, images: dict[str, np.ndarray]) -> np.ndarray:
    name, size = f"depth/{role}", images[role].shape[:2]
    array = np.asarray(value)
    if array.dtype.kind != "f":
        fix = "for millimetres send depth.astype(np.float32) / 1000"
        raise ObservationError(f"{name} is {array.dtype}; expected float32 metres with 0 = unknown: {fix}")
    if array.shape != size:
        raise ObservationError(f"{name} has shape {list(array.shape)}; expected {list(size)}, the size of its image")
    array = np.nan_to_num(array.astype(np.float32), nan=0.0, posinf=0.0, neginf=-1.0)  # cameras say NaN or +inf where they know nothing
    if (array < 0).any():
        raise ObservationError(f"{name} holds negative values (lowest {array.min():.4g}); expected metres along the view, 0 where unknown")
    known = array[array > 0]
    if known.size and float(np.median(known)) > _FAR:
        raise ObservationError(f"{name} has a median of {np.median(known):.4g}; expected metres: it looks like millimetres, divide by 1000")
    return array


def _calibration(value: dict[str, Any], role: str) -> dict[str, np.ndarray]:
    name = f"cameras/{role}"
    if "K" not in value:
        raise ObservationError(f"{name} has no K; send {name}/K [3, 3] in pixels of the sent image, or leave the camera out")
    numbers = {key: _numbers(item, f"{name}/{key}") for key, item in value.items()}
    try:
        camera = camera_from(numbers["K"], numbers.get("T_base_cam"), f"observation {name}")
    except DataError as error:
        raise ObservationError(str(error)) from error
    return {"K": camera.K} | ({} if camera.T_base_cam is None else {"T_base_cam": camera.T_base_cam})


def _text(value: Any, name: str) -> str:
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value.item()
    if not isinstance(value, str):
        raise ObservationError(f"{name} is a {type(value).__name__}; expected text")
    return str(value)


def _required(found: dict[str, Any], name: str, policy: Servable) -> Any:
    if name not in found:
        raise ObservationError(f"observation has no {name}; expected {_example(policy)}")
    return found[name]


def _names(dims: tuple[Dim, ...]) -> str:
    return ", ".join(f"{dim.name}{f' ({dim.unit})' if dim.unit else ''}" for dim in dims)


def _example_keys(policy: Servable) -> list[tuple[str, str]]:
    views = [(f"observation/image/{camera.role}", f"uint8 [{camera.height}, {camera.width}, 3]") for camera in policy.cameras]
    state = [("observation/state", f"float32 [{policy.state_spec.width}]")] if policy.state_spec.dims else []
    return [*views, *state, ("prompt", "text")]


def _example(policy: Servable) -> str:
    return "{" + ", ".join(f"{key!r}: {what}" for key, what in _example_keys(policy)) + "}"
