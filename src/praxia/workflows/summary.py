"""summary.json of a run: what it took and how it judged, under stable names; every command that learns more adds to it."""

import os
import platform
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import torch

from praxia.cores import usable_cores
from praxia.files import read_json, write_json
from praxia.policy.config import package_versions
from praxia.stages.run_directory import StageResult

NAME = "summary.json"
_JUDGED = ("success", "per_task", "controls")


def add(root: Path | str, values: dict[str, Any]) -> dict[str, Any]:
    """Merge values into the run's summary and return it."""
    path = Path(root) / NAME
    summary = (read_json(path) if path.is_file() else {}) | values
    write_json(path, summary)
    return summary


def judged(results: dict[str, Any]) -> dict[str, Any]:
    """What an evaluation adds: success, per_task, controls, and which benchmark they are of."""
    return (
        {"benchmark": results["benchmark"], "plan": results["plan"]["hash"]}
        | {key: results[key] for key in _JUDGED}
        | {"perturbed": results.get("perturbed")}
    )


def trained(recipe: str, preset: str, results: Sequence[StageResult]) -> dict[str, Any]:
    """What training adds: the stages, the machine, the versions."""
    rows = [{"name": r.name, "seconds": r.seconds, "samples": r.samples, "steps": r.steps, "metrics": r.metrics} for r in results]
    return {"recipe": recipe, "preset": preset, "stages": rows, "machine": machine(), "versions": package_versions()}


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        model = next((line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")), model)
    gpu = torch.cuda.get_device_name(0) if torch.cuda.is_available() else ""
    return {"cpu": model, "cores": usable_cores(), "gpu": gpu, "system": f"{platform.system()} {platform.machine()}"}


class Watch:
    """Wall clock and largest resident memory of this process and all its children together, sampled twice a second (Linux; 0 elsewhere)."""

    def __init__(self) -> None:
        self._start, self._peak = time.monotonic(), 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> "Watch":
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return time.monotonic() - self._start

    @property
    def peak_rss_gb(self) -> float:
        """Shared pages count once for each process, so this is an upper bound."""
        return self._peak / 1e9

    def _sample(self) -> None:
        while True:
            self._peak = max(self._peak, resident_bytes(os.getpid()))
            if self._stop.wait(0.5):
                return


def resident_bytes(root: int) -> int:
    """Resident memory of a process and its descendants."""
    parents: dict[int, int] = {}
    resident: dict[int, int] = {}
    page = os.sysconf("SC_PAGE_SIZE")
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
        except OSError:  # it has ended
            continue
        parents[int(entry.name)], resident[int(entry.name)] = int(fields[1]), int(fields[21]) * page
    family, found = {root}, True
    while found:
        new = {pid for pid, parent in parents.items() if parent in family and pid not in family}
        family, found = family | new, bool(new)
    return sum(resident.get(pid, 0) for pid in family)
