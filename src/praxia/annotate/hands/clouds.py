"""Point clouds of frames: from depth that comes with the pictures, or from a geometry net (VIPA-VLA §3.2.1)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from praxia.data.batch import Batch
from praxia.data.collate import view_batch
from praxia.data.pixels import canvas_transform, view_pixels
from praxia.errors import DataError
from praxia.geometry.camera import unproject
from praxia.geometry.scene import View
from praxia.models.geometry_nets.geometry_net import GeometryNet


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
    """What a geometry net sees. together: frames that it is shown at once; a net with memory goes on from one group to the next."""

    def __init__(self, net: GeometryNet, together: int = 3):
        self._net, self._together = net.eval(), together

    @torch.no_grad()
    def __call__(self, views: Sequence[View]) -> list[Depth]:
        """Depth on the stored pictures' pixels, nearest in the net's own grid."""
        made, state = [], None
        spec = self._net.image_spec
        for start in range(0, len(views), self._together):
            shown = list(views[start : start + self._together])
            batch = Batch(size=1, views=view_batch([tuple(shown)]))
            assert batch.views is not None
            seen = self._net.reconstruct(view_pixels(batch.views, spec), state)
            state = seen.state
            affine = canvas_transform(batch.views.size.flatten(0, 1), spec).numpy()
            for i, view in enumerate(shown):
                at = _grid(view.image.shape[:2], affine[i], seen.depth.shape[-2:])
                made.append(Depth(*(getattr(seen, name)[0, i].double().numpy()[at] for name in ("depth", "depth_confidence"))))
        return made


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
