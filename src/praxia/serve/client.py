"""Remote: a policy behind the openpi websocket door of `praxia serve`, driven like one that is here (`praxia eval ws://HOST:PORT`)."""

import os
from collections.abc import Mapping
from typing import Any

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.sync.client import ClientConnection, connect

from praxia.errors import ConfigError, EvaluationError
from praxia.registry import from_json
from praxia.serve.codec import WireError, pack, unpack
from praxia.specs import ActionSpec, CameraSpec, StateSpec

_OPEN_S, _REPLY_S = 20, 600  # a policy may compile before its first reply


class Remote:
    """What the server's metadata says of its policy. Every session is a connection of its own, on which nothing came before; the next one ends it.

    url: ws://HOST:PORT. A server with a key wants it in the environment variable PRAXIA_API_KEY. Raises ConfigError where nobody listens, or who
    listens does not say what its numbers mean.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._session: RemoteSession | None = None
        with self._connected() as connection:
            self.metadata: Mapping[str, Any] = _greeting(connection, url)
        needed = ("action_spec", "state_spec", "cameras", "replan", "embodiment")
        if missing := [name for name in needed if name not in self.metadata]:
            raise ConfigError(
                f"{url} says nothing of {', '.join(missing)}; a policy is judged where it tells what its numbers mean: start it with `praxia serve`"
            )
        self.action_spec: ActionSpec = from_json(self.metadata["action_spec"], ActionSpec)
        self.state_spec: StateSpec = from_json(self.metadata["state_spec"], StateSpec)
        self.cameras: tuple[CameraSpec, ...] = tuple(from_json(camera, CameraSpec) for camera in self.metadata["cameras"])
        self.replan, self.embodiment = int(self.metadata["replan"]), str(self.metadata["embodiment"])

    def session(self, seed: int = 0) -> "RemoteSession":
        """A fresh session at the far end, whose noise is that of `seed` as it would be here."""
        if self._session is not None:
            self._session.close()
        connection = self._connected()
        _greeting(connection, self._url)
        self._session = RemoteSession(connection, seed, self._url)
        return self._session

    def _connected(self) -> ClientConnection:
        key = os.environ.get("PRAXIA_API_KEY")
        headers = {"Authorization": f"Api-Key {key}"} if key else None
        try:
            door = connect(self._url, additional_headers=headers, compression=None, max_size=None, open_timeout=_OPEN_S)
            return door.__enter__()  # newer versions of the library connect here; `RemoteSession.close` is the other end
        except InvalidURI as error:
            raise ConfigError(f"{self._url} is no address of a server; expected ws://HOST:PORT, as `praxia serve` prints it") from error
        except (OSError, InvalidHandshake) as error:
            raise ConfigError(
                f"cannot reach a policy at {self._url} ({error}); fix: start `praxia serve`, and check address, port and PRAXIA_API_KEY"
            ) from error


class RemoteSession:
    """One episode at the far end."""

    def __init__(self, connection: ClientConnection, seed: int, url: str) -> None:
        self._connection, self._url = connection, url
        self._first: dict[str, Any] = {"seed": seed}

    def reset(self) -> None:
        """Nothing is remembered yet."""

    def infer(self, observation: Mapping[str, Any]) -> dict[str, Any]:
        """The server's reply. Raises EvaluationError with what it says where it refuses or goes away."""
        try:
            self._connection.send(pack({**observation, **self._first}))
            reply = self._connection.recv(_REPLY_S)
        except (ConnectionClosed, TimeoutError) as error:
            raise EvaluationError(f"{self._url} gave no actions ({error or 'no reply'}); fix: see the server's log") from error
        if isinstance(reply, str):
            raise EvaluationError(f"{self._url}: {reply}")
        self._first = {}
        return unpack(reply)

    def close(self) -> None:
        """Say goodbye; the far end forgets the episode."""
        self._connection.close()


def _greeting(connection: ClientConnection, url: str) -> dict[str, Any]:
    try:
        said = unpack(bytes(connection.recv(_OPEN_S, decode=False)))
    except (ConnectionClosed, TimeoutError, WireError) as error:
        raise ConfigError(f"{url} does not greet as an openpi server does ({error or 'no greeting'}); start a policy with `praxia serve`") from error
    if not isinstance(said, dict):
        raise ConfigError(f"{url} greets with a {type(said).__name__}; expected a map that describes its policy, as `praxia serve` sends")
    return said
