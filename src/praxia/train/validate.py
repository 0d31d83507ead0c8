"""Held-out validation: the stage's objectives on fixed micro-batches with fixed draws, and the error of sampled actions."""

from collections.abc import Sequence

import torch
from torch import Tensor

from praxia.data.batch import Batch
from praxia.models.heads.head import chunk_validity
from praxia.models.precision import compute
from praxia.models.vla import VLA
from praxia.objectives.objective import Teachers
from praxia.stages.recipe import Stage
from praxia.train.diagnostics import watched
from praxia.train.losses import counts, score
from praxia.train.randomness import generator
from praxia.train.settings import TrainSettings
from praxia.train.stream import Prepared
from praxia.train.trainable import set_training_mode
from praxia.train.update import add_up


@torch.no_grad()
def validate(
    model: VLA, stage: Stage, micros: Sequence[Prepared], teachers: Teachers, settings: TrainSettings, schedule_step: int
) -> dict[str, float]:
    """Metrics over all micro-batches: `loss` (weighted as at `schedule_step`), `<supervision>/<loss>` each, `action_error` if actions are predicted,
    and what parts say of themselves (`train.diagnostics`).

    action_error: mean absolute difference between a sampled chunk and the demonstrated one, normalised units, valid steps and dims;
    `action_error/ROBOT` of each robot where the model knows several.
    """
    device = torch.device(settings.device)
    by_name: dict[str, tuple[Tensor, Tensor]] = {}
    by_objective: dict[str, tuple[Tensor, Tensor]] = {}
    said: dict[str, tuple[Tensor, Tensor]] = {}
    model.eval()
    for number, prepared in enumerate(micros):
        micro = prepared.to(device)
        here = counts(stage.objectives, micro.batch, micro.supervision)
        for drop in stage.passes:
            with compute(device, settings.precision), watched(model) as heard:
                scored = score(stage.objectives, here, model(micro.batch, micro.draws, drop), micro.batch, teachers)
            add_up(said, heard.items())
            add_up(by_name, ((f"{micro.supervision}/{name}", pair) for (_, name), pair in scored.items()))
            add_up(by_objective, ((f"{i}:{name}", pair) for (i, name), pair in scored.items()))
        if model.head is not None and micro.batch.future is not None:
            noise = model.head.noise(micro.batch.size, generator(settings.seed, stage.name, "validation noise", number)).to(device)
            with compute(device, settings.precision):
                chunk = model.sample(micro.batch.with_target(None), noise)  # the answer would give the action away
            valid = chunk_validity(micro.batch)[:, 0].expand_as(chunk)
            error = (chunk.float() - micro.batch.future.actions).abs() * valid
            add_up(by_name, [(name, (error[rows].sum(), valid[rows].sum().float())) for name, rows in _robots(model, micro.batch).items()])
    set_training_mode(model)
    total = torch.stack(
        [s / w.clamp_min(1e-12) * stage.objectives[int(key.split(":")[0])].weight(schedule_step) for key, (s, w) in by_objective.items()]
    ).sum()
    values = {"loss": total} | {name: s / w.clamp_min(1e-12) for name, (s, w) in (by_name | said).items()}
    return dict(zip(values, torch.stack([v.float() for v in values.values()]).tolist(), strict=True))


def _robots(model: VLA, batch: Batch) -> dict[str, Tensor]:
    """Rows bool [B] that count for `action_error`, and for that of each robot."""
    assert batch.future is not None
    rows = {"action_error": torch.ones_like(batch.future.valid[:, 0])}
    if batch.embodiment is not None and len(model.spec.embodiments) > 1:
        here = {name: batch.embodiment == i for i, name in enumerate(model.spec.embodiments)}
        rows |= {f"action_error/{name}": chosen for name, chosen in here.items() if chosen.any()}
    return rows
