"""Drawing: pictures, depth and geom ids of a MuJoCo model, as robosuite draws them.

robosuite makes a GL context at every hard reset and uploads all meshes and textures anew, which takes as long as ten pictures. Here the context stays
as long as everything that making one reads of a model is the same, to the last byte.
"""

# pyright: reportMissingImports=false
import hashlib
from typing import Any

import numpy as np

_READ = ("tex_", "mesh_", "hfield_", "skin_", "mat_", "geom_type", "geom_size", "geom_matid", "geom_dataid")  # of a model, when a context is made
_MOST_GEOMS = 1000  # as robosuite's scenes


def _digest(model: Any) -> str:
    """Of all that making a context reads of a mujoco.MjModel."""
    looks, numbers = model.vis, [model.stat.extent, model.vis.global_.linewidth, *model.vis.rgba.fog]
    numbers += [getattr(part, name) for part in (looks.quality, looks.map) for name in dir(part) if not name.startswith("_")]
    found = hashlib.blake2b(repr([float(number) for number in numbers]).encode())
    for name in dir(model):
        array = getattr(model, name) if name.startswith(_READ) else None
        if isinstance(array, np.ndarray):
            found.update(f"{name} {array.shape}".encode())
            found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


class Drawing:
    """What draws one model at a time."""

    def __init__(self) -> None:
        self._model: Any = None
        self._scene: Any = None
        self._gl: Any = None
        self._context: Any = None
        self._digest = ""
        self._side = 0  # largest picture that the context can hold

    def prepare(self, model: Any, size: int) -> None:
        """Draw this mujoco.MjModel from now on, in pictures of `size` pixels a side. What is changed of its meshes, textures and materials after
        that is not seen."""
        import mujoco

        if self._model is model and size <= self._side:
            return
        digest = _digest(model)
        if digest != self._digest or size > self._side:
            self.close()
            around = model.vis.global_
            around.offwidth, around.offheight = (max(size, side) for side in (around.offwidth, around.offheight))
            self._gl = mujoco.GLContext(around.offwidth, around.offheight)
            self._gl.make_current()
            self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_150)
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
            self._digest, self._side = digest, min(around.offwidth, around.offheight)
        self._model, self._scene = model, mujoco.MjvScene(model, maxgeom=_MOST_GEOMS)
        self._shown, self._pushed, self._camera = mujoco.MjvOption(), mujoco.MjvPerturb(), mujoco.MjvCamera()
        self._shown.geomgroup[0], self._shown.geomgroup[1] = 0, 1  # what is drawn, not what collides
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED

    def picture(self, data: Any, camera: int, size: int, depth: bool) -> tuple[np.ndarray, np.ndarray | None]:
        """Image uint8 [H, W, 3] and depth buffer float32 [H, W] of a camera, upside down as GL has them."""
        self._draw(data, camera, size, ids=False)
        return self._read(size, depth)

    def geoms(self, data: Any, camera: int, size: int) -> np.ndarray:
        """Geom ids int [H, W], -1 where there is none, upside down."""
        import mujoco

        usual = self._shown.sitegroup.copy()
        self._shown.sitegroup[:] = 0  # invisible sites hide what is behind them from a segmentation
        self._draw(data, camera, size, ids=True)
        colours, _ = self._read(size, depth=False)
        self._shown.sitegroup[:] = usual
        geom = np.full(self._scene.ngeom + 1, -1)
        for drawn in self._scene.geoms[: self._scene.ngeom]:
            if drawn.segid >= 0 and drawn.objtype == mujoco.mjtObj.mjOBJ_GEOM:
                geom[drawn.segid + 1] = drawn.objid
        ids = colours.astype(np.int64) @ (1, 2**8, 2**16)
        return geom[np.where(ids > self._scene.ngeom, 0, ids)]

    def forget(self) -> None:
        """Let go of the model; the context stays."""
        self._model = self._scene = None

    def close(self) -> None:
        """Free the context."""
        self.forget()
        if self._context is not None:
            self._gl.make_current()
            self._context.free()
            self._gl.free()
            self._context = self._gl = None
            self._digest = ""

    def _draw(self, data: Any, camera: int, size: int, ids: bool) -> None:
        import mujoco

        self._gl.make_current()
        self._camera.fixedcamid = camera
        mujoco.mjv_updateScene(self._model, data, self._shown, self._pushed, self._camera, mujoco.mjtCatBit.mjCAT_ALL, self._scene)
        for flag in (mujoco.mjtRndFlag.mjRND_SEGMENT, mujoco.mjtRndFlag.mjRND_IDCOLOR):
            self._scene.flags[flag] = ids
        mujoco.mjr_render(mujoco.MjrRect(0, 0, size, size), self._scene, self._context)

    def _read(self, size: int, depth: bool) -> tuple[np.ndarray, np.ndarray | None]:
        import mujoco

        image, z = np.empty((size, size, 3), np.uint8), np.empty((size, size), np.float32) if depth else None
        mujoco.mjr_readPixels(image, z, mujoco.MjrRect(0, 0, size, size), self._context)
        return image, z
