"""The openpi websocket door: metadata first, then request and reply in msgpack, spoken by the unmodified `openpi-client`.

The event loop only moves bytes. Every decode, check and inference runs in one worker thread, so health checks and pings are answered
while a policy compiles or thinks, and clients take turns. One connection is one session: openpi has no reset message, a new connection
begins anew.
"""

import asyncio
import errno
import functools
import hmac
import logging
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from websockets.asyncio.server import Server, ServerConnection
from websockets.asyncio.server import serve as listen
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response
from websockets.protocol import State

from praxia.errors import ConfigError, PraxiaError
from praxia.serve.codec import WireError, pack
from praxia.serve.exchange import Exchange
from praxia.serve.recorder import Recorder
from praxia.serve.servable import Servable

_log = logging.getLogger(__name__)
_GOING_AWAY, _TOO_BIG, _INTERNAL_ERROR = 1001, 1009, 1011


@dataclass(frozen=True)
class ServeOptions:
    """How one door listens. Without `api_key` anybody who reaches the port can ask for actions."""

    host: str = "127.0.0.1"  # "0.0.0.0" for other machines
    port: int = 8000  # 0: the system chooses
    api_key: str | None = None  # clients then need `Authorization: Api-Key <key>`
    max_request_mb: float = 64.0  # of one message; three 1080p views are 19
    seed: int = 0  # of every session: equal observations give equal actions on every connection
    record: Path | None = None  # folder for what came and went
    record_every: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ConfigError(f"port is {self.port}; expected 0 (the system chooses) to 65535")
        if not self.max_request_mb > 0:
            raise ConfigError(f"max_request_mb is {self.max_request_mb}; expected more than 0, e.g. 64")
        if self.api_key == "":
            raise ConfigError("api_key is empty; give a key, or leave it out to serve without one")


class OpenpiServer:
    """One policy behind one port. `run` serves until `stop` or a signal; the port is known once `ready` is called."""

    def __init__(self, policy: Servable, options: ServeOptions) -> None:
        self.port = options.port
        self._policy = policy
        self._options = options
        self._greeting = pack(dict(policy.metadata))
        self._recorder = Recorder(options.record, options.record_every) if options.record else None
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="inference")
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._idle: set[ServerConnection] = set()  # greeted, waiting for a request
        self._sessions = 0

    async def run(self, ready: Callable[["OpenpiServer"], None], signals: bool) -> None:
        """Listen, call `ready`, serve until stopped: replies under way are sent, then clients are told 1001 and the port is free.

        signals: SIGINT and SIGTERM stop it (main thread only); a second one ends the process at once.
        Raises ConfigError if it cannot listen.
        """
        self._loop = asyncio.get_running_loop()
        try:
            server = await self._listen()
            with _on_signals(self._loop, self._stop.set) if signals else nullcontext():
                self.port = server.sockets[0].getsockname()[1]
                ready(self)
                await self._stop.wait()
                server.close(close_connections=False)
                await asyncio.gather(*(connection.close(_GOING_AWAY, "server is stopping") for connection in tuple(self._idle)))
                await server.wait_closed()
        finally:
            self._worker.shutdown(wait=True, cancel_futures=True)

    def stop(self) -> None:
        """Ask `run` to end; may be called from any thread."""
        if self._loop is not None:
            with suppress(RuntimeError):  # the loop has ended already
                self._loop.call_soon_threadsafe(self._stop.set)

    async def _listen(self) -> Server:
        options = self._options
        try:
            return await listen(
                self._converse,
                options.host,
                options.port,
                process_request=self._before_handshake,
                create_connection=_ExplainingConnection,
                compression=None,  # pictures do not compress, and openpi's client refuses it
                max_size=int(options.max_request_mb * 2**20),
                max_queue=1,  # a client waits for its reply; more than one message ahead would only hold memory
                ping_interval=30,  # keeps network address tables alive …
                ping_timeout=None,  # … but a busy client is never dropped
                close_timeout=5,
            )
        except OSError as error:
            raise _cannot_listen(options, error) from error

    def _before_handshake(self, connection: ServerConnection, request: Request) -> Response | None:
        if request.path == "/healthz":
            return connection.respond(200, "OK\n")
        if self._options.api_key is not None:
            expected = f"Api-Key {self._options.api_key}".encode()
            given = request.headers.get_all("Authorization")
            if len(given) != 1 or not hmac.compare_digest(given[0].encode(errors="replace"), expected):
                return connection.respond(401, "this server needs the header 'Authorization: Api-Key <key>'; pass api_key to the client\n")
        return None

    async def _converse(self, connection: ServerConnection) -> None:
        """One client from metadata to close."""
        number, self._sessions = self._sessions, self._sessions + 1
        who = f"session {number} ({connection.remote_address[0]})"
        _log.info("%s begins", who)
        try:
            await connection.send(self._greeting)
            exchange = await self._in_worker(Exchange, self._policy, number, self._options.seed, self._recorder)
            timing: dict[str, float] = {}
            while not self._stop.is_set():
                request = await self._receive(connection)
                start = time.perf_counter()
                if isinstance(request, str):
                    raise WireError(f"got a text message of {len(request)} characters; fix: send one binary msgpack message")
                reply = await self._in_worker(exchange.answer, request, timing)
                await connection.send(reply)
                timing = {"prev_total_ms": 1000 * (time.perf_counter() - start)}
            await connection.close(_GOING_AWAY, "server is stopping")
        except ConnectionClosed as closed:
            _log.info("%s ends: %s", who, closed)
        except PraxiaError as error:
            _log.warning("%s refused: %s", who, error)
            await _refuse(connection, str(error), "refused: see the text message before this")
        except Exception as error:
            _log.exception("%s failed", who)
            text = f"the policy failed on the server ({type(error).__name__}: {error}); fix: see the server's log; connect again to go on"
            await _refuse(connection, text, "the policy failed: see the text message before this")

    async def _receive(self, connection: ServerConnection) -> str | bytes:
        self._idle.add(connection)
        try:
            return await connection.recv()
        finally:
            self._idle.discard(connection)

    async def _in_worker(self, function: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._worker, functools.partial(function, *args))


class _ExplainingConnection(ServerConnection):
    """Says what to change in a text message before it closes on an oversized request (openpi's client shows text messages to its user)."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        fail = self.protocol.fail

        def explain_and_fail(code: int, reason: str = "") -> None:
            if code == _TOO_BIG and self.protocol.state is State.OPEN:
                fix = "send uint8 pictures at the size in the server's metadata, or start the server with a larger --max-request-mb"
                self.protocol.send_text(f"request refused: {reason}; fix: {fix}".encode())
            fail(code, reason)

        self.protocol.fail = explain_and_fail


async def _refuse(connection: ServerConnection, text: str, reason: str) -> None:
    with suppress(ConnectionClosed):
        await connection.send(text)
        await connection.close(_INTERNAL_ERROR, reason)


@contextmanager
def _on_signals(loop: asyncio.AbstractEventLoop, act: Callable[[], None]) -> Iterator[None]:
    """Call `act` on the first SIGINT or SIGTERM; the second has the system's own effect. Handlers from before are put back at the end."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def first() -> None:
        for number in numbers:
            loop.remove_signal_handler(number)
            signal.signal(number, signal.SIG_DFL)
        act()

    for number in numbers:
        loop.add_signal_handler(number, first)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _cannot_listen(options: ServeOptions, error: OSError) -> ConfigError:
    where = f"port {options.port} on {options.host}"
    if error.errno == errno.EADDRINUSE:
        return ConfigError(f"{where} is in use; fix: stop what listens there (`ss -ltnp` shows it), or choose another --port (0: any free one)")
    if error.errno == errno.EACCES:
        return ConfigError(f"{where} is not allowed for this user; fix: choose a --port of 1024 or more")
    fix = "give an address of this machine as --host (127.0.0.1: only itself can connect; 0.0.0.0: all its addresses)"
    return ConfigError(f"cannot listen on {where}: {error}; fix: {fix}")


def serve_openpi(policy: Servable, options: ServeOptions, announce: Callable[[str], None] = print) -> None:
    """Serve until SIGINT or SIGTERM (in the main thread) and return when the last reply is sent."""

    def ready(server: OpenpiServer) -> None:
        announce(f"serving at ws://{options.host}:{server.port} (openpi protocol; health: http://{options.host}:{server.port}/healthz)")
        if options.host in ("127.0.0.1", "localhost", "::1"):
            announce("only this machine can connect; --host 0.0.0.0 opens the port to others")
        elif options.api_key is None:
            announce("anybody who reaches this port can ask for actions; --api-key KEY closes it")

    signals = threading.current_thread() is threading.main_thread()
    asyncio.run(OpenpiServer(policy, options).run(ready, signals))


@contextmanager
def in_background(policy: Servable, options: ServeOptions) -> Iterator[OpenpiServer]:
    """The same server in a thread of this process; the block gets it listening (`server.port`) and stops it at the end."""
    listening: Future[OpenpiServer] = Future()

    def work() -> None:
        try:
            asyncio.run(OpenpiServer(policy, options).run(listening.set_result, signals=False))
        except BaseException as error:
            if listening.done():
                raise
            listening.set_exception(error)

    thread = threading.Thread(target=work, name="openpi-door", daemon=True)
    thread.start()
    server = listening.result()
    try:
        yield server
    finally:
        server.stop()
        thread.join()
