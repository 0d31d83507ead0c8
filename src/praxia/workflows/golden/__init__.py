"""Our networks against reference outputs of the public code: a folder with sizes, weights and tensors, whatever its sizes."""

from collections.abc import Sequence
from pathlib import Path

import torch
from rich.table import Table

from praxia.errors import DataError
from praxia.workflows.golden import cut3r, prismatic, vggt
from praxia.workflows.golden.compare import Deviation, blamed_on, read_config

CONFIG = "tiny_config.json"
FAMILIES = {"vggt": vggt, "cut3r": cut3r, "prismatic": prismatic}


def verify(folder: Path) -> tuple[str, list[Deviation]]:
    """Kind of the folder, and the deviation of every tensor in it. Raises DataError or CheckpointError if something is missing or unexplained."""
    if not folder.is_dir():
        raise DataError(f"{folder} is no folder; name one with {CONFIG}, weights and cases")
    config = read_config(folder, CONFIG)
    family = next((name for name, module in FAMILIES.items() if module.recognises(config)), None)
    if family is None:
        raise DataError(f"{folder / CONFIG} describes none of {', '.join(FAMILIES)}; its keys are {', '.join(sorted(config))}")
    with blamed_on(folder), torch.inference_mode():
        return family, list(FAMILIES[family].check(folder, config))


def worst_first(found: Sequence[Deviation]) -> list[Deviation]:
    """Of every case the tensor that comes closest to its tolerance, or exceeds it most; cases in their order."""
    worst: dict[str, Deviation] = {}
    for one in found:
        if one.case not in worst or not one.share <= worst[one.case].share:
            worst[one.case] = one
    return list(worst.values())


def table(found: Sequence[Deviation], title: str) -> Table:
    """For a terminal."""
    shown = Table(title=title, title_justify="left")
    for name in ("case", "tensor"):
        shown.add_column(name, overflow="fold")
    for name in ("largest deviation", "of its tolerance"):
        shown.add_column(name, justify="right")
    shown.add_column("")
    for one in found:
        verdict = one.note if one.note else "" if one.fits else "outside"
        shown.add_row(one.case, one.tensor, f"{one.largest:.1e}", f"{one.share:.1%}", verdict, style=None if one.fits else "bold red")
    return shown
