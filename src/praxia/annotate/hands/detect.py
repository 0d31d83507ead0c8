"""Boxes of named things by GroundingDINO (arXiv 2303.05499) as `transformers` has it: for clips without masks. Loaded only when asked for."""

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image

from praxia.data.hand_clips.clip import Clip
from praxia.errors import CheckpointError
from praxia.geometry.scene import View

Box = tuple[float, float, float, float]
BOX, TEXT, OVERLAP = 0.35, 0.25, 0.3  # default 20: thresholds of a box and of its words, least IoU with the last box that was kept


class Detector(Protocol):
    """Finds the objects of a clip. told: the clip with the objects that are looked for; call: boxes by name in every of its labelled frames."""

    def told(self, clip: Clip) -> Clip: ...
    def __call__(self, clip: Clip, steps: Sequence[int], views: Sequence[View]) -> list[dict[str, Box]]: ...


class GroundingDino:
    """A checkpoint by name or folder. Public ones: IDEA-Research/grounding-dino-tiny and -base, Apache-2.0. device: where it computes."""

    def __init__(self, checkpoint: str, device: str = "cpu"):
        from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

        try:
            self._processor: Any = AutoProcessor.from_pretrained(checkpoint)
            self._model: Any = AutoModelForZeroShotObjectDetection.from_pretrained(checkpoint).eval().to(device)
        except (OSError, ValueError) as error:
            raise CheckpointError(
                f"no GroundingDINO in {checkpoint!r} ({error}); give a folder, or a public name such as IDEA-Research/grounding-dino-tiny"
            ) from error

    def told(self, clip: Clip) -> Clip:
        """As it is: names are those of the recording."""
        return clip

    @torch.no_grad()
    def __call__(self, clip: Clip, steps: Sequence[int], views: Sequence[View]) -> list[dict[str, Box]]:
        """The best box of every name in every frame; one that jumps is left out (`steady`)."""
        found = [{name: box for name in clip.objects if (box := self._best(view, name)) is not None} for view in views]
        return steady(found)

    def _best(self, view: View, name: str) -> Box | None:
        inputs = self._processor(images=Image.fromarray(view.image), text=f"{name.lower()}.", return_tensors="pt").to(self._model.device)
        outputs = self._model(**inputs)
        (result,) = self._processor.post_process_grounded_object_detection(
            outputs, inputs["input_ids"], threshold=BOX, text_threshold=TEXT, target_sizes=[view.image.shape[:2]]
        )
        if not len(result["scores"]):
            return None
        u0, v0, u1, v1 = result["boxes"][int(result["scores"].argmax())].tolist()
        return u0 - 0.5, v0 - 0.5, u1 - 0.5, v1 - 0.5  # corners of pixels -> their centres are integers


def steady(frames: Sequence[dict[str, Box]]) -> list[dict[str, Box]]:
    """Boxes without flicker: one that does not overlap with the last that was kept (IoU above 0.3) is left out; the second such in a row is kept,
    because then the thing has moved. The first of a name is kept."""
    kept: dict[str, Box] = {}
    jumped: set[str] = set()  # names whose last box was left out
    out = []
    for boxes in frames:
        good = {name: box for name, box in boxes.items() if name not in kept or name in jumped or iou(box, kept[name]) > OVERLAP}
        jumped = (jumped | boxes.keys()) - good.keys()
        kept |= good
        out.append(good)
    return out


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes."""
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[2:], b[2:])
    common = float(np.prod(np.maximum(high - low, 0)))
    area = lambda box: (box[2] - box[0]) * (box[3] - box[1])  # noqa: E731
    return common / max(area(a) + area(b) - common, 1e-12)
