"""How many CPU cores this process may use: one count for workers, threads and reports."""

import os


def usable_cores() -> int:
    """Cores that this process may run on (a container or `taskset` may give fewer than the machine has)."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
