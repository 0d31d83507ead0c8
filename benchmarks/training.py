"""Training speed of the `tiny` recipe: samples/s, GFLOP a sample, share of this machine's matrix ceiling, ratio to a naive loop in the same run.

    python benchmarks/training.py [--batch 32] [--steps 15] [--out docs/results/training.json]

Each kind of samples is timed alone: pictures that are only looked at and questions (both `base_vlm`), action chunks with all that is taught beside
them (`robot`). naive: the same model, objectives and optimiser as a plain eager float32 loop has them: library convolutions as the stem, one noise
draw a forward (so `draws` forwards a sample), all threads on one operation, no fused optimiser. Parity gate: equal losses for equal draws.
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
from praxia.data.mixture import MicroBatch
from praxia.models.precision import compute, resolved
from praxia.models.spec import ModelSpec
from praxia.models.vla import PARTS, VLA
from praxia.recipes.pose_vla import tiny
from praxia.stages.recipe import Stage
from praxia.train.checkpoint import Trainee
from praxia.train.guard import NanGuard
from praxia.train.losses import counts, score, share_of_step, step_totals
from praxia.train.settings import TrainSettings
from praxia.train.stream import prepare
from praxia.train.trainable import apply_trainable
from praxia.train.update import Update
from praxia.workflows.summary import machine

VOCABULARY, ACTION, STATE, THINGS = 1500, 7, 17, 12
KINDS = {
    "base_vlm, pictures": ("base_vlm", "scene_grounding"),
    "base_vlm, questions": ("base_vlm", "scene_questions"),
    "robot": ("robot", "action_chunk"),
}


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


def copy_stem(ours: nn.Module, library: LibraryStem) -> None:
    """The same weights: rows of a 3 x 3 neighbourhood are ordered place by place, channels last."""
    convolutions = [layer for layer in library if isinstance(layer, nn.Conv2d)]
    with torch.no_grad():
        for linear, convolution in zip(ours.layers, convolutions, strict=True):  # type: ignore[arg-type]
            convolution.weight.copy_(linear.weight.view(linear.out_features, 3, 3, -1).permute(0, 3, 1, 2))
            convolution.bias.copy_(linear.bias)


def spec(draws: int) -> ModelSpec:
    model = tiny().model
    head = replace(model.head, action_width=ACTION, state_width=STATE, draws=draws)
    return replace(model, backbone=replace(model.backbone, vocabulary=VOCABULARY), head=head)


def batch_of(size: int, side: int, kind: str, seed: int) -> Batch:
    """Random content, true shapes."""
    generator = torch.Generator().manual_seed(seed)

    def uniform(*shape: int, high: float = 1.0) -> torch.Tensor:
        return high * torch.rand(size, *shape, generator=generator)

    def tokens(*shape: int) -> Tokens:
        return Tokens(torch.randint(0, VOCABULARY, (size, *shape), generator=generator), torch.ones(size, *shape, dtype=torch.bool))

    views = ViewBatch(
        roles=("head", "wrist"),
        images=tuple(torch.randint(0, 256, (size, side, side, 3), dtype=torch.uint8, generator=generator) for _ in range(2)),
        affine=torch.eye(2, 3).expand(size, 2, 2, 3).contiguous(),
        size=torch.full((size, 2, 2), float(side)),
        valid=torch.ones(size, 2, dtype=torch.bool),
        K=torch.tensor([[float(side), 0, side / 2], [0, float(side), side / 2], [0, 0, 1]]).expand(size, 2, 3, 3).contiguous(),
        T_base_cam=torch.full((size, 2, 4, 4), torch.nan),
        time=torch.zeros(size, 2),
        depth=tuple(0.5 + uniform(side, side) for _ in range(2)),
    )
    if kind == "scene_questions":
        return Batch(size, views, tokens(8), tokens(8))
    things = {
        "things_pixel": uniform(2, THINGS, 2, high=side - 1),
        "things_depth": 0.5 + uniform(2, THINGS),
        "things_valid": torch.rand(size, 2, THINGS, generator=generator) < 0.4,
    }
    if kind == "scene_grounding":
        return Batch(size, views, None, None, phrases=tokens(THINGS, 2), dense=things)
    positions = {
        "positions": torch.randn(size, 6, 3, generator=generator),
        "positions_valid": torch.ones(size, 6, dtype=torch.bool),
        "positions_pixel": uniform(6, 2, high=side - 1),
        "positions_slot": torch.arange(6).div(3, rounding_mode="floor").expand(size, 6),
    }
    future = Chunk(torch.zeros(size, 16, STATE), torch.randn(size, 16, ACTION, generator=generator), torch.ones(size, 16, dtype=torch.bool))
    state = torch.randn(size, STATE, generator=generator)
    return Batch(size, views, tokens(16), None, state, future, phrases=tokens(THINGS, 2), dense=things | positions)


def praxia_step(model: VLA, stage: Stage, batches: list[Batch], kind: str) -> Callable[[int], float]:
    """One whole update as the trainer makes it; returns the loss."""
    parameters = apply_trainable(model, ("*",), ())
    settings = TrainSettings(quiet=True)
    trainee = Trainee(model, parameters, stage.optimiser.build(parameters), None)
    update = Update(model, stage, trainee, NanGuard(torch.device("cpu")), {}, settings)

    def step(number: int) -> float:
        micros = prepare(model, [MicroBatch(batches[number % len(batches)], kind)], update.workers, False, number)
        return float(update(micros, number, 1e-4, number)["loss"])

    return step


def naive_step(model: VLA, stage: Stage, batches: list[Batch], kind: str, repeats: int) -> Callable[[int], float]:
    """The same losses in a plain loop."""
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4, fused=False, foreach=False)

    def step(number: int) -> float:
        batch = batches[number % len(batches)]
        value = 0.0
        for repeat in range(repeats):
            loss = one_loss(model, stage, batch, kind, number * 10 + repeat) / repeats
            loss.backward()
            value += float(loss.detach())
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        optimiser.zero_grad(set_to_none=True)
        return value

    return step


def one_loss(model: VLA, stage: Stage, batch: Batch, kind: str, seed: int) -> torch.Tensor:
    """The step's loss of one forward in float32."""
    draws = model.draw(batch, torch.Generator().manual_seed(seed))
    here = counts(stage.objectives, batch, kind)
    with compute(torch.device("cpu"), "fp32"):
        scored = score(stage.objectives, here, model(batch, draws), batch, {})
        return share_of_step(scored, here, step_totals([here]), [w.weight(0) for w in stage.objectives], 1)


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
    stages = {stage.name: stage for stage in tiny().stages}
    side = tiny().model.backbone.image_size
    for name, (stage_name, kind) in KINDS.items():
        stage = replace(stages[stage_name], batch=size, init_from=())
        batches = [batch_of(size, side, kind, seed) for seed in range(8)]
        parts = stage.parts or PARTS
        draws = tiny().model.head.draws if stage_name == "robot" else 1
        models = []
        for count in (draws, 1, 1):
            torch.manual_seed(0)
            models.append(VLA(spec(count), parts))
        fast, naive, same = models
        embeddings = naive.backbone.model.model.vision_tower.embeddings
        widths = [3, *(layer.out_features for layer in embeddings.patch_embedding.layers)]
        stem = LibraryStem(widths)
        copy_stem(embeddings.patch_embedding, stem)
        embeddings.patch_embedding = stem
        ours, theirs = (float(one_loss(m, stage, batches[0], kind, 0).detach()) for m in (same, naive))
        assert abs(ours - theirs) < 1e-3 * abs(theirs), f"{name}: the losses differ, {ours} and {theirs}: no timing"
        runs = {"praxia": praxia_step(fast, stage, batches, kind), "naive": naive_step(naive, stage, batches, kind, draws)}
        with FlopCounterMode(display=False) as counter:
            one_loss(fast, stage, batches[0], kind, 0).backward()
        fast.zero_grad(set_to_none=True)
        flops = counter.get_total_flops() / size
        times: dict[str, list[float]] = {run: [] for run in runs}
        for step in runs.values():
            step(1)
        for number in range(steps):
            for run, step in runs.items():  # in turn, so that a drifting machine changes both
                start = time.perf_counter()
                step(number)
                times[run].append(time.perf_counter() - start)
        rate = {run: size / statistics.median(values) for run, values in times.items()}
        found["stages"][name] = {
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
