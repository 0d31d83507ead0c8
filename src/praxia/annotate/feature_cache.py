"""A frozen geometry net as a teacher, its features of whole pictures kept on disk: a picture is looked at once, however often it is trained on.

One file a sample, named by what decides the numbers: the bytes of the stored pictures of all views (a net may compare them), the net's spec and
weights, and the dtype it computes in. What a sample transform does to a picture comes afterwards, as coordinates (`GeometryFeatures.transform`).
"""

import hashlib
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from praxia.data.batch import Batch, ViewBatch
from praxia.data.cache import cache_folder
from praxia.data.pixels import canvas_transform, view_pixels
from praxia.data.resampling import homogeneous
from praxia.files import write_atomic
from praxia.models.geometry_nets.geometry_net import GeometryFeatures, GeometryNet
from praxia.models.geometry_nets.net_folder import without_weights
from praxia.registry import to_json

_FORM = "views that are not there are not looked at"  # what was kept in another form is made again


@dataclass
class Counts:
    """Samples whose features were read (hits) or computed (misses), and bytes of the files of both."""

    hits: int = 0
    misses: int = 0
    bytes: int = 0

    def __str__(self) -> str:
        total = self.hits + self.misses
        return f"{self.hits} of {total} features read from the cache ({self.hits / max(1, total):.0%}), {self.bytes / 1e6:.1f} MB"


class CachedFeatures:
    """`features(batch)` of a frozen net for whole pictures, read from `folder` or computed and left there.

    Safe for several processes and threads: a file is there whole or not at all, and one that cannot be read is made again.
    """

    def __init__(self, net: GeometryNet, spec: Any, precision: str, folder: Path | None = None):
        self.net, self.counts = net, Counts()
        name = hashlib.blake2b(repr((_FORM, to_json(without_weights(spec)), precision)).encode(), digest_size=8)
        name.update(weights_digest(net))
        self.folder = (folder or cache_folder("features")) / name.hexdigest()
        self._lock = threading.Lock()

    @torch.no_grad()
    def features(self, batch: Batch) -> GeometryFeatures:
        """As `GeometryNet.features`, but what the net sees is the whole stored picture, without sample transforms and colour jitter."""
        assert batch.views is not None
        views = batch.views
        names = picture_names(views)
        found = [self._read(name) for name in names]
        absent = [row for row, one in enumerate(found) if one is None]
        if absent:
            once = {names[row]: row for row in absent}  # equal pictures are looked at once
            made = dict(zip(once, self._compute(views, list(once.values())), strict=True))
            for name, one in made.items():
                self._write(name, one)
            for row in absent:
                found[row] = made[names[row]]
        device = views.valid.device
        patches, special = (torch.stack([one[part] for one in found if one is not None]).to(device) for part in ("patches", "special"))
        return GeometryFeatures(patches, special, _from_shown(views, self.net), self.net.image_spec.size)

    def _compute(self, views: ViewBatch, rows: list[int]) -> list[dict[str, Tensor]]:
        patches, special = self.net.seen(view_pixels(_whole(views, rows), self.net.image_spec), views.valid[rows])
        return [{"patches": p.contiguous().cpu(), "special": s.contiguous().cpu()} for p, s in zip(patches, special, strict=True)]

    def _read(self, name: str) -> dict[str, Tensor] | None:
        path = self._path(name)
        try:
            size, found = path.stat().st_size, load_file(path)
        except (OSError, SafetensorError):
            return None
        if {"patches", "special"} - found.keys():
            return None
        self._count(hits=1, size=size)
        return found

    def _write(self, name: str, one: dict[str, Tensor]) -> None:
        content = save(one)
        write_atomic(self._path(name), lambda file: file.write(content))
        self._count(misses=1, size=len(content))

    def _path(self, name: str) -> Path:
        return self.folder / name[:2] / f"{name}.safetensors"

    def _count(self, hits: int = 0, misses: int = 0, size: int = 0) -> None:
        with self._lock:
            self.counts = Counts(self.counts.hits + hits, self.counts.misses + misses, self.counts.bytes + size)


def weights_digest(net: GeometryNet) -> bytes:
    """BLAKE2b of all weights and their names."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in sorted(net.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.digest()


def picture_names(views: ViewBatch) -> list[str]:
    """Of every sample: a hex name of the stored bytes of its views, in order."""
    names = []
    for row in range(len(views.valid)):
        digest = hashlib.blake2b(digest_size=16)
        for slot, images in enumerate(views.images):
            image = images[row].cpu().contiguous()
            digest.update(repr((tuple(image.shape), bool(views.valid[row, slot]))).encode())
            digest.update(image.numpy().tobytes())
        names.append(digest.hexdigest())
    return names


def _whole(views: ViewBatch, rows: list[int]) -> ViewBatch:
    """Some samples with their pictures as stored."""
    count, slots = len(rows), len(views.images)
    size = torch.tensor([image.shape[1:3] for image in views.images], dtype=torch.float32, device=views.size.device)
    return replace(
        views,
        images=tuple(image[rows] for image in views.images),
        affine=torch.eye(2, 3, device=views.affine.device).expand(count, slots, 2, 3),
        size=size.expand(count, slots, 2),
        valid=views.valid[rows],
        colour=None,
    )


def _from_shown(views: ViewBatch, net: GeometryNet) -> Tensor:
    """float64 [B, V, 2, 3]: pixel of the transformed picture -> stored pixel -> pixel of the square that the whole picture was seen on."""
    whole = _whole(views, list(range(len(views.valid))))
    to_square = homogeneous(canvas_transform(whole.size.flatten(0, 1), net.image_spec))
    to_stored = torch.linalg.inv(homogeneous(views.affine.flatten(0, 1).to("cpu", torch.float64)))
    return (to_square @ to_stored)[:, :2].unflatten(0, views.valid.shape)
