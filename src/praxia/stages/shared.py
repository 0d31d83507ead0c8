"""Stages that runs share: a finished stage is kept in the cache, and a later run with the same stage takes it from there.

Every arm of an experiment then starts from the same weights, and stage 0 is paid for once. The same stage: the same fingerprint (configuration,
inputs, tokens, seed) and the same code of this package.
"""

import shutil
import tempfile
from functools import cache
from pathlib import Path

import praxia
from praxia.data.cache import cache_folder, code_digest, one_process
from praxia.stages.run_directory import CHECKPOINTS, DONE, StageFolder, StageResult

_LAST = (CHECKPOINTS, DONE)  # a copy that was interrupted has no checkpoint that a run would go on from, or is not finished


@cache
def _code() -> str:
    return code_digest(Path(praxia.__file__).parent)


def kept(folder: StageFolder) -> Path:
    """Where the stage's outcome is, or would be."""
    return cache_folder("stages") / f"{folder.identity.fingerprint}-{_code()}"


def take(folder: StageFolder) -> bool:
    """Fill an untouched stage folder with the outcome that an earlier run left; False if none did, or the folder has a checkpoint of its own."""
    source = kept(folder)
    if folder.result() is not None or folder.checkpoints.is_dir() or not source.is_dir():
        return False
    with tempfile.TemporaryDirectory(dir=folder.path.parent, prefix=".taking-") as name:
        work = Path(name) / "stage"
        shutil.copytree(source, work)
        for part in sorted(work.iterdir(), key=lambda p: (_LAST.index(p.name) if p.name in _LAST else -1, p.name)):
            part.replace(folder.path / part.name)
    return True


def keep(folder: StageFolder, result: StageResult) -> None:
    """Leave a finished stage for later runs: its curves, its plan, its scores and its last checkpoint. Does nothing where it is kept already."""
    target = kept(folder)
    with one_process(target):
        if target.is_dir():
            return
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".keeping-") as name:
            work = Path(name) / "stage"
            shutil.copytree(folder.path / result.checkpoint, work / result.checkpoint)
            for file in (folder.metrics, folder.plan, folder.scores, folder.path / DONE):
                if file.is_file():
                    shutil.copy2(file, work / file.name)
            work.rename(target)


def forget(folder: StageFolder) -> None:
    """Train it anew: what earlier runs left is thrown away."""
    with one_process(kept(folder)):
        shutil.rmtree(kept(folder), ignore_errors=True)
