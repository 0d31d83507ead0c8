"""Pictures: colour and metric depth from one pass, instance masks from a second one; head camera and light at reset.

MuJoCo reads a reversed depth buffer as z = near * far / (near + d (far - near)) with d = 1 at the near plane; pictures come upside down.
"""

from __future__ import annotations  # mujoco.GLContext does not exist where GL is switched off

import atexit
from dataclasses import dataclass
from weakref import finalize

import mujoco
import numpy as np

from praxia.geometry.camera import from_mujoco
from praxia.geometry.scene import View
from praxia.worlds.tabletop.headless import no_gl
from praxia.worlds.tabletop.scene import Scene


@dataclass(eq=False)
class Renderer:
    """One GL context for one scene. Not thread-safe; `close()` frees it, at the latest when Python exits."""

    scene: Scene

    def __post_init__(self) -> None:
        self._gl, self._context = _contexts(self.scene)
        self.close = finalize(self, _free, self._gl, self._context)
        atexit.register(self.close)  # before GL itself is shut down, whose handler was registered earlier
        self._visual = mujoco.MjvScene(self.scene.model, maxgeom=400)
        self._option = mujoco.MjvOption()
        self._option.sitegroup[:] = 0
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        size = self.scene.size
        self._rect = mujoco.MjrRect(0, 0, size, size)
        self._rgb = np.empty((size, size, 3), np.uint8)
        self._depth = np.empty((size, size), np.float32)
        self._painted = self.scene.painted
        self._instances: tuple[object, np.ndarray] = (None, np.zeros(0, np.int32))

    def views(self, roles: tuple[str, ...], depth: bool, masks: bool, time: float = 0.0) -> tuple[View, ...]:
        """One View a role, calibrated. The scene's geometry is gathered once for all cameras."""
        self._gl.make_current()
        m, d, size = self.scene.model, self.scene.data, self.scene.size
        if self._painted != self.scene.painted:
            mujoco.mjr_uploadTexture(m, self._context, self.scene.backdrop)
            self._painted = self.scene.painted
        self._camera.fixedcamid = self.scene.ids.heads[0]
        mujoco.mjv_updateScene(m, d, self._option, None, self._camera, mujoco.mjtCatBit.mjCAT_ALL, self._visual)
        made = []
        for role in roles:
            camera = self.scene.camera(role)
            self._camera.fixedcamid = camera
            mujoco.mjv_updateCamera(m, d, self._camera, self._visual)
            image, z = self._colour(depth)
            made.append(
                View(
                    role=role,
                    image=image,
                    camera=from_mujoco(m, d, camera, size, size),
                    depth=z,
                    mask=self._mask() if masks else None,
                    size=(size, size),
                    time=time,
                )
            )
        return tuple(made)

    def _colour(self, depth: bool) -> tuple[np.ndarray, np.ndarray | None]:
        mujoco.mjr_render(self._rect, self._visual, self._context)
        mujoco.mjr_readPixels(self._rgb, self._depth if depth else None, self._rect, self._context)
        image = self._rgb[::-1].copy()
        if not depth:
            return image, None
        m = self.scene.model
        near, far = (k * m.stat.extent for k in (m.vis.map.znear, m.vis.map.zfar))
        d = self._depth[::-1].astype(np.float64)
        return image, np.where(d > 0, near * far / (near + d * (far - near)), 0.0).astype(np.float32)

    def _mask(self) -> np.ndarray:
        flags = self._visual.flags
        flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = 1
        mujoco.mjr_render(self._rect, self._visual, self._context)
        mujoco.mjr_readPixels(self._rgb, None, self._rect, self._context)
        flags[mujoco.mjtRndFlag.mjRND_SEGMENT] = flags[mujoco.mjtRndFlag.mjRND_IDCOLOR] = 0
        if self._instances[0] is not self.scene.arrangement:  # which geoms are drawn changes with the arrangement only
            self._instances = (self.scene.arrangement, self._instance_of_code())
        code = self._rgb[::-1].astype(np.int32) @ np.array([1, 1 << 8, 1 << 16], np.int32)
        return self._instances[1][code]

    def _instance_of_code(self) -> np.ndarray:
        """int32: the instance id of every colour code of the segmentation pass (0 = nothing drawn)."""
        table = np.zeros(self._visual.ngeom + 2, np.int32)
        for geom in self._visual.geoms[: self._visual.ngeom]:
            if geom.segid >= 0 and geom.objtype == mujoco.mjtObj.mjOBJ_GEOM:
                table[geom.segid + 1] = self.scene.ids.instance[geom.objid]
        return table


def _free(gl: mujoco.GLContext, context: mujoco.MjrContext) -> None:
    gl.make_current()
    context.free()
    gl.free()


def _contexts(scene: Scene) -> tuple[mujoco.GLContext, mujoco.MjrContext]:
    try:
        gl = mujoco.GLContext(scene.size, scene.size)
        gl.make_current()
        context = mujoco.MjrContext(scene.model, mujoco.mjtFontScale.mjFONTSCALE_100)
    except Exception as error:  # each GL backend raises its own kind, some at import, some at context creation
        raise no_gl(error) from error
    mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, context)
    context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
    return gl, context
