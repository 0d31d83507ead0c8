"""An observation as a robot or simulator sends it, checked against what the policy needs, as a Sample.

observation = {"images": {role: uint8 [H, W, 3]}, "state": float32 [Ds], "instruction": str, and optionally
"depth": {role: float32 [H, W] metres, 0 = unknown}, "cameras": {role: {"K": [3, 3], "T_base_cam": [4, 4]}}, "episode_id": str,
"executed": float32 [n, Da] and "executed_states": float32 [n, Ds], actions executed since the last call and the states before each}.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from praxia.data.sample import Sample
from praxia.errors import ObservationError, unknown
from praxia.geometry.camera import Camera, camera_from
from praxia.geometry.scene import View
from praxia.specs import CameraSpec
from praxia.specs.dims import StateSpec

KEYS = ("images", "state", "instruction", "depth", "cameras", "episode_id", "executed", "executed_states")


def sample_from(observation: Mapping[str, Any], cameras: tuple[CameraSpec, ...], state_spec: StateSpec, embodiment: str) -> Sample:
    """Check the observation and make a Sample of it. Raises ObservationError that says what to change."""
    for key in observation:
        if key not in KEYS:
            raise ObservationError(f"observation: {unknown('key', key, KEYS)}")
    for key in ("images", "state", "instruction"):
        if key not in observation:
            raise ObservationError(f"observation has no {key!r}; it has {sorted(observation)}; this policy needs images, state and instruction")
    instruction = observation["instruction"]
    if not isinstance(instruction, str) or not instruction.strip():
        raise ObservationError(f"observation 'instruction' must be a non-empty text, got {instruction!r}")
    return Sample(
        views=tuple(_view(observation, camera) for camera in _roles(observation, cameras)),
        instruction=instruction,
        embodiment=embodiment,
        state=_state(observation["state"], state_spec),
    )


def _roles(observation: Mapping[str, Any], cameras: tuple[CameraSpec, ...]) -> tuple[CameraSpec, ...]:
    wanted, given = [c.role for c in cameras], list(observation["images"])
    if missing := [r for r in wanted if r not in given]:
        raise ObservationError(
            f"observation 'images' lacks view(s) {missing}: the policy looks at {wanted}, the observation has {given}. "
            "Send every view; a camera that is really absent is sent as a black picture"
        )
    if surplus := [r for r in given if r not in wanted]:
        raise ObservationError(f"observation 'images' has view(s) {surplus} the policy does not know; it looks at {wanted}. Rename or leave them out")
    return cameras


def _view(observation: Mapping[str, Any], spec: CameraSpec) -> View:
    role = spec.role
    image = np.asarray(observation["images"][role])
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise ObservationError(f"image {role!r} must be uint8 [height, width, 3], got {image.dtype} {list(image.shape)}")
    if abs(image.shape[0] * spec.width - image.shape[1] * spec.height) > max(spec.width, spec.height):
        raise ObservationError(
            f"image {role!r} is {image.shape[1]}x{image.shape[0]}, the policy was trained on {spec.width}x{spec.height}: sizes may differ, "
            "the aspect ratio may not; crop or pad it as the training data were"
        )
    depth = (observation.get("depth") or {}).get(role)
    if depth is not None:
        depth = np.asarray(depth, np.float32)
        if depth.shape != image.shape[:2]:
            raise ObservationError(f"depth {role!r} is {list(depth.shape)}, its image {list(image.shape[:2])}; send both at one size")
        if np.nanmedian(depth) > 100:
            raise ObservationError(f"depth {role!r} has median {np.nanmedian(depth):.0f}: metres are expected; divide millimetres by 1000")
        depth = np.nan_to_num(depth, nan=0.0, posinf=0.0, neginf=0.0)
    return View(role=role, image=image, camera=_camera(observation, role), depth=depth)


def _camera(observation: Mapping[str, Any], role: str) -> Camera | None:
    camera = (observation.get("cameras") or {}).get(role)
    if camera is None:
        return None
    return camera_from(camera.get("K"), camera.get("T_base_cam"), f"observation, camera {role!r}")


def _state(state: Any, spec: StateSpec) -> np.ndarray:
    state = np.asarray(state, np.float32)
    if state.shape != (spec.width,):
        raise ObservationError(f"observation 'state' has shape {list(state.shape)}, expected [{spec.width}]: {', '.join(d.name for d in spec.dims)}")
    if not np.isfinite(state).all():
        bad = [spec.dims[i].name for i in np.flatnonzero(~np.isfinite(state))]
        raise ObservationError(f"observation 'state' is not finite in {', '.join(bad)}; check the sensor before sending")
    return state
