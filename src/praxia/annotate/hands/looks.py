"""What looks at clips of hands to label them: recorded depth or a geometry net; masks, a detector or given boxes; and where these compute."""

from dataclasses import dataclass
from typing import Any

from praxia.annotate.hands.clouds import DepthSource, GivenDepth, NetDepth
from praxia.annotate.hands.detect import Detector, GroundingDino
from praxia.annotate.hands.given_boxes import GivenBoxes
from praxia.errors import ConfigError
from praxia.models.geometry_nets.geometry_net import pretrained
from praxia.models.geometry_nets.net_folder import without_weights
from praxia.registry import register, to_json


@register("annotate/hand_looks")
@dataclass(frozen=True)
class Looks:
    """net: spec of a geometry net with its checkpoint, None = recorded depth. together: frames of a clip that it is shown at once: one for a net that
    has learnt from single pictures (`hand_geometry`), more for one that joins views (VGGT). detector: a GroundingDINO checkpoint; boxes: a table of
    given ones (`GivenBoxes`); without both, masks.

    batch: such groups of frames that go through a net without memory in one pass (a net with memory takes one after the other). device: of net and
    detector. Both change rows by rounding alone: one group at a time on the CPU is exact, others differ in the last digits of a float32.
    """

    net: Any = None
    together: int = 1
    detector: str = ""
    boxes: str = ""
    batch: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("together", "batch"):
            if not isinstance(getattr(self, name), int) or getattr(self, name) < 1:
                raise ConfigError(f"Looks.{name} is {getattr(self, name)!r}; expected a whole number of at least 1")
        if self.detector and self.boxes:
            raise ConfigError(f"Looks.detector is {self.detector!r} and Looks.boxes {self.boxes!r}; boxes are found or given: leave one out")

    @property
    def plan(self) -> dict[str, Any]:
        """What decides the rows besides the net's weights, wherever those are."""
        net = None if self.net is None else to_json(without_weights(self.net))
        return {"net": net, "together": self.together, "detector": self.detector, "boxes": bool(self.boxes)}

    @property
    def on_gpu(self) -> bool:
        """Whether something computes elsewhere than on the CPU."""
        return self.device != "cpu" and (self.net is not None or bool(self.detector))

    def build(self) -> tuple[DepthSource, Detector | None]:
        """Nets with their weights; None where masks say where things are. Raises CheckpointError, DataError for a table that is none."""
        depth = GivenDepth() if self.net is None else NetDepth(pretrained(self.net), self.together, self.batch, self.device)
        if self.boxes:
            return depth, GivenBoxes(self.boxes)
        return depth, GroundingDino(self.detector, self.device) if self.detector else None
