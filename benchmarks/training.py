"""Training speed of the `tiny` spec: samples/s, GFLOP a sample, share of this machine's matrix ceiling, ratio to a naive loop in the same run.

    python benchmarks/training.py [--batch 32] [--steps 15] [--out docs/results/training.json]

naive: the same model and optimiser as a plain eager float32 loop has them: fused attention kernel, library convolutions as the stem, one noise draw
a forward (so `draws` forwards a sample), no fused optimiser. Parity gate: both losses are finite, and the fast model's two attention forms agree.
"""

import argparse
import itertools
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from praxia.data.batch import Batch, Chunk, Tokens, ViewBatch
from praxia.models.precision import compute, resolved
from praxia.models.spec import ModelSpec
from praxia.models.vla import VLA
from praxia.objectives import FlowMatching, NextToken
from praxia.recipes.pose_vla import tiny_model
from praxia.workflows.summary import machine

VOCABULARY, ACTION, STATE = 1500, 7, 17


class LibraryStem(nn.Sequential):
    """The stem's convolutions as the library's own layers."""

    def __init__(self, widths: list[int]):
        layers: list[nn.Module] = []
        for a, b in itertools.pairwise(widths):
            layers += [nn.Conv2d(a, b, 3, stride=2, padding=1), nn.ReLU()]
        super().__init__(*layers[:-1])

    @property
    def weight(self) -> torch.Tensor:
        return self[-1].weight  # type: ignore[return-value]


def spec(attention: str, draws: int) -> ModelSpec:
    model = tiny_model()
    backbone = replace(model.backbone, vocabulary=VOCABULARY, attention=attention)
    head = replace(model.head, action_width=ACTION, state_width=STATE, draws=draws, attention=attention)
    readouts = {k: r for k, r in model.readouts.items() if k != "attention"}  # fused attention has no weights to read; the batch asks for none
    return replace(model, backbone=backbone, head=head, readouts=readouts)


def batch_of(size: int, side: int, stage: str, seed: int) -> Batch:
    """Random content, true shapes: an action chunk, or a question with its answer."""
    generator = torch.Generator().manual_seed(seed)
    views = ViewBatch(
        roles=("head", "wrist"),
        images=tuple(torch.randint(0, 256, (size, side, side, 3), dtype=torch.uint8, generator=generator) for _ in range(2)),
        affine=torch.eye(2, 3).expand(size, 2, 2, 3).contiguous(),
        size=torch.full((size, 2, 2), float(side)),
        valid=torch.ones(size, 2, dtype=torch.bool),
        K=torch.full((size, 2, 3, 3), torch.nan),
        T_base_cam=torch.full((size, 2, 4, 4), torch.nan),
        time=torch.zeros(size, 2),
    )

    def tokens(length: int) -> Tokens:
        return Tokens(torch.randint(0, VOCABULARY, (size, length), generator=generator), torch.ones(size, length, dtype=torch.bool))

    if stage == "base_vlm":
        return Batch(size, views, tokens(8), tokens(8))
    future = Chunk(torch.zeros(size, 16, STATE), torch.randn(size, 16, ACTION, generator=generator), torch.ones(size, 16, dtype=torch.bool))
    return Batch(size, views, tokens(12), None, torch.randn(size, STATE, generator=generator), future)


def stepper(model: VLA, batches: list[Batch], stage: str, fused: bool, repeats: int, precision: str) -> Callable[[int], float]:
    """One whole update; returns the loss."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=fused, foreach=False if not fused else None)
    objective = NextToken() if stage == "base_vlm" else FlowMatching()

    def step(number: int) -> float:
        batch = batches[number % len(batches)]
        value = 0.0
        for repeat in range(repeats):
            draws = model.draw(batch, torch.Generator().manual_seed(number * 10 + repeat))
            with compute(torch.device("cpu"), precision):  # type: ignore[arg-type]
                total, weight = next(iter(objective(model(batch, draws), batch, {}).values()))
            (total / weight / repeats).backward()
            value += float(total.detach() / weight)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return value / repeats

    return step


def ceiling(dtype: torch.dtype) -> float:
    """Best matrix product of 2048 x 512 x 512 in GFLOP/s."""
    a, b = torch.randn(2048, 512).to(dtype), torch.randn(512, 512).to(dtype)
    best = float("inf")
    for _ in range(30):
        start = time.perf_counter()
        _ = a @ b
        best = min(best, time.perf_counter() - start)
    return 2 * 2048 * 512 * 512 / best / 1e9


def measure(size: int, steps: int) -> dict:
    dtype = torch.bfloat16 if resolved("auto", torch.device("cpu")) == "bf16" else torch.float32
    found: dict = {"machine": machine(), "threads": torch.get_num_threads(), "dtype": str(dtype), "batch": size, "stages": {}}
    found["ceiling_gflops"] = ceiling(dtype)
    side = tiny_model().backbone.image_size
    for stage in ("base_vlm", "robot"):
        batches = [batch_of(size, side, stage, seed) for seed in range(8)]
        parts = ("backbone",) if stage == "base_vlm" else ("backbone", "tokens", "head", "readouts")
        draws = tiny_model().head.draws if stage == "robot" else 1
        torch.manual_seed(0)
        fast = VLA(spec("plain", draws), parts)
        torch.manual_seed(0)
        naive = VLA(spec("sdpa", 1), parts)
        same = VLA(spec("sdpa", draws), parts)
        same.load_state_dict(fast.state_dict())
        with torch.no_grad():
            drawn = fast.draw(batches[0], torch.Generator().manual_seed(0))
            ours, theirs = (m(batches[0], drawn).prefix.hidden for m in (fast, same))
        assert torch.allclose(ours, theirs, rtol=1e-4, atol=1e-4), "the two attention forms differ: no timing"
        embeddings = naive.backbone.model.model.vision_tower.embeddings
        widths = [3, *(layer.out_features for layer in embeddings.patch_embedding.layers)]
        embeddings.patch_embedding = LibraryStem(widths)
        runs = {
            "praxia": stepper(fast, batches, stage, True, 1, "auto"),
            "naive": stepper(naive, batches, stage, False, draws, "fp32"),
        }
        with FlopCounterMode(display=False) as counter:
            runs["praxia"](0)
        flops = counter.get_total_flops() / size
        times: dict[str, list[float]] = {name: [] for name in runs}
        for step in runs.values():
            step(1)
        for number in range(steps):
            for name, step in runs.items():  # in turn, so that a drifting machine changes both
                start = time.perf_counter()
                step(number)
                times[name].append(time.perf_counter() - start)
        rate = {name: size / statistics.median(values) for name, values in times.items()}
        found["stages"][stage] = {
            "samples_per_s": rate["praxia"],
            "best_samples_per_s": size / min(times["praxia"]),
            "gflop_per_sample": flops / 1e9,
            "share_of_ceiling": rate["praxia"] * flops / 1e9 / found["ceiling_gflops"],
            "naive_samples_per_s": rate["naive"],
            "ratio_to_naive": rate["praxia"] / rate["naive"],
        }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found = measure(options.batch, options.steps)
    text = json.dumps(found, indent=2)
    print(text)
    if options.out:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
