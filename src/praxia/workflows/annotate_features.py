"""Look at every picture of a dataset with a geometry net, and keep what it sees where training will find it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import torch

from praxia.annotate.feature_cache import CachedFeatures, Counts
from praxia.data.batch import Batch
from praxia.data.collate import view_batch
from praxia.data.progress import progress
from praxia.data.recorded import Recorded
from praxia.data.supervision.supervision import Needs
from praxia.errors import ConfigError, DataError
from praxia.models.geometry_nets.geometry_net import pretrained
from praxia.models.precision import Precision, compute, resolved
from praxia.policy.net_catalogue import PUBLIC, net_licences, net_spec
from praxia.specs.licences import LicensePolicy, check_licences


@dataclass(frozen=True)
class Annotated:
    """samples: looked at; folder: of the cache; counts: what was there already and what was made."""

    samples: int
    folder: Path
    counts: Counts


def annotate_features(
    dataset: Path,
    net: str,
    checkpoint: str = "",
    size: int = 0,
    roles: tuple[str, ...] = (),
    batch: int = 16,
    precision: Precision = "auto",
    device: str = "cpu",
    license_policy: LicensePolicy = "any",
) -> Annotated:
    """The same call again reads what is there. Raises ConfigError for a net that is unknown or refused, DataError for a dataset without pictures
    or where the disk is too small."""
    if batch < 1:
        raise ConfigError(f"--batch is {batch}; expected at least 1")
    if size < 0:
        raise ConfigError(f"--size is {size}; expected a number of pixels, or 0 for pictures as stored")
    spec = net_spec(net, checkpoint)
    check_licences(net_licences(spec), license_policy, {public.name: public.instead for public in PUBLIC})
    source = Recorded(str(dataset), roles, size).open()
    if not len(source) or not source.cameras:
        raise DataError(f"{dataset} has no pictures to look at; check its dataset.yaml with `praxia data verify {dataset}`")
    cache = CachedFeatures(pretrained(spec).to(device), spec, resolved(precision, torch.device(device)))
    with progress("looking (samples)", len(source)) as advance:
        for start in range(0, len(source), batch):
            rows = range(start, min(start + batch, len(source)))
            views = view_batch([source.sample(i, Needs()).views for i in rows])
            with compute(torch.device(device), precision):
                cache.features(Batch(size=len(rows), views=views).to(device))
            if start == 0:
                _check_space(cache, len(source) / len(rows))
            advance(len(rows))
    return Annotated(len(source), cache.folder, cache.counts)


def _check_space(cache: CachedFeatures, times: float) -> None:
    """The first batch says how large all will be."""
    needed, free = cache.counts.bytes * times, shutil.disk_usage(cache.folder).free
    if needed > free:
        raise DataError(
            f"features of the whole dataset need about {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free in {cache.folder}; "
            "fix: free some space, move the cache with XDG_CACHE_HOME, keep smaller pictures (--size), or train with Teacher.cached off"
        )
