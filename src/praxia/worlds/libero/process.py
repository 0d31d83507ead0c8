"""The other side of `server`: start the process in LIBERO's environment, call it, and say clearly when it dies."""

import os
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from praxia.errors import ConfigError, EvaluationError, PraxiaError
from praxia.worlds.libero.environment import MAKE, check_versions, python
from praxia.worlds.libero.server.messages import receive, send

_SERVER = Path(__file__).with_name("server")  # a folder with a __main__
_PATIENCE = 600.0  # s; the first reset of a process takes 4 to 8 s, everything else less


class Process:
    """A running server. It ends when `close` is called, or when this process is gone."""

    def __init__(self) -> None:
        self.ended, interpreter = False, python()
        ours, theirs = socket.socketpair()
        self._connection = ours
        self._log = tempfile.TemporaryFile()  # noqa: SIM115  # as long as the process
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | {"PYTHONNOUSERSITE": "1"}
        environment.setdefault("MUJOCO_GL", "egl")
        with theirs:
            try:
                self._child = subprocess.Popen(
                    [interpreter, _SERVER, str(theirs.fileno())],
                    pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL, stdout=self._log, stderr=self._log, env=environment,
                )  # fmt: skip
            except OSError as error:
                raise ConfigError(f"LIBERO's Python {interpreter} cannot be started ({error}); fix: {MAKE}") from error
        ours.settimeout(_PATIENCE)
        try:
            self.about: dict[str, Any] = self.call("hello")
            check_versions(self.about["versions"])
        except PraxiaError:
            self.close()
            raise

    def call(self, name: str, **arguments: Any) -> Any:
        """Ask and wait. EvaluationError with what the process last said if it fails or dies."""
        doing = f"LIBERO's process, asked to {name} {_short(arguments)}".rstrip()
        try:
            send(self._connection, {"call": name, **arguments})
            answer = receive(self._connection)
        except TimeoutError:
            self.close()
            raise EvaluationError(f"{doing}, gave no answer in {_PATIENCE:.0f} s; fix: run again; finished episodes are kept") from None
        except (EOFError, OSError):
            code = self._ended()
            said = self._said()
            self.close()
            raise EvaluationError(
                f"{doing}, died with exit code {code} (-9: killed, often for memory; -11: a library crashed): {said}; "
                "finished episodes are kept: run the same command again, with fewer workers if memory was short"
            ) from None
        except BaseException:  # interrupted: its answer would be taken for that of the next question
            self.close()
            raise
        if "error" in answer:
            fix = "" if "; fix: " in answer["error"] else "; fix: praxia doctor --benchmark libero says what is missing"
            raise EvaluationError(f"{doing}, failed: {answer['error']}{fix}") from RuntimeError(answer["trace"])
        return answer["ok"]

    def close(self) -> None:
        """End the process."""
        self.ended = True
        self._connection.close()  # it ends when it sees that
        self._ended()
        self._log.close()

    def _ended(self) -> int:
        """Its exit code; one that does not end is killed."""
        try:
            return self._child.wait(10)
        except subprocess.TimeoutExpired:
            self._child.kill()
            return self._child.wait()

    def _said(self) -> str:
        self._log.seek(0)
        lines = self._log.read().decode(errors="replace").strip().splitlines()
        return " | ".join(lines[-5:]) or "it said nothing"


def _short(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{k} {v}" for k, v in arguments.items() if isinstance(v, (str, int)))
