"""A stage with a goal token or a geometry teacher looked at with held-out episodes: masks of the target and nearness of features."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor

from praxia.data.batch import Batch, Draws
from praxia.data.mixture import Entry, Mixture
from praxia.data.pixels import resample_nearest
from praxia.data.supervision.supervision import Example
from praxia.evaluate.alignment import Alignment, Mean
from praxia.evaluate.target_masks import SIDE, mask_scores, usual_mask
from praxia.models.states import Outputs
from praxia.models.vla import VLA
from praxia.objectives import GeometryAlignment, TargetMask
from praxia.objectives.objective import Teachers
from praxia.stages.recipe import Stage
from praxia.workflows.geometry_scores import AT_ONCE, batches

MASKS, ALIGNMENT = "target_mask/", "geometry_alignment/"  # what the names of scores begin with
LEARNT_FROM = 200  # training samples that the predictors which do not look are fitted on
RARE = 10  # times as many held-out samples are searched for views in which the target is out of sight

T = TypeVar("T")


@dataclass(frozen=True)
class SeenMasks:
    """Masks on a square of SIDE pixels, bool [N, V, SIDE, SIDE], and where the truth is known, bool [N, V]."""

    roles: tuple[str, ...]
    predicted: Tensor
    truth: Tensor
    known: Tensor


def goal_metrics(training: Mixture, held_out: Mixture, model: VLA, stage: Stage, teachers: Teachers, samples: int) -> dict[str, float]:
    """Scores of `evaluate.target_masks` and `evaluate.alignment` on `samples` held-out samples of every source, under `target_mask/ROLE/` and
    `geometry_alignment/ROLE/`; {} of a stage with neither objective. Sources that show other views than the first are left out.

    `target_mask/ROLE/blind_iou` is that of the usual training mask, which does not look.
    """
    masks, aligns = _objective(stage, TargetMask), _objective(stage, GeometryAlignment)
    found: dict[str, float] = {}
    if masks is not None and masks.readout in model.readouts:
        seen, learnt = (list(_masks(mixture, model, masks, count)) for mixture, count in ((held_out, samples), (training, LEARNT_FROM)))
        if seen and learnt:
            one = joined(seen)
            away = [part for batch in _out_of_sight(held_out, samples) if (part := marked(masks, *looked(model, batch))) is not None]
            usual = usual_mask(joined(learnt).truth, joined(learnt).known).expand_as(one.truth)
            found |= {MASKS + name: value for name, value in mask_scores(one.roles, one.predicted, one.truth, one.known).items()}
            if away:
                rare = joined(away)
                hidden = mask_scores(rare.roles, rare.predicted, rare.truth, rare.known)
                found |= {MASKS + name: value for name, value in hidden.items() if name.endswith(("/silent", "/empty", "/out_of_sight"))}
            blind = mask_scores(one.roles, usual, one.truth, one.known)
            found |= {f"{MASKS}{role}/blind_iou": blind[f"{role}/iou"] for role in one.roles if f"{role}/iou" in blind}
    if aligns is not None and aligns.teacher in teachers and aligns.readout in model.readouts:
        mean = Mean()
        for batch, outputs in _looks(training, model, LEARNT_FROM):
            assert batch.views is not None
            mean.add(aligns.target(outputs, batch, teachers), batch.views.valid)
        alignment, roles = None, ()
        for batch, outputs in _looks(held_out, model, samples):
            assert batch.views is not None
            alignment, roles = alignment or Alignment(mean.value), batch.views.roles
            alignment.add(outputs.readouts[aligns.readout], aligns.target(outputs, batch, teachers), batch.views.valid)
        if alignment is not None:
            found |= {ALIGNMENT + name: value for name, value in alignment.scores(roles).items()}
    return found


def marked(masks: TargetMask, batch: Batch, outputs: Outputs) -> SeenMasks | None:
    """What the model says of a batch it has looked at; None where the batch has no masks."""
    if "target_mask" not in batch.dense or outputs.visual is None or outputs.visual.image_spec is None or batch.views is None:
        return None
    views, spec = batch.views, replace(outputs.visual.image_spec, size=SIDE)
    truth = [resample_nearest(m, views.affine[:, v], views.size[:, v], spec) > 0 for v, m in enumerate(batch.dense["target_mask"].unbind(1))]
    logits = F.interpolate(outputs.readouts[masks.readout].float(), (SIDE, SIDE), mode="bilinear", align_corners=False)
    known = batch.dense["target_mask_valid"] & views.valid
    return SeenMasks(views.roles, (logits > 0).cpu(), torch.stack(truth, dim=1).cpu(), known.cpu())


def joined(parts: Sequence[SeenMasks]) -> SeenMasks:
    """All samples of several batches."""
    return SeenMasks(parts[0].roles, *(torch.cat([getattr(part, name) for part in parts]) for name in ("predicted", "truth", "known")))


@torch.no_grad()
def looked(model: VLA, batch: Batch) -> tuple[Batch, Outputs]:
    """A batch, and what a model in evaluation makes of it without acting."""
    shown = replace(batch.to(next(model.parameters()).device), future=None, past=None)
    return shown, model.eval()(shown, Draws())


def _acting(mixture: Mixture) -> Iterator[Entry]:
    """Entries that act and show the views of the first of them."""
    acting = [entry for entry in mixture.entries if entry.supervision.needs.horizon > 0]
    roles = [tuple(camera.role for camera in entry.source.cameras) for entry in acting]
    return (entry for entry, shown in zip(acting, roles, strict=True) if shown == roles[0])


def _looks(mixture: Mixture, model: VLA, samples: int) -> Iterator[tuple[Batch, Outputs]]:
    for entry in _acting(mixture):
        for batch in batches(mixture, entry, samples):
            yield looked(model, batch)


def _out_of_sight(mixture: Mixture, samples: int) -> Iterator[Batch]:
    """Up to `samples` samples of every entry in which a view does not show the target."""
    for entry in _acting(mixture):
        examples = islice(filter(_hidden, entry.examples(RARE * samples)), samples)
        while some := list(islice(examples, AT_ONCE)):
            yield mixture.collate(some)


def _hidden(example: Example) -> bool:
    if "target_mask" not in example.dense:
        return False
    shown = example.dense["target_mask"].reshape(len(example.dense["target_mask"]), -1).any(1)
    return bool((example.dense["target_mask_valid"] & ~shown).any())


def _masks(mixture: Mixture, model: VLA, masks: TargetMask, samples: int) -> Iterator[SeenMasks]:
    for batch, outputs in _looks(mixture, model, samples):
        if (seen := marked(masks, batch, outputs)) is not None:
            yield seen


def _objective(stage: Stage, kind: type[T]) -> T | None:
    """The stage's first objective of a kind."""
    return next((weighted.objective for weighted in stage.objectives if isinstance(weighted.objective, kind)), None)
