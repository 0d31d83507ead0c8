"""Exchange: one client's session from request bytes to reply bytes; knows nothing of sockets and runs in the inference thread."""

import logging
import time
from collections.abc import Mapping
from typing import Any

import numpy as np

from praxia.errors import PraxiaError
from praxia.serve.codec import pack, unpack
from praxia.serve.observations import to_observation
from praxia.serve.recorder import Recorder
from praxia.serve.servable import Servable

_log = logging.getLogger(__name__)


class Exchange:
    """A fresh session of the policy and the requests it has answered."""

    def __init__(self, policy: Servable, number: int, seed: int, recorder: Recorder | None) -> None:
        self._policy = policy
        self._number = number
        self._recorder = recorder
        self._requests = 0
        self._session = policy.session(seed=seed)
        self._session.reset()

    def answer(self, request: bytes, timing: Mapping[str, float]) -> bytes:
        """Decode, check, infer, encode. `timing` joins `server_timing` of the reply. Raises PraxiaError for what the client can mend."""
        observation = to_observation(unpack(request), self._policy)
        if self._requests == 0:
            self._note_resampling(observation["images"])
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
