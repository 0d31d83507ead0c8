"""One LIBERO environment in a process of its own: this folder runs inside the environment that `scripts/oracles libero` makes.

usage: python server FD     FD: a connected stream socket (see `messages`). Nothing of praxia is imported here.
"""

# pyright: reportMissingImports=false
import contextlib
import logging
import pathlib
import socket
import sys
import tempfile
import traceback

from bench import Bench
from files import place_files
from messages import receive, send


class Nowhere(logging.NullHandler):
    """Stands for a log file, whatever it is called."""

    def __init__(self, *_: object, **__: object) -> None:
        super().__init__()


def import_without_log() -> None:
    """robosuite, which opens /tmp/robosuite.log as it is imported: on a shared machine that is somebody else's file."""
    kept, logging.FileHandler = logging.FileHandler, Nowhere  # type: ignore[assignment,misc]
    try:
        import robosuite  # noqa: F401
    finally:
        logging.FileHandler = kept  # type: ignore[misc]


def serve(connection: socket.socket) -> None:
    """Answer until the client is gone."""
    with tempfile.TemporaryDirectory(prefix="libero-") as config:
        bench = Bench(pathlib.Path(config))
        ready = False
        while True:
            try:
                request = receive(connection)
            except EOFError:
                break
            try:
                call = request.pop("call")
                if not ready and call != "hello":  # which is asked what is installed, and must be able to say that nothing is
                    place_files(pathlib.Path(config))
                    import_without_log()
                    ready = True
                answer = {"ok": getattr(bench, call)(**request)}
            except Exception as error:
                answer = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
            with contextlib.suppress(BrokenPipeError):
                send(connection, answer)
        bench.close()


if __name__ == "__main__":
    sys.path[:] = [p for p in sys.path if pathlib.Path(p or ".").resolve() != pathlib.Path(__file__).parent.resolve()]
    serve(socket.socket(fileno=int(sys.argv[1])))
