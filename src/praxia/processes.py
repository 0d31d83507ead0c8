"""Processes that work for this one and must not outlive it."""

import multiprocessing
import os
import threading
import time

from praxia.errors import ConfigError


def check_not_importing_main() -> None:
    """ConfigError in a worker that imports the script which started it, if that script works as it is imported: it would wait for its own parent."""
    if getattr(multiprocessing.current_process(), "_inheriting", False):  # as the library's own check before a worker starts workers
        raise ConfigError('worker processes import the script that starts them: put what it does under `if __name__ == "__main__":`')


def end_with(parent: int) -> None:
    """End this process soon after its parent has gone: a worker whose parent was killed would wait for work for ever."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
