"""What a camera saw (View) and what was there (ObjectTruth)."""

from dataclasses import dataclass, field

import numpy as np

from praxia.geometry.camera import Camera


@dataclass(frozen=True)
class View:
    """One picture of one camera at one time. Views are not frames: a clip is several times of one role."""

    role: str
    image: np.ndarray  # uint8 [H, W, 3] as stored
    camera: Camera | None = None  # K in pixels of the transformed picture, T_base_cam
    depth: np.ndarray | None = None  # float32 [H, W] metric z, 0 = unknown
    mask: np.ndarray | None = None  # int32 [H, W] instance ids, 0 = background
    affine: np.ndarray = field(default_factory=lambda: np.eye(2, 3))  # float64 [2, 3] stored pixel -> transformed picture
    size: tuple[int, int] = (0, 0)  # (height, width) of the transformed picture; (0, 0) = as stored
    colour: np.ndarray | None = None  # float64 [4] factors of brightness, contrast, saturation, and turns of hue; None = as stored
    time: float = 0.0  # seconds relative to now
    valid: bool = True  # False: the slot exists, the picture does not
    sequence: str = ""  # frames of one clip share an id


@dataclass(frozen=True)
class ObjectTruth:
    """One object of the scene: upright object frame, full side lengths."""

    name: str  # as a person would say it: "red mug"
    category: str
    colour: str
    T_base_object: np.ndarray  # float64 [4, 4], origin = box centre
    size: np.ndarray  # float64 [3] side lengths along object x, y, z in metres
    instance: int = 0  # id in the views' masks


@dataclass(frozen=True)
class Contact:
    """Where things of a category are acted on. verb: grasp, press, pull or fill. at: place in the object frame, in halves of the side lengths
    (0 = middle, +-1 = faces)."""

    category: str
    verb: str
    at: tuple[float, float, float] = (0.0, 0.0, 0.0)
