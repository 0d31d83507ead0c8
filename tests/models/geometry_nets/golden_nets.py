"""The two networks with the weights of their reference folders, and those folders' files."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

from safetensors.torch import load_file
from torch import Tensor

from praxia.models.geometry_nets.cut3r import CUT3R, CUT3RNet
from praxia.models.geometry_nets.geometry_net import frozen
from praxia.models.geometry_nets.vggt import VGGT, VGGTNet

GOLDEN = Path(__file__).parents[2] / "golden"


def golden(folder: str, name: str) -> dict[str, Tensor]:
    """Tensors of a reference file."""
    return load_file(GOLDEN / folder / f"{name}.safetensors")


def vggt_spec() -> VGGT:
    """Of the reference folder."""
    folder = GOLDEN / "vggt"
    return VGGT.from_config(json.loads((folder / "tiny_config.json").read_text()), str(folder / "tiny_weights.safetensors"))


def cut3r_spec(prefix: str = "") -> CUT3R:
    """Of the reference folder; prefix `linear_` for linear heads."""
    folder = GOLDEN / "cut3r"
    config = json.loads((folder / f"{prefix}tiny_config.json").read_text())
    return CUT3R.from_config(config["config"], str(folder / config["weights_file"]))


@cache
def vggt(**changes) -> VGGTNet:
    """Frozen, with the reference weights; do not change it."""
    net = replace(vggt_spec(), **changes).build()
    net.load_checkpoint()
    frozen(net)
    return net


@cache
def cut3r(prefix: str = "", **changes) -> CUT3RNet:
    """Frozen, with the reference weights; do not change it."""
    net = replace(cut3r_spec(prefix), **changes).build()
    net.load_checkpoint()
    frozen(net)
    return net
