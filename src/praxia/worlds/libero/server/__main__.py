"""One LIBERO environment in a process of its own: this folder runs inside the environment that `scripts/oracles libero` makes.

usage: python server FD     FD: a connected stream socket (see `messages`). Nothing of praxia is imported here.
"""

# pyright: reportMissingImports=false
import contextlib
import pathlib
import socket
import sys
import tempfile
import traceback

from bench import Bench
from files import place_files
from messages import receive, send


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
                if not ready:
                    place_files(pathlib.Path(config))
                    ready = True
                answer = {"ok": getattr(bench, request.pop("call"))(**request)}
            except Exception as error:
                answer = {"error": f"{type(error).__name__}: {error}", "trace": traceback.format_exc()}
            with contextlib.suppress(BrokenPipeError):
                send(connection, answer)
        bench.close()


if __name__ == "__main__":
    sys.path[:] = [p for p in sys.path if pathlib.Path(p or ".").resolve() != pathlib.Path(__file__).parent.resolve()]
    serve(socket.socket(fileno=int(sys.argv[1])))
