"""Progress of a stage on the terminal: a bar with samples/s, loss and time left; one line every ten seconds where there is no terminal."""

import sys
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

_LINE_EVERY = 10.0


class StageProgress:
    """`with StageProgress(name, steps, done, quiet) as bar: bar.update(step, samples, losses)`; written to stderr."""

    def __init__(self, name: str, steps: int, done: int, quiet: bool):
        self.name, self.steps, self.quiet = name, steps, quiet
        self._first, self._start = done, time.monotonic()
        self._samples, self._losses = 0, {}
        self._last = self._start
        self._bar: Progress | None = None
        if not quiet and sys.stderr.isatty():
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[text]}"))
            self._bar = Progress(*columns, console=Console(stderr=True))
            self._task = self._bar.add_task(name, total=steps, completed=done, text="")

    def __enter__(self) -> "StageProgress":
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def replan(self, steps: int) -> None:
        """The number of steps is known now."""
        self.steps = steps
        if self._bar is not None:
            self._bar.update(self._task, total=steps)

    def say(self, text: str) -> None:
        """A line of its own."""
        if self._bar is not None:
            self._bar.console.print(text, highlight=False)
        elif not self.quiet:
            print(text, file=sys.stderr, flush=True)

    def losses(self, values: dict[str, float]) -> None:
        """Values shown from now on."""
        self._losses = values

    def update(self, step: int, samples: int) -> None:
        """A step is done."""
        self._samples += samples
        now = time.monotonic()
        if self.quiet or (self._bar is None and now - self._last < _LINE_EVERY):
            return
        self._last = now
        text = self._text(step, now)
        if self._bar is not None:
            self._bar.update(self._task, completed=step, text=text)
        else:
            print(f"{self.name} {step}/{self.steps}  {text}", file=sys.stderr, flush=True)

    def _text(self, step: int, now: float) -> str:
        seconds = now - self._start
        left = seconds / max(1, step - self._first) * (self.steps - step)
        shown = "  ".join(f"{name} {value:.4g}" for name, value in self._losses.items() if name not in ("gradient_norm", "skipped"))
        return f"{shown}  {self._samples / max(seconds, 1e-9):.0f} samples/s  {_clock(left)} left"


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
