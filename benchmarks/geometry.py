"""What VGGT and CUT3R cost: parameters and FLOPs at published sizes, for features alone and with dense heads; bf16 against float32; times on a GPU.

    python benchmarks/geometry.py [--views 1 2 8] [--device cuda] [--repeats 10] [--out docs/results/geometry.json]

FLOPs are counted on shapes alone (no memory is taken) and do not depend on the device. Views are of one scene for VGGT (attention over all of them),
frames in order for CUT3R (a step each). Parity is of the reference nets in tests/golden, bfloat16 autocast against float32: largest deviation over
largest value. Times are medians with random weights at published sizes, float32 and bfloat16 autocast, with the peak of memory.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from praxia.files import write_json
from praxia.models.geometry_nets.cut3r import CUT3R
from praxia.models.geometry_nets.geometry_net import GeometryNet, frozen
from praxia.models.geometry_nets.vggt import VGGT
from praxia.models.precision import compute
from praxia.workflows.summary import machine

GOLDEN = Path(__file__).parents[1] / "tests" / "golden"
PUBLISHED = {"vggt": VGGT(), "cut3r_dpt": CUT3R(), "cut3r_linear_224": CUT3R.linear_224()}
NO_HEADS = {"vggt": VGGT(heads_built=False), "cut3r_dpt": CUT3R(head="none"), "cut3r_linear_224": replace(CUT3R.linear_224(), head="none")}


def ways(net: GeometryNet, pixels: Tensor) -> dict[str, Callable[[], Any]]:
    """What a net is asked for."""
    return {"features": lambda: net(pixels), "reconstruct": lambda: net.reconstruct(pixels)}


def costs(name: str, views: list[int]) -> dict[str, Any]:
    """Parameters, and GFLOP by number of views."""
    with torch.device("meta"):
        net = frozen(PUBLISHED[name].build())
        features_only = NO_HEADS[name].build()
    side = net.image_spec.size
    found: dict[str, Any] = {"side": side, "parameters": _parameters(net), "parameters_for_features": _parameters(features_only), "gflop": {}}
    for count in views:
        pixels = torch.empty(1, count, 3, side, side, device="meta")
        found["gflop"][count] = {way: _flops(call) / 1e9 for way, call in ways(net, pixels).items()}
    return found


def _parameters(net: GeometryNet) -> int:
    return sum(p.numel() for p in net.parameters())


def _flops(call: Callable[[], Any]) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def reference_nets(device: torch.device) -> dict[str, tuple[GeometryNet, Tensor]]:
    """The nets of tests/golden with their weights, and pictures for them."""
    vggt = VGGT.from_config(json.loads((GOLDEN / "vggt" / "tiny_config.json").read_text()), str(GOLDEN / "vggt" / "tiny_weights.safetensors"))
    config = json.loads((GOLDEN / "cut3r" / "tiny_config.json").read_text())
    cut3r = CUT3R.from_config(config["config"], str(GOLDEN / "cut3r" / config["weights_file"]))
    found = {}
    for name, spec in (("vggt", vggt), ("cut3r", cut3r)):
        net = spec.build()
        net.load_checkpoint()
        side = net.image_spec.size
        pixels = torch.randn(2, 3, 3, side, side, generator=torch.Generator().manual_seed(0))
        found[name] = (frozen(net).to(device), pixels.to(device))
    return found


def parity(net: GeometryNet, pixels: Tensor) -> dict[str, float]:
    """Largest deviation of bfloat16 autocast over the largest float32 value."""

    def outputs() -> dict[str, Tensor]:
        found = net.reconstruct(pixels)
        return {"features": net(pixels)[0], "depth": found.depth, "points": found.points, "T_first_cam": found.T_first_cam}

    with torch.no_grad():
        exact = outputs()
        with compute(pixels.device, "bf16"):
            rough = outputs()
    return {name: float((rough[name].float() - exact[name]).abs().max() / exact[name].abs().max()) for name in exact}


def times(name: str, views: list[int], device: torch.device, repeats: int) -> dict[str, Any]:
    """Milliseconds, TFLOP/s and peak memory in GB by number of views, precision and way; the counts of `costs` are asked for again."""
    counted = costs(name, views)["gflop"]
    net = frozen(PUBLISHED[name].build()).to(device)
    side, found = net.image_spec.size, {}
    for count in views:
        pixels = torch.randn(1, count, 3, side, side, device=device)
        for precision in ("fp32", "bf16"):
            for way, call in ways(net, pixels).items():
                torch.cuda.reset_peak_memory_stats(device)
                with torch.no_grad(), compute(device, precision):
                    milliseconds = 1000 * _seconds(call, device, repeats)
                found.setdefault(count, {}).setdefault(precision, {})[way] = {
                    "ms": milliseconds,
                    "tflops": counted[count][way] / milliseconds,
                    "peak_gb": torch.cuda.max_memory_allocated(device) / 1e9,
                }
    return found


def _seconds(call: Callable[[], Any], device: torch.device, repeats: int) -> float:
    taken = []
    for number in range(repeats + 2):  # two to warm up
        torch.cuda.synchronize(device)
        start = time.perf_counter()
        call()
        torch.cuda.synchronize(device)
        if number >= 2:
            taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--views", type=int, nargs="+", default=[1, 2, 8])
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="cuda adds times; on a CPU they would be minutes")
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    device = torch.device(options.device)
    found: dict[str, Any] = {"machine": machine(), "costs": {name: costs(name, options.views) for name in PUBLISHED}}
    found["bf16_parity"] = {name: parity(*case) for name, case in reference_nets(device).items()}
    if device.type == "cuda":
        found["times"] = {name: times(name, options.views, device, options.repeats) for name in PUBLISHED}
    print(json.dumps(found, indent=2))
    if options.out:
        write_json(options.out, found)


if __name__ == "__main__":
    main()
