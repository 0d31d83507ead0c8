"""Exchange: one client's session from request bytes to reply bytes; knows nothing of sockets and runs in the inference thread."""

import logging
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from praxia.errors import ObservationError, PraxiaError
from praxia.serve.codec import pack, unpack
from praxia.serve.observations import to_observation
from praxia.serve.recorder import Recorder
from praxia.serve.servable import Servable, ServableSession

_log = logging.getLogger(__name__)


class Exchange:
    """A fresh session of the policy and the requests it has answered."""

    def __init__(self, policy: Servable, number: int, seed: int, recorder: Recorder | None) -> None:
        self._policy = policy
        self._number = number
        self._recorder = recorder
        self._requests = 0
        self._seed = seed
        self._session: ServableSession | None = None

    def answer(self, request: bytes, timing: Mapping[str, float]) -> bytes:
        """Decode, check, infer, encode. `timing` joins `server_timing` of the reply. Raises PraxiaError for what the client can mend."""
        message = unpack(request)
        seed = self._seed if self._session is not None else _own_seed(message, self._seed)
        observation = to_observation(message, self._policy)
        if self._session is None:
            self._note_resampling(observation["images"])
            self._session = self._policy.session(seed=seed)
            self._session.reset()
        start = time.perf_counter()
        result = self._session.infer(observation)
        infer_ms = 1000 * (time.perf_counter() - start)
        reply = to_reply(result) | {"server_timing": {"infer_ms": infer_ms, **timing}}
        if self._recorder is not None:
            self._recorder.keep(self._number, self._requests, observation, reply)
        self._requests += 1
        return pack(reply)

    def _note_resampling(self, images: Mapping[str, np.ndarray]) -> None:
        for camera in self._policy.cameras:
            height, width = images[camera.role].shape[:2]
            if (height, width) != (camera.height, camera.width):
                _log.warning(
                    "session %d sends view %r at %d x %d, the policy was trained on %d x %d: pictures are resampled",
                    *(self._number, camera.role, height, width, camera.height, camera.width),
                )


def _own_seed(message: Any, seed: int) -> int:
    """The seed that a client's first message asks its noise to be drawn from (taken out of it), or the door's."""
    if not isinstance(message, dict) or "seed" not in message:
        return seed
    asked = message.pop("seed")
    if isinstance(asked, bool) or not isinstance(asked, int) or asked < 0:
        raise ObservationError(f"observation key 'seed' is {asked!r}; expected a whole number from 0 on, in the first message of a connection")
    return asked


def to_reply(result: Mapping[str, Any]) -> dict[str, Any]:
    """`actions` as a float32 array [H, Da], all else plain: openpi's chunk broker slices *every* array of a reply along its first axis."""
    actions = np.ascontiguousarray(result["actions"], dtype=np.float32)
    if actions.ndim != 2:
        raise PraxiaError(f"the policy returned actions of shape {list(actions.shape)}; expected [H, Da]")
    return {key: _plain(value) for key, value in result.items() if key != "actions"} | {"actions": actions}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return value
