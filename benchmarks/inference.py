"""What the prefix cache is worth: latency of a chunk, and noise draws that share a prefix, as ratios in one run.

    python benchmarks/inference.py [--repeats 15] [--batch 1] [--low-precision] [--compile] [--out docs/results/inference.json]

The `tiny` recipe's model with random weights, eight random inputs in turn. cached: the prefix runs once, every flow step reads its keys and values.
recomputed: prefix and expert run at every step. draws: one training forward and backward with K draws on one prefix, against K forwards with one.
bf16 and torch.compile (a minute or more of compiling, not counted) are timed with their options.
Parity gates before every timing: 1e-5 relative in fp32, equal losses; 1e-2 in bf16. What is compared takes turns, so that a drifting machine changes
both; every ratio is of medians, twice (`repeats`), with the best times beside.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import torch
from training import batch_of, ceiling, spec

from praxia.data.batch import Draws
from praxia.models.precision import compute
from praxia.models.vla import VLA
from praxia.objectives import FlowMatching
from praxia.workflows.summary import machine

INPUTS = 8


def times(calls: Mapping[str, Callable[[int], object]], repeats: int) -> dict[str, list[float]]:
    """Milliseconds of each call, in turn on one input after the other, after two warm-up calls of each."""
    found: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(repeats + 2):
        for name, call in calls.items():
            start = time.perf_counter()
            call(number % INPUTS)
            if number >= 2:
                found[name].append(1000 * (time.perf_counter() - start))
    return found


def compared(calls: Mapping[str, Callable[[int], object]], repeats: int) -> dict:
    """Median and best milliseconds of two calls, and how many times as long the second takes as the first, in two independent repeats."""
    (first, second), runs = calls, [times(calls, repeats) for _ in range(2)]
    medians = [{name: statistics.median(values) for name, values in run.items()} for run in runs]
    best = {name: min(min(run[name]) for run in runs) for name in calls}
    return {
        "median_ms": {name: statistics.mean(m[name] for m in medians) for name in calls},
        "best_ms": best,
        "ratio": statistics.mean(m[second] / m[first] for m in medians),
        "repeats": [m[second] / m[first] for m in medians],
        "ratio_of_best": best[second] / best[first],
    }


def gate(found: torch.Tensor, reference: torch.Tensor, most: float, what: str) -> float:
    """Relative error of what is about to be timed. Raises SystemExit above `most`."""
    error = float((found.float() - reference).norm() / reference.norm())
    if not error < most:
        raise SystemExit(f"{what}: relative error {error:.1e}, expected below {most:.0e}: nothing is timed")
    return error


def recomputed(model: VLA, batch, noise: torch.Tensor, steps: int) -> torch.Tensor:
    """The same integration with a prefix of its own at every step."""
    chunk = noise[:, None]
    for i in range(steps):
        prefix, _ = model.prefix(batch, Draws())
        moment = torch.full((len(noise), 1), 1.0 - i / steps)
        chunk = chunk - model.head.velocity(prefix, batch.state, chunk, moment) / steps
    return chunk[:, 0]


def draws_apart(model: VLA, batch, draws: Draws) -> torch.Tensor:
    """Flow loss of K draws with a forward each, backward included; the mean."""
    assert draws.noise is not None and draws.time is not None
    total = torch.zeros(())
    for k in range(draws.noise.shape[1]):
        one = replace(draws, noise=draws.noise[:, k : k + 1], time=draws.time[:, k : k + 1])
        total = total + flow(model, batch, one) / draws.noise.shape[1]
    return total


def flow(model: VLA, batch, draws: Draws) -> torch.Tensor:
    """Mean flow loss of one forward; its gradient goes into the parameters."""
    loss, weight = FlowMatching()(model(batch, draws), batch, {})["flow_matching"]
    (loss / weight).backward()
    return (loss / weight).detach()


def measure(size: int, repeats: int, count: int, low_precision: bool, compiled: bool) -> dict:
    """All ratios of one run."""
    torch.manual_seed(0)
    model = VLA(spec(count)).eval()
    batches = [batch_of(size, model.backbone.spec.image_size, "action_chunk", seed) for seed in range(INPUTS)]
    noise = model.head.noise(size, torch.Generator().manual_seed(1))
    steps = model.head.steps
    found: dict = {"machine": machine(), "threads": torch.get_num_threads(), "batch": size, "flow_steps": steps, "draws": count}
    found["ceiling_gflops"] = {str(dtype).removeprefix("torch."): ceiling(dtype) for dtype in (torch.float32, torch.bfloat16)}

    def cached(number: int) -> torch.Tensor:
        return model.sample(batches[number], noise)

    def rounded(number: int) -> torch.Tensor:
        with compute(torch.device("cpu"), "bf16"):
            return model.sample(batches[number], noise)

    with torch.no_grad():
        reference = cached(0)
        gate(recomputed(model, batches[0], noise, steps), reference, 1e-5, "prefix cached")
        calls = {"cached": cached, "recomputed": lambda number: recomputed(model, batches[number], noise, steps)}
        found["prefix_cache"] = compared(calls, repeats)
        if low_precision:
            error = gate(rounded(0), reference, 1e-2, "bf16")
            found["bf16"] = compared({"bf16": rounded, "fp32": cached}, repeats) | {"relative_error": error}
        if compiled:
            whole = torch.compile(model.sample)
            error = gate(whole(batches[0], noise), reference, 1e-5, "torch.compile")
            calls = {"compiled": lambda number: whole(batches[number], noise), "eager": cached}
            found["compile"] = compared(calls, repeats) | {"relative_error": error}
    draws = model.draw(batches[0], torch.Generator().manual_seed(2))
    torch.testing.assert_close(flow(model, batches[0], draws), draws_apart(model, batches[0], draws), rtol=1e-4, atol=1e-5)
    calls = {"together": lambda number: flow(model, batches[number], draws), "apart": lambda number: draws_apart(model, batches[number], draws)}
    found["draws_on_one_prefix"] = compared(calls, repeats)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--low-precision", action="store_true")
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found = measure(options.batch, options.repeats, options.draws, options.low_precision, options.compile)
    text = json.dumps(found, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
