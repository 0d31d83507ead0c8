"""A finished geometry net looked at with held-out scenes: what it sees and what is there, for scores and for the report."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from itertools import islice

import torch
from torch import Tensor

from praxia.data.batch import Batch, ViewBatch
from praxia.data.mixture import Entry, Mixture
from praxia.data.pixels import view_pixels
from praxia.data.supervision.scene_geometry import SceneGeometry
from praxia.data.true_geometry import TrueGeometry, true_geometry
from praxia.evaluate.reconstruction import mean_depth, reconstruction_scores
from praxia.models.geometry_nets.geometry_net import GeometryNet, Reconstruction

AT_ONCE = 16
SCORES = "geometry/"  # what the names of scores begin with
LEARNT_FROM = 500  # training samples that the predictor which does not look takes its mean depth of


@dataclass(frozen=True)
class Looked:
    """What a net made of samples, and what is there. pixels: float32 [N, V, 3, S, S] as the net saw them."""

    roles: tuple[str, ...]
    pixels: Tensor
    made: Reconstruction
    truth: TrueGeometry


def geometry_metrics(training: Mixture, held_out: Mixture, net: GeometryNet, samples: int) -> dict[str, float]:
    """Scores (`evaluate.reconstruction`) on `samples` held-out samples of every source of scenes; {} without any."""
    entries = scenes(held_out)
    shown = [entry.supervision.roles for entry in entries]  # a source of other views beside says nothing of these
    learnt = [entry for entry in scenes(training) if entry.supervision.roles in shown]
    if not entries or not learnt:
        return {}
    looked = joined([look(net, batch) for entry in entries for batch in batches(held_out, entry, samples)])
    usual: dict[str, Tensor] = {}
    depths = [true_geometry(views, net.image_spec).depth for entry in learnt for views in _views(training, entry, LEARNT_FROM // len(learnt))]
    for v, role in enumerate(looked.roles):
        usual[role] = mean_depth(torch.cat([depth[:, v] for depth in depths]))
    return {f"{SCORES}{name}": value for name, value in reconstruction_scores(looked.roles, looked.made, looked.truth, usual).items()}


def scenes(mixture: Mixture) -> list[Entry]:
    """Entries that show scenes with their geometry."""
    return [entry for entry in mixture.entries if isinstance(entry.supervision, SceneGeometry)]


def batches(mixture: Mixture, entry: Entry, samples: int) -> Iterator[Batch]:
    """What an entry says of up to `samples` samples, as a test shows them."""
    examples = entry.examples(samples)
    while some := list(islice(examples, AT_ONCE)):
        yield mixture.collate(some)


def _views(mixture: Mixture, entry: Entry, samples: int) -> Iterator[ViewBatch]:
    for batch in batches(mixture, entry, samples):
        assert batch.views is not None
        yield batch.views


@torch.no_grad()
def look(net: GeometryNet, batch: Batch) -> Looked:
    """The net's reconstruction of a batch, on the CPU."""
    assert batch.views is not None
    device = next(net.parameters()).device
    pixels = view_pixels(batch.to(device).views or batch.views, net.image_spec)
    made = net.eval().reconstruct(pixels)
    made = Reconstruction(*(getattr(made, f.name).float().cpu() for f in fields(made) if f.name != "state"))
    return Looked(batch.views.roles, pixels.float().cpu(), made, true_geometry(batch.views, net.image_spec))


def joined(parts: list[Looked]) -> Looked:
    """All samples of several looks."""
    made = Reconstruction(*(torch.cat([getattr(p.made, f.name) for p in parts]) for f in fields(Reconstruction) if f.name != "state"))
    truth = TrueGeometry(*(torch.cat([getattr(p.truth, f.name) for p in parts]) for f in fields(TrueGeometry)))
    return Looked(parts[0].roles, torch.cat([p.pixels for p in parts]), made, truth)
