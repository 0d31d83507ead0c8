"""Point clouds of frames: from depth that comes with the pictures, or from a geometry net (VIPA-VLA §3.2.1)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Protocol

import numpy as np
import torch

from praxia.data.batch import Batch
from praxia.data.collate import view_batch
from praxia.data.pixels import canvas_transform, view_pixels
from praxia.errors import DataError
from praxia.geometry.camera import unproject
from praxia.geometry.scene import View
from praxia.models.geometry_nets.geometry_net import GeometryNet, Reconstruction


@dataclass(frozen=True)
class Depth:
    """z of every pixel of a stored picture, float64 [H, W], 0 = unknown, in metres or in an unknown scale; confidence likewise, None = all alike."""

    z: np.ndarray
    confidence: np.ndarray | None = None


class DepthSource(Protocol):
    """Depth of the frames of one clip, in order."""

    def __call__(self, views: Sequence[View]) -> list[Depth]: ...


class GivenDepth:
    """What was recorded."""

    def __call__(self, views: Sequence[View]) -> list[Depth]:
        """Raises DataError for a view without depth."""
        if any(v.depth is None for v in views):
            raise DataError("the clips have no depth; name a geometry net (--net) that makes it")
        return [Depth(np.asarray(v.depth, np.float64)) for v in views]


class NetDepth:
    """What a geometry net sees, in float32. together: frames that it is shown at once, as views of one scene; a net with memory goes on from one such
    group to the next. batch: groups in one pass of a net without memory. device: where it computes.
    """

    def __init__(self, net: GeometryNet, together: int = 1, batch: int = 1, device: str = "cpu"):
        self._net, self._together, self._device = net.eval().to(device), together, device
        self._batch = 1 if net.memory else batch

    @torch.no_grad()
    def __call__(self, views: Sequence[View]) -> list[Depth]:
        """Depth on the stored pictures' pixels, nearest in the net's own grid."""
        made, state = [], None
        for shown in self._passes(views):
            seen = self._seen(shown, state)
            state = seen.state
            for row, group in enumerate(shown):
                made += [self._on_picture(seen, row, i, view) for i, view in enumerate(group)]
        return made

    def _passes(self, views: Sequence[View]) -> Iterator[list[tuple[View, ...]]]:
        """Groups of equal length, in order, that go through the net at once."""
        groups = [tuple(views[start : start + self._together]) for start in range(0, len(views), self._together)]
        for _, alike in groupby(groups, key=len):
            same = list(alike)
            yield from (same[start : start + self._batch] for start in range(0, len(same), self._batch))

    def _seen(self, shown: list[tuple[View, ...]], state: Any) -> Reconstruction:
        batch = Batch(size=len(shown), views=view_batch(shown)).to(self._device)
        assert batch.views is not None
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):  # convolutions would round to 10 bits: millimetres of a metre
            return self._net.reconstruct(view_pixels(batch.views, self._net.image_spec), state)

    def _on_picture(self, seen: Reconstruction, row: int, slot: int, view: View) -> Depth:
        sides = view.size if view.size != (0, 0) else view.image.shape[:2]
        affine = canvas_transform(torch.tensor([sides], dtype=torch.float32), self._net.image_spec)[0].numpy()
        at = _grid(view.image.shape[:2], affine, seen.depth.shape[-2:])
        return Depth(*(maps[row, slot].double().cpu().numpy()[at] for maps in (seen.depth, seen.depth_confidence)))


def cloud(z: np.ndarray, K: np.ndarray) -> np.ndarray:
    """Points float64 [H, W, 3] in the camera frame of depth [H, W]: rays of the recording's own K (default 16)."""
    v, u = np.mgrid[: z.shape[0], : z.shape[1]]
    return unproject(K, np.stack([u, v], axis=-1), z)


def _grid(stored: tuple[int, ...], affine: np.ndarray, canvas: torch.Size) -> tuple[np.ndarray, np.ndarray]:
    """(rows, columns) of the canvas for every pixel of the stored picture."""
    v, u = np.mgrid[: stored[0], : stored[1]]
    columns, rows = (affine[i, 0] * u + affine[i, 1] * v + affine[i, 2] for i in range(2))
    inside = lambda x, n: np.clip(np.rint(x), 0, n - 1).astype(int)  # noqa: E731
    return inside(rows, canvas[0]), inside(columns, canvas[1])
