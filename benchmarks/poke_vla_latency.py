"""What the goal token costs at inference: latency and FLOPs of a chunk, against the same policy whose head does not look at it.

    python benchmarks/poke_vla_latency.py [--policy FOLDER | --preset tiny] [--repeats 30] [--batch 1] [--out docs/results/poke_vla_latency.json]
    python benchmarks/poke_vla_latency.py --preset paper                # FLOPs and parameters alone, nothing is allocated

policy: the recipe's model with random weights, or a trained policy. without_goal: the same weights, the head without its attention to the goal token
(`goal=""`); queries, goal token and sequence are unchanged. bridge: the parent's head, which reads every layer, on the same prefix. Times are of
whole chunks, pictures to actions, taken in turns, so that what else the machine does falls on all alike; a ratio is the median of the ratios of
neighbours. Parity gate: with the goal's gates at zero the policy acts as without_goal does.
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
from torch.utils.flop_counter import FlopCounterMode

from praxia.data.batch import Batch, Draws, Tokens, ViewBatch
from praxia.errors import ConfigError
from praxia.models.heads.bridge_l1 import BridgeL1
from praxia.models.heads.cross_attention_l1 import CrossAttentionL1, CrossAttentionL1Head
from praxia.models.spec import ModelSpec, SpecialToken
from praxia.models.vla import PARTS, VLA
from praxia.policy import Policy
from praxia.recipes.load import PRESETS, load_recipe
from praxia.stages.weights import load_state, owned_state
from praxia.workflows.summary import machine

VOCABULARY, ACTION, STATE, PROMPT = 1500, 7, 17, 16
ACTS = tuple(part for part in PARTS if part not in ("readouts", "geometry"))


def sized(spec: ModelSpec) -> ModelSpec:
    """The spec with the widths that a recipe leaves to its data."""
    head = replace(spec.head, action_width=spec.head.action_width or ACTION, state_width=spec.head.state_width or STATE)
    if not isinstance(head, CrossAttentionL1) or not head.goal:
        raise ConfigError(f"the head is {type(head).__name__}; this benchmark is of a cross_attention_l1 head that reads a goal token")
    return replace(spec, backbone=replace(spec.backbone, vocabulary=spec.backbone.vocabulary or VOCABULARY), head=head)


def built(spec: ModelSpec, device: str, special_ids: dict[str, int] | None = None) -> VLA:
    """The parts that act, with random weights. special_ids: of the policy whose twin it is to be; any will do for another."""
    ids = special_ids or {token.token: 1 for token in spec.tokens if isinstance(token, SpecialToken)}
    with torch.device(device):
        model = VLA(spec, ACTS, ids).eval().requires_grad_(False)
    model.backbone.only_count()
    return model


def without_goal(model: VLA) -> VLA:
    """The same weights behind a head that does not look at the goal token."""
    twin = built(replace(model.spec, head=replace(model.spec.head, goal="")), "cpu", model.special_ids)
    kept = {name: t for name, t in owned_state(model).items() if ".goal_" not in name and ".norms.3." not in name and name.split(".")[0] in ACTS}
    load_state(twin, kept, "without the goal's attention")
    return twin


def bridge(spec: ModelSpec) -> ModelSpec:
    """The same model with the parent's head, as wide."""
    own = spec.head
    head = BridgeL1(own.horizon, own.action_width, own.state_width, own.width, own.heads, queries=own.queries, goal=own.goal, attention=own.attention)
    return replace(spec, head=head)


def observation(spec: ModelSpec, size: int, device: str) -> Batch:
    """Random content, true shapes: two views and an instruction of 16 tokens."""
    side, slots = spec.backbone.image_size, (size, 2)
    with torch.device(device):
        views = ViewBatch(
            roles=("head", "wrist"),
            images=tuple(torch.randint(0, 256, (size, side, side, 3), dtype=torch.uint8) for _ in range(2)),
            affine=torch.eye(2, 3, device="cpu").expand(*slots, 2, 3).contiguous(),
            size=torch.full((*slots, 2), float(side), device="cpu"),
            valid=torch.ones(slots, dtype=torch.bool),
            K=torch.tensor([[float(side), 0, side / 2], [0, float(side), side / 2], [0, 0, 1]]).expand(*slots, 3, 3).contiguous(),
            T_base_cam=torch.full((*slots, 4, 4), torch.nan),
            time=torch.zeros(slots),
            depth=tuple(0.5 + torch.rand(size, side, side) for _ in range(2)),
        )
        prompt = Tokens(torch.randint(0, min(VOCABULARY, spec.backbone.vocabulary), (size, PROMPT)), torch.ones(size, PROMPT, dtype=torch.bool))
        return Batch(size, views, prompt, state=torch.randn(size, spec.head.state_width))


def flops(spec: ModelSpec) -> dict[str, float]:
    """GFLOP of one chunk and million parameters, of the whole and of the head."""
    model, batch = built(spec, "meta"), observation(spec, 1, "meta")
    noise = torch.zeros(1, spec.head.horizon, spec.head.action_width, device="meta")
    whole, head = FlopCounterMode(display=False), FlopCounterMode(display=False)
    with torch.no_grad():
        with whole:
            model.sample(batch, noise)
        prefix, _ = model.prefix(batch, Draws())
        with head:
            model.head.sample(prefix, None, batch.state, noise, 1)
    count = {name: sum(p.numel() for p in part.parameters()) / 1e6 for name, part in (("parameters_m", model), ("head_parameters_m", model.head))}
    return {"gflop": whole.get_total_flops() / 1e9, "head_gflop": head.get_total_flops() / 1e9} | count


def in_turns(calls: dict[str, Callable[[], object]], repeats: int) -> dict[str, list[float]]:
    """Seconds of every call, one after the other, `repeats` times after two warm-up rounds. Each round begins with the next one, so that none always
    runs behind the same other."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    names = list(calls)
    for number in range(repeats + 2):
        first = number % len(names)
        for name in (*names[first:], *names[:first]):
            start = time.perf_counter()
            calls[name]()
            if number >= 2:
                times[name].append(time.perf_counter() - start)
    return times


def parity(model: VLA, twin: VLA, batch: Batch, noise: torch.Tensor) -> None:
    """AssertionError unless closed gates make the policy act as its twin does."""
    assert isinstance(model.head, CrossAttentionL1Head)
    gates = [block.goal_gate for block in model.head.blocks]
    kept = [gate.clone() for gate in gates]
    with torch.no_grad():
        for gate in gates:
            gate.zero_()
        torch.testing.assert_close(model.sample(batch, noise), twin.sample(batch, noise), rtol=1e-4, atol=1e-5)
        for gate, value in zip(gates, kept, strict=True):
            gate.copy_(value if value else torch.full_like(value, 0.1))  # a fresh gate is closed; its time is the same
        assert not torch.equal(model.sample(batch, noise), twin.sample(batch, noise)), "the policy does not look at the goal token"


def timed(model: VLA, size: int, repeats: int) -> dict[str, Any]:
    """Medians in milliseconds, and ratios of neighbours in time."""
    torch.manual_seed(1)
    twin, other, batch = without_goal(model), built(bridge(model.spec), "cpu", model.special_ids), observation(model.spec, size, "cpu")
    noise = model.head.noise(size, torch.Generator().manual_seed(1))
    parity(model, twin, batch, noise)
    models = {"policy": model, "without_goal": twin, "bridge": other}
    times = in_turns({name: lambda m=m: m.sample(batch, noise) for name, m in models.items()}, repeats)
    pairs = {name: [a / b for a, b in zip(times["policy"], times[name], strict=True)] for name in ("without_goal", "bridge")}
    return {
        "milliseconds": {name: 1000 * statistics.median(values) for name, values in times.items()},
        "policy_over": {name: statistics.median(values) for name, values in pairs.items()},
        "quartiles_of_the_ratios": {name: statistics.quantiles(values, n=4)[::2] for name, values in pairs.items()},
    }


def measure(spec: ModelSpec, model: VLA | None, size: int, repeats: int) -> dict[str, Any]:
    """All of one run; times only of a model with weights."""
    variants = {"policy": spec, "without_goal": replace(spec, head=replace(spec.head, goal="")), "bridge": bridge(spec)}
    counted = {name: flops(variant) for name, variant in variants.items()}
    found: dict[str, Any] = {
        "flops_of_a_chunk": counted,
        "flops_policy_over": {name: counted["policy"]["gflop"] / counted[name]["gflop"] for name in ("without_goal", "bridge")},
    }
    if model is not None:
        found |= {"machine": machine(), "threads": torch.get_num_threads(), "batch": size, "repeats": repeats} | timed(model, size, repeats)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipe", default="poke_vla", help="or path.py:function")
    parser.add_argument("--preset", choices=PRESETS, default="tiny")
    parser.add_argument("--policy", type=Path, help="a trained policy in place of random weights")
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    if options.policy:
        model = Policy.load(options.policy).model.requires_grad_(False)
        spec = sized(model.spec)
    else:
        spec = sized(load_recipe(options.recipe, options.preset).model)
        torch.manual_seed(0)
        model = built(spec, "cpu") if options.preset == "tiny" else None
    found = {"of": str(options.policy or f"{options.recipe} {options.preset}")} | measure(spec, model, options.batch, options.repeats)
    text = json.dumps(found, indent=2)
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
