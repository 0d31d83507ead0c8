"""Stages that runs share: a finished stage is kept in the cache under its fingerprint, and a later run with the same stage takes it from there.

Every arm of an experiment then starts from the same weights, and stage 0 is paid for once.
"""

import shutil
import tempfile
from pathlib import Path

from praxia.data.cache import cache_folder, one_process
from praxia.stages.run_directory import DONE, StageFolder, StageResult


def kept(folder: StageFolder) -> Path:
    """Where the stage's outcome is, or would be."""
    return cache_folder("stages") / folder.identity.fingerprint


def take(folder: StageFolder) -> bool:
    """Fill an untouched stage folder with the outcome that an earlier run left; False if none did, or the folder has a checkpoint of its own."""
    source = kept(folder)
    if folder.result() is not None or folder.checkpoints.is_dir() or not source.is_dir():
        return False
    with tempfile.TemporaryDirectory(dir=folder.path.parent, prefix=".taking-") as name:
        work = Path(name) / "stage"
        shutil.copytree(source, work)
        for part in sorted(work.iterdir(), key=lambda p: (p.name == DONE, p.name)):  # done.json last: a copy that was interrupted is not finished
            part.replace(folder.path / part.name)
    return True


def keep(folder: StageFolder, result: StageResult) -> None:
    """Leave a finished stage for later runs: its curves, its plan and its last checkpoint. Does nothing where it is kept already."""
    target = kept(folder)
    with one_process(target):
        if target.is_dir():
            return
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".keeping-") as name:
            work = Path(name) / "stage"
            shutil.copytree(folder.path, work, ignore=shutil.ignore_patterns(folder.checkpoints.name))
            shutil.copytree(folder.path / result.checkpoint, work / result.checkpoint)
            work.rename(target)
