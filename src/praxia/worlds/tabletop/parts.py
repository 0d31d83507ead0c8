"""Primitive parts that objects are composed of, and the exact box around them."""

from dataclasses import dataclass, replace

import mujoco
import numpy as np

BOX, SPHERE, CAPSULE, CYLINDER, ELLIPSOID = (
    int(t)
    for t in (
        mujoco.mjtGeom.mjGEOM_BOX,
        mujoco.mjtGeom.mjGEOM_SPHERE,
        mujoco.mjtGeom.mjGEOM_CAPSULE,
        mujoco.mjtGeom.mjGEOM_CYLINDER,
        mujoco.mjtGeom.mjGEOM_ELLIPSOID,
    )
)
Vec = tuple[float, float, float]


@dataclass(frozen=True)
class Part:
    """One primitive in its object's frame: MuJoCo type and half sizes (metres), centre, quaternion (w, x, y, z)."""

    type: int
    size: Vec
    pos: Vec
    quat: tuple[float, float, float, float] = (1.0, 0.0, 0.0, 0.0)
    shade: str = "body"
    solid: bool = True  # False: seen but never touched (lids, stripes, dark insides)

    def moved(self, by: np.ndarray) -> "Part":
        """The same part, shifted by `by` [3] metres."""
        x, y, z = np.asarray(self.pos) + by
        return replace(self, pos=(float(x), float(y), float(z)))


def box(half: Vec, pos: Vec, yaw: float = 0.0, shade: str = "body", solid: bool = True) -> Part:
    """Box of half sizes `half`, turned by `yaw` about z."""
    return Part(BOX, half, pos, (float(np.cos(yaw / 2)), 0.0, 0.0, float(np.sin(yaw / 2))), shade, solid)


def cylinder(radius: float, half_height: float, pos: Vec, shade: str = "body", solid: bool = True) -> Part:
    """Upright cylinder, a hair (40 microradians, a micrometre at the rim) off the vertical.

    MuJoCo's plane-cylinder collision normalises the part of the axis that lies in the plane; on an exactly upright cylinder that is
    rounding noise, which once in some hundred episodes pointed along the normal and dropped all contacts.
    """
    return Part(CYLINDER, (radius, half_height, 0.0), pos, (float(np.sqrt(1 - 4e-10)), 2e-5, 0.0, 0.0), shade, solid)


def wheel(radius: float, half_width: float, pos: Vec, shade: str = "body", solid: bool = True) -> Part:
    """Cylinder lying along y."""
    return Part(CYLINDER, (radius, half_width, 0.0), pos, (float(np.sqrt(0.5)), float(np.sqrt(0.5)), 0.0, 0.0), shade, solid)


def sphere(radius: float, pos: Vec, shade: str = "body", solid: bool = True) -> Part:
    """Sphere."""
    return Part(SPHERE, (radius, 0.0, 0.0), pos, shade=shade, solid=solid)


def ellipsoid(semi: Vec, pos: Vec, shade: str = "body", solid: bool = True) -> Part:
    """Ellipsoid of semi-axes `semi`."""
    return Part(ELLIPSOID, semi, pos, shade=shade, solid=solid)


def capsule(start: Vec, end: Vec, radius: float, shade: str = "body", solid: bool = True) -> Part:
    """Capsule between the centres of its two end spheres."""
    a, b = np.asarray(start), np.asarray(end)
    length = float(np.linalg.norm(b - a))
    quat = np.zeros(4)
    mujoco.mju_quatZ2Vec(quat, (b - a) / length)
    x, y, z = (a + b) / 2
    return Part(CAPSULE, (radius, length / 2, 0.0), (float(x), float(y), float(z)), tuple(float(q) for q in quat), shade, solid)  # type: ignore[arg-type]


def half_extent(part: Part) -> np.ndarray:
    """float64 [3]: exact half side lengths of the axis-aligned box around one part."""
    flat = np.zeros(9)
    mujoco.mju_quat2Mat(flat, np.asarray(part.quat))
    R, size = flat.reshape(3, 3), np.asarray(part.size)
    if part.type == SPHERE:
        return np.full(3, size[0])
    if part.type == ELLIPSOID:
        return np.sqrt(((R * size) ** 2).sum(1))
    if part.type == BOX:
        return np.abs(R) @ size
    axis = np.abs(R[:, 2])
    if part.type == CAPSULE:
        return size[0] + axis * size[1]
    return axis * size[1] + size[0] * np.sqrt(np.clip(1 - axis**2, 0, 1))


def bounds(parts: tuple[Part, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(centre [3], full side lengths [3]) of the axis-aligned box around all parts."""
    low = np.min([np.asarray(p.pos) - half_extent(p) for p in parts], axis=0)
    high = np.max([np.asarray(p.pos) + half_extent(p) for p in parts], axis=0)
    return (low + high) / 2, high - low
