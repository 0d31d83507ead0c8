"""A progress bar with rate and time left; one line every ten seconds where the output is no terminal."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_QUIET_FOR = 2.0  # short work needs no bar
_LINE_EVERY = 10.0


@contextmanager
def progress(label: str, total: int) -> Iterator[Callable[[int], None]]:
    """`with progress("decoding", n) as advance: advance(1)`; written to stderr."""
    start = time.monotonic()
    done = 0
    if sys.stderr.isatty():
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
            task = bar.add_task(label, total=total, rate="")

            def advance(count: int) -> None:
                nonlocal done
                done += count
                bar.update(task, advance=count, rate=f"{done / max(1e-9, time.monotonic() - start):.1f}/s")

            yield advance
        return
    last = start + _QUIET_FOR - _LINE_EVERY

    def advance_lines(count: int) -> None:
        nonlocal done, last
        done += count
        now = time.monotonic()
        if now - last >= _LINE_EVERY:
            last = now
            rate = done / (now - start)
            print(f"{label}: {done}/{total}, {rate:.1f}/s, {(total - done) / max(rate, 1e-9):.0f} s left", file=sys.stderr, flush=True)

    yield advance_lines
