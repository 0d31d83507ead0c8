"""An observation as a robot or simulator sends it: every value checked against what the policy was trained on, then a Sample.

observation = {"images": {role: uint8 [H, W, 3]}, "state": float32 [Ds], "instruction": str, and optionally
"depth": {role: float32 [H, W] metres, 0 = unknown}, "cameras": {role: {"K": [3, 3], "T_base_cam": [4, 4]}}, "episode_id": str,
"executed": float32 [n, Da] and "executed_states": float32 [n, Ds], actions executed since the last call and the states before each}.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Any

import numpy as np

from praxia.data.sample import Sample
from praxia.errors import DataError, ObservationError, unknown
from praxia.geometry.camera import Camera, camera_from
from praxia.geometry.scene import View
from praxia.specs import CameraSpec, Dim, Observing

KEYS = ("images", "state", "instruction", "depth", "cameras", "episode_id", "executed", "executed_states")
_FAR = 50.0  # metres; no depth camera on a robot has a median beyond it, a millimetre picture nearly always has


def checked(observation: Any, policy: Observing) -> dict[str, Any]:
    """The observation with every value in its dtype: state and rows float32, depth float32 with 0 for NaN, calibration float64.

    A policy without state dims needs no state. Raises ObservationError naming the key, what came, what the policy expects and the fix.
    """
    if not isinstance(observation, Mapping):
        raise ObservationError(f"observation is a {type(observation).__name__}; expected a map with 'images', 'state' and 'instruction'")
    for key in observation:
        if key not in KEYS:
            raise ObservationError(
                f"{unknown('observation key', str(key), KEYS)}\n  fix: rename the key to the one that means the same, or leave it out"
            )
    images = _by_role(observation, "images", policy)
    state_dims = policy.state_spec.dims
    out: dict[str, Any] = {
        "images": {camera.role: _image(images[camera.role], camera) for camera in policy.cameras},
        "state": _vector(_required(observation, "state", policy), "state", state_dims) if state_dims else np.zeros(0, np.float32),
        "instruction": _text(_required(observation, "instruction", policy), "instruction/prompt"),
    }
    if depth := _by_role(observation, "depth", policy):
        out["depth"] = {role: _depth(value, role, out["images"]) for role, value in depth.items()}
    if cameras := _by_role(observation, "cameras", policy):
        out["cameras"] = {role: _calibration(value, role) for role, value in cameras.items()}
    if observation.get("episode_id") is not None:
        value = observation["episode_id"]
        out["episode_id"] = str(value) if isinstance(value, int | np.integer) else _text(value, "episode_id")
    for name, dims in (("executed", policy.action_spec.dims), ("executed_states", state_dims)):
        if observation.get(name) is not None:
            out[name] = _rows(observation[name], name, dims)
    if "executed_states" in out and len(out["executed_states"]) != len(out.get("executed", ())):
        raise ObservationError(
            f"executed_states has {len(out['executed_states'])} rows, executed has {len(out.get('executed', ()))}; "
            "send the state before each executed action, or leave executed_states out"
        )
    return out


def check_complete(observation: Mapping[str, Any], required: Iterable[str]) -> None:
    """ObservationError where an observation lacks what the policy never missed in training. required: of `depth/ROLE` and `cameras/ROLE`."""
    for name in required:
        group, role = name.split("/", 1)
        if role in observation.get(group, {}):
            continue
        height, width = observation["images"][role].shape[:2]
        if group == "depth":
            raise ObservationError(
                f"{name} is missing: this policy was trained with depth in every picture and does not know how to act without; "
                f"send float32 metres [{height}, {width}], 0 = unknown, or train with RayDepth.drop_depth above 0"
            )
        raise ObservationError(
            f"{name} is missing: this policy was trained with the intrinsics of every picture and does not know how to act without; "
            f'send {{"K": [3, 3]}} in pixels of the sent {height} x {width} picture, or train with RayDepth.drop_rays above 0'
        )


def sample_from(observation: Mapping[str, Any], cameras: Iterable[CameraSpec], embodiment: str, given: Collection[str]) -> Sample:
    """A Sample of an observation that was `checked`. given: `depth/ROLE` and `cameras/ROLE` that training pictures had; others are left out
    (a policy that was trained without would take them for a new world)."""
    views = []
    for role in (camera.role for camera in cameras):
        known = observation.get("cameras", {}).get(role) if f"cameras/{role}" in given else None
        views.append(
            View(
                role=role,
                image=observation["images"][role],
                camera=Camera(known["K"], known.get("T_base_cam")) if known else None,
                depth=observation.get("depth", {}).get(role) if f"depth/{role}" in given else None,
            )
        )
    state = observation["state"]
    return Sample(views=tuple(views), instruction=observation["instruction"], embodiment=embodiment, state=state if state.size else None)


def _required(observation: Mapping[str, Any], name: str, policy: Observing) -> Any:
    if name not in observation:
        needs = [f"views {', '.join(c.role for c in policy.cameras)}"] if policy.cameras else []
        needs += [f"state [{policy.state_spec.width}]: {_names(policy.state_spec.dims)}"] if policy.state_spec.dims else []
        shown = "instruction (prompt)" if name == "instruction" else name
        raise ObservationError(f"observation has no {shown}; this policy needs {'; '.join(needs)}; and an instruction (prompt) as text")
    return observation[name]


def _by_role(observation: Mapping[str, Any], group: str, policy: Observing) -> Mapping[str, Any]:
    """Values of one group by view role; every role of the policy for images, none that it does not know for the others."""
    values = observation.get(group)
    values = {} if values is None else values
    if not isinstance(values, Mapping):
        raise ObservationError(f"observation {group} is a {type(values).__name__}; expected a map from view roles, e.g. {{'head': ...}}")
    roles, sent = {camera.role for camera in policy.cameras}, set(values)
    if group == "images" and sent != roles:
        missing, extra = sorted(roles - sent), sorted(sent - roles, key=str)
        parts = [f"missing: {', '.join(missing)}"] * bool(missing) + [f"unknown: {', '.join(map(str, extra))}"] * bool(extra)
        raise ObservationError(
            f"views do not fit the policy ({'; '.join(parts)})\n  sent: {', '.join(sorted(map(str, sent))) or '(none)'}\n"
            f"  policy expects: {', '.join(sorted(roles))}\n"
            "  fix: send each view under the policy's role, as images/ROLE; a camera that is really absent is sent as a black picture"
        )
    for role in values:
        if role not in roles:
            raise ObservationError(f"observation {group}: {unknown('view', str(role), roles)}")
    return values


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
        return np.zeros((0 if dims else len(array), len(dims)), np.float32)
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


def _depth(value: Any, role: str, images: Mapping[str, np.ndarray]) -> np.ndarray:
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


def _calibration(value: Any, role: str) -> dict[str, np.ndarray]:
    name = f"cameras/{role}"
    if not isinstance(value, Mapping) or value.get("K") is None:
        raise ObservationError(f"{name} has no K; send {name}/K [3, 3] in pixels of the sent image, or leave the camera out")
    numbers = {key: _numbers(value[key], f"{name}/{key}") for key in ("K", "T_base_cam") if value.get(key) is not None}
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


def _names(dims: tuple[Dim, ...]) -> str:
    return ", ".join(f"{dim.name}{f' ({dim.unit})' if dim.unit else ''}" for dim in dims)
