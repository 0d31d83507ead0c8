"""DatasetCard: what the columns of a dataset mean (`dataset.yaml` beside any dataset)."""

from dataclasses import dataclass, field
from typing import Literal

from praxia.registry import register
from praxia.specs.dims import ActionSpec, StateSpec

# Camera -> base in OpenCV axes (ours); base -> camera in OpenCV axes; camera -> base in OpenGL axes (y up, z backward).
ExtrinsicsForm = Literal["T_base_cam", "T_cam_base", "T_base_cam_gl"]


@dataclass(frozen=True)
class ViewKeys:
    """Where one view lives in the dataset's features. Empty key = the dataset has none."""

    role: str
    image: str
    depth: str = ""
    mask: str = ""
    intrinsics: str = ""  # per-frame [4] fx fy cx cy (or 3x3)
    extrinsics: str = ""  # per-frame [16] (or 3x4 [12]), row-major, in the form below
    K: tuple[float, ...] | None = None  # constant fx, fy, cx, cy in pixels of the stored image
    T_base_cam: tuple[float, ...] | None = None  # constant, row-major 4x4
    extrinsics_form: ExtrinsicsForm = "T_base_cam"  # what the per-frame column and the constant hold
    depth_unit: str = "m"  # unit of the stored depth: "m" or "mm"
    depth_scale: float = 1.0  # stored code * scale = depth in depth_unit
    rotate180: bool = False  # the stored picture is upside down; the camera model turns with it
    mirrored: bool = False  # left and right of the stored picture are exchanged: no camera model fits it, policies are judged on such pictures


@register("spec/dataset_card")
@dataclass(frozen=True)
class DatasetCard:
    """Meaning of one dataset; drafted by `praxia data inspect ROOT --write-card`, completed by its owner.

    action_scale, action_offset: a stored action x scale + offset is what `action` describes, number by number; empty = it is stored as it is.
    """

    name: str
    embodiment: str
    fps: float
    views: tuple[ViewKeys, ...]
    action: ActionSpec
    state: StateSpec
    action_key: str = "action"
    state_key: str = "observation.state"
    action_scale: tuple[float, ...] = ()
    action_offset: tuple[float, ...] = ()
    tool_keys: dict[str, str] = field(default_factory=dict)  # arm -> per-frame [16] row-major T_base_tool
    licence: str = "unknown"
    source: str = ""
    notes: str = ""
