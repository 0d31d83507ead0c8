"""SIGINT and SIGTERM ask the loop to stop at the next step; a second SIGINT stops at once."""

import signal
import threading
from types import FrameType

from praxia.errors import PraxiaError


class TrainingStopped(PraxiaError):
    """Training was asked to stop; the message says where it stands and how to go on."""


class StopRequest:
    """`with StopRequest() as stop:` then `if stop.name:`. Handlers are restored at the end; outside the main thread it never asks."""

    def __init__(self) -> None:
        self.name = ""
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> "StopRequest":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._ask)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.name and number == signal.SIGINT:
            raise KeyboardInterrupt
        self.name = signal.Signals(number).name
