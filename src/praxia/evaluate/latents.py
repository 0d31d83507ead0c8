"""What a latent of action chunks is worth: how smoothly the decoder follows it, and what a history token changes (Action Priors, traps 3 and 4)."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import radians

import torch
import torch.nn.functional as F
from torch import Tensor

from praxia.data.batch import Batch
from praxia.models.heads.head import chunk_validity
from praxia.models.vla import VLA

EULER = (10, 4)  # numbers of integration steps that are compared
DEGREES = (0.0, 5.0, 10.0, 20.0, 30.0, 45.0, 60.0, 90.0)
SHARES = (0.0, 0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875, 1.0)


@dataclass(frozen=True)
class Smoothness:
    """error: mean absolute difference, normalised units, between the true chunk and the decoded latent turned by `degrees` in a random direction.

    to_first, to_second: the same from the chunk decoded at each of `shares` of the way between two latents of one robot to those decoded at its ends;
    apart: between the ends.
    """

    degrees: tuple[float, ...]
    error: tuple[float, ...]
    shares: tuple[float, ...]
    to_first: tuple[float, ...]
    to_second: tuple[float, ...]
    apart: float


@torch.no_grad()
def smoothness(model: VLA, batches: Sequence[Batch], generator: torch.Generator) -> Smoothness | None:
    """Decode turned and blended latents of chunks: those that the policy acts on, in the first stage the encoder's. None of a model without encoder,
    or where no batch has two chunks of one robot."""
    error, to_first, to_second = torch.zeros(len(DEGREES)), torch.zeros(len(SHARES)), torch.zeros(len(SHARES))
    turned, blended = 0.0, 0.0
    for batch in batches:
        if model.encoder is None or model.head is None or batch.future is None:
            return None
        latent = model.condition(batch.with_target(None))
        noise = model.head.noise(batch.size, generator).to(latent.device)
        valid = chunk_validity(batch)[:, 0].expand_as(noise)
        sideways = torch.randn(latent.shape, generator=generator).to(latent.device)
        sideways = F.normalize(sideways - (sideways * latent).sum(-1, keepdim=True) * latent, dim=-1)
        chunks = [_decoded(model, _turned(latent, sideways, degrees), noise, batch.action_dims) for degrees in DEGREES]
        error += torch.stack([_gap(chunk, batch.future.actions, valid) for chunk in chunks])
        turned += float(valid.sum())
        if pairs := _pairs(batch):
            first, second = (torch.tensor(side, device=latent.device) for side in zip(*pairs, strict=True))
            dims = None if batch.action_dims is None else batch.action_dims[first]
            same, both = noise[first], valid[first] & valid[second]
            way = [_decoded(model, F.normalize(torch.lerp(latent[first], latent[second], share), dim=-1), same, dims) for share in SHARES]
            to_first += torch.stack([_gap(chunk, way[0], both) for chunk in way])
            to_second += torch.stack([_gap(chunk, way[-1], both) for chunk in way])
            blended += float(both.sum())
    if not turned or not blended:
        return None
    ends = [tuple((gaps / blended).tolist()) for gaps in (to_first, to_second)]
    return Smoothness(DEGREES, tuple((error / turned).tolist()), SHARES, *ends, apart=ends[0][-1])


@torch.no_grad()
def step_errors(model: VLA, batches: Sequence[Batch], generator: torch.Generator, counts: Sequence[int] = EULER) -> dict[int, float]:
    """Error of chunks sampled with each number of integration steps from the same noise (mean absolute, normalised units). {} without a head."""
    errors, valid_entries = dict.fromkeys(counts, 0.0), 0.0
    for batch in batches:
        if model.head is None or batch.future is None:
            return {}
        noise = model.head.noise(batch.size, generator).to(batch.future.actions.device)
        valid = chunk_validity(batch)[:, 0].expand_as(noise)
        for count in counts:
            chunk = model.sample(batch.with_target(None), noise, steps=count)
            errors[count] += float(((chunk.float() - batch.future.actions).abs() * valid).sum())
        valid_entries += float(valid.sum())
    return {count: error / valid_entries for count, error in errors.items()} if valid_entries else {}


@torch.no_grad()
def history_errors(model: VLA, batches: Sequence[Batch], generator: torch.Generator) -> dict[str, float]:
    """Error of sampled chunks (mean absolute, normalised units) with the true past, without any, with states and actions at zero, and with the past
    of another sample of the same robot. Over samples that have a past, and another of their robot beside them. {} of a model that reads no past."""
    totals: dict[str, float] = {}
    count = 0.0
    for batch in batches:
        if model.head is None or batch.past is None or batch.future is None:
            return {}
        noise = model.head.noise(batch.size, generator).to(batch.future.actions.device)
        valid = chunk_validity(batch)[:, 0].expand_as(noise)
        others = torch.tensor(_others(batch), device=noise.device)
        compared = batch.past.valid.any(dim=1) & (others != torch.arange(batch.size, device=noise.device))
        valid = valid & compared[:, None, None]
        blank = replace(batch.past, states=torch.zeros_like(batch.past.states), actions=torch.zeros_like(batch.past.actions))
        mixed = replace(batch.past, states=batch.past.states[others], actions=batch.past.actions[others], valid=batch.past.valid[others])
        for name, past, drop in (("true", batch.past, ()), ("none", batch.past, ("history",)), ("zeros", blank, ()), ("another's", mixed, ())):
            chunk = model.sample(replace(batch, past=past, target=None), noise, drop=drop)
            totals[name] = totals.get(name, 0.0) + float(((chunk.float() - batch.future.actions).abs() * valid).sum())
        count += float(valid.sum())
    return {name: total / count for name, total in totals.items()} if count else {}


def _decoded(model: VLA, latent: Tensor, noise: Tensor, dims: Tensor | None) -> Tensor:
    assert model.head is not None
    return model.head.sample(None, latent, None, noise, model.head.steps, dims)


def _turned(latent: Tensor, sideways: Tensor, degrees: float) -> Tensor:
    angle = torch.tensor(radians(degrees), device=latent.device)
    return angle.cos() * latent + angle.sin() * sideways


def _gap(chunk: Tensor, other: Tensor, valid: Tensor) -> Tensor:
    """Sum of the absolute differences of valid entries."""
    return ((chunk.float() - other).abs() * valid).sum().cpu()


def _robots(batch: Batch) -> list[int]:
    return [0] * batch.size if batch.embodiment is None else batch.embodiment.tolist()


def _pairs(batch: Batch) -> list[tuple[int, int]]:
    """Neighbours in the batch, robot by robot; each sample once."""
    waiting: dict[int, int] = {}
    pairs = []
    for index, robot in enumerate(_robots(batch)):
        if robot in waiting:
            pairs.append((waiting.pop(robot), index))
        else:
            waiting[robot] = index
    return pairs


def _others(batch: Batch) -> list[int]:
    """For every sample one of the same robot: half way round them in the order of the dataset, so of another episode unless there are only a few."""
    robots, places = _robots(batch), range(batch.size) if batch.sample_index is None else batch.sample_index.tolist()
    rows = {robot: sorted((i for i, r in enumerate(robots) if r == robot), key=lambda i: places[i]) for robot in set(robots)}
    following = {row: group[(place + len(group) // 2) % len(group)] for group in rows.values() for place, row in enumerate(group)}
    return [following[i] for i in range(batch.size)]
