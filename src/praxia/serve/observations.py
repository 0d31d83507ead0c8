"""From what a client sends to a praxia observation: one grammar of keys for nested maps and for openpi's flat names.

Keys (a leading `observation/` may be left out; nested maps are the same as names joined by `/`): `image/ROLE`, `images/ROLE` or just
`observation/ROLE`; `state`; `prompt` or `instruction`; `depth/ROLE`; `cameras/ROLE/K`, `cameras/ROLE/T_base_cam`; `episode_id`;
`executed`; `executed_states`; in a connection's first message also `seed` (`praxia.serve.exchange`). The values are checked by
`praxia.policy.observation`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from praxia.errors import ObservationError, unknown
from praxia.policy.observation import checked
from praxia.serve.servable import Servable


def to_observation(message: Any, policy: Servable) -> dict[str, Any]:
    """Map and check one client message; what comes back is as `praxia.policy.observation.checked` says.

    Raises ObservationError naming the key, what came, what the policy expects and the fix.
    """
    if not isinstance(message, Mapping):
        raise ObservationError(f"observation is a {type(message).__name__}; expected a map such as {_example(policy)}")
    return checked(_sorted_into_places(message, policy), policy)


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
    return found


def _example_keys(policy: Servable) -> list[tuple[str, str]]:
    views = [(f"observation/image/{camera.role}", f"uint8 [{camera.height}, {camera.width}, 3]") for camera in policy.cameras]
    state = [("observation/state", f"float32 [{policy.state_spec.width}]")] if policy.state_spec.dims else []
    beside = []
    if policy.metadata.get("needs_depth"):
        beside += [(f"observation/depth/{camera.role}", f"float32 [{camera.height}, {camera.width}] metres") for camera in policy.cameras]
    if policy.metadata.get("needs_calibration"):
        beside += [(f"observation/cameras/{camera.role}/K", "float [3, 3]") for camera in policy.cameras]
    return [*views, *beside, *state, ("prompt", "text")]


def _example(policy: Servable) -> str:
    return "{" + ", ".join(f"{key!r}: {what}" for key, what in _example_keys(policy)) + "}"
