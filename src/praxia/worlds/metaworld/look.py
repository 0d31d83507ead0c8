"""Pictures of a Meta-World environment: cameras, the two looks, depth and instance masks.

The scene camera is the package's `corner2` moved to (0.75, 0.075, 0.7), as in the public demonstration set. It hangs upside down, so picture and
camera model are turned together by 180 degrees about the viewing axis.
"""

import atexit
import os
from dataclasses import dataclass
from typing import Literal

import mujoco
import numpy as np

from praxia.errors import RenderError
from praxia.geometry.camera import from_mujoco
from praxia.geometry.image_transform import rotate, transform_camera
from praxia.geometry.scene import View

Protocol = Literal["fast", "public"]
PUBLIC_SIZE = 480
_SCENE_POSITION = (0.75, 0.075, 0.7)
_GEOM, _SITE = int(mujoco.mjtObj.mjOBJ_GEOM), int(mujoco.mjtObj.mjOBJ_SITE)


@dataclass(frozen=True)
class Shot:
    """A camera of the package by the role it plays here."""

    camera: str
    turned: bool  # the package's camera hangs upside down


SHOTS = {"scene": Shot("corner2", True), "gripper": Shot("gripperPOV", False)}


class Look:
    """Renderer of one model. The graphics context is made at the first picture: episodes nobody looks at cost none."""

    def __init__(self, model: mujoco.MjModel, protocol: Protocol, size: int, geom_instances: np.ndarray, site_instances: np.ndarray) -> None:
        self.size = size
        self._model = model
        self._instances = {_GEOM: geom_instances, _SITE: site_instances}
        self._renderer: mujoco.Renderer | None = None
        model.camera("corner2").pos = _SCENE_POSITION
        if protocol == "fast":  # must be set before the context is made
            model.light_castshadow[:] = 0
            model.vis.quality.shadowsize = 0
            model.vis.quality.offsamples = 0
            model.vis.global_.offwidth = model.vis.global_.offheight = size

    def view(self, data: mujoco.MjData, role: str, depth: bool, masks: bool) -> View:
        """Picture of one camera, as `data` stands, with its calibration."""
        shot = SHOTS[role]
        renderer = self._renderer or self._open()
        renderer.update_scene(data, camera=shot.camera)
        image = renderer.render()
        metric = self._depth(renderer) if depth else None
        mask = self._mask(renderer) if masks else None
        camera = from_mujoco(self._model, data, shot.camera, self.size, self.size)
        if shot.turned:
            image, metric, mask = (None if picture is None else np.ascontiguousarray(picture[::-1, ::-1]) for picture in (image, metric, mask))
            camera = transform_camera(rotate((self.size, self.size), 180), camera)
        assert image is not None
        return View(role, image, camera, metric, mask)

    def _open(self) -> mujoco.Renderer:
        """The graphics context. It is freed at the latest when Python exits, before GL itself, whose handler stands registered by then."""
        self._renderer = _renderer(self._model, self.size)
        atexit.register(self.close)
        return self._renderer

    def _depth(self, renderer: mujoco.Renderer) -> np.ndarray:
        """Metric z, float32 [H, W]; 0 where only the far plane is seen."""
        renderer.enable_depth_rendering()
        metric = renderer.render()
        renderer.disable_depth_rendering()
        far = self._model.vis.map.zfar * self._model.stat.extent
        return np.where(metric < 0.999 * far, metric, 0).astype(np.float32)

    def _mask(self, renderer: mujoco.Renderer) -> np.ndarray:
        """Instance ids int32 [H, W]."""
        renderer.enable_segmentation_rendering()
        ids, kinds = np.moveaxis(renderer.render(), -1, 0)
        renderer.disable_segmentation_rendering()
        mask = np.zeros(ids.shape, np.int32)
        for kind, instances in self._instances.items():
            mask[kinds == kind] = instances[ids[kinds == kind]]
        return mask

    def close(self) -> None:
        """Free the graphics context."""
        if self._renderer is not None:
            self._renderer.close()
            self._renderer = None
            atexit.unregister(self.close)


def _renderer(model: mujoco.MjModel, size: int) -> mujoco.Renderer:
    try:
        return mujoco.Renderer(model, size, size)
    except Exception as error:  # each GL backend raises its own kind
        raise RenderError(
            f"no headless GL with MUJOCO_GL={os.environ.get('MUJOCO_GL', '(unset)')!r}: {error}; "
            "fix: set MUJOCO_GL=egl (or osmesa) before Python starts and install libegl1 (or libosmesa6); `praxia doctor` shows what is missing"
        ) from error
