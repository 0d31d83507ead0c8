"""What the prefix cache is worth: latency of a chunk, and noise draws that share a prefix, as ratios in one run.

    python benchmarks/inference.py [--repeats 15] [--batch 1] [--out docs/results/inference.json]

The `tiny` recipe's model with random weights. cached: the prefix runs once, every flow step reads its keys and values. recomputed: prefix and
expert run at every step. draws: one training forward and backward with K draws on one prefix, against K forwards with one. bf16 and
torch.compile are timed with --low-precision and --compile (compiling takes a minute or more; the first calls are not counted).
Parity gates: equal actions, equal losses.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from training import batch_of, spec

from praxia.data.batch import Draws
from praxia.models.precision import compute
from praxia.models.vla import VLA
from praxia.objectives import FlowMatching
from praxia.workflows.summary import machine


def seconds(call: Callable[[], object], repeats: int) -> float:
    """Median wall time of a call after two warm-up calls."""
    times = []
    for number in range(repeats + 2):
        start = time.perf_counter()
        call()
        if number >= 2:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


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
    batch = batch_of(size, model.backbone.spec.image_size, "action_chunk", 0)
    noise = model.head.noise(size, torch.Generator().manual_seed(1))
    steps = model.head.steps
    found: dict = {"machine": machine(), "threads": torch.get_num_threads(), "batch": size, "flow_steps": steps, "draws": count}
    with torch.no_grad():
        torch.testing.assert_close(recomputed(model, batch, noise, steps), model.sample(batch, noise), rtol=1e-4, atol=1e-5)
        found["cached_ms"] = 1000 * seconds(lambda: model.sample(batch, noise), repeats)
        found["recomputed_ms"] = 1000 * seconds(lambda: recomputed(model, batch, noise, steps), repeats)
        found["prefix_cache_ratio"] = found["recomputed_ms"] / found["cached_ms"]
    draws = model.draw(batch, torch.Generator().manual_seed(2))
    torch.testing.assert_close(flow(model, batch, draws), draws_apart(model, batch, draws), rtol=1e-4, atol=1e-5)
    together, apart = (seconds(lambda call=call: call(model, batch, draws), repeats) for call in (flow, draws_apart))
    found |= {"draws_together_ms": 1000 * together, "draws_apart_ms": 1000 * apart, "draws_ratio": apart / together}
    if low_precision:
        with torch.no_grad(), compute(torch.device("cpu"), "bf16"):
            found["bf16_ratio"] = found["cached_ms"] / (1000 * seconds(lambda: model.sample(batch, noise), repeats))
    if compiled:
        whole = torch.compile(model.sample)
        with torch.no_grad():
            torch.testing.assert_close(whole(batch, noise), model.sample(batch, noise), rtol=1e-3, atol=1e-4)
            found["compile_ratio"] = found["cached_ms"] / (1000 * seconds(lambda: whole(batch, noise), repeats))
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
