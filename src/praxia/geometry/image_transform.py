"""ONE mechanism that carries image, K, rays, depth, masks, boxes and points through crop, resize, letterbox, stretch and in-plane turns.

An `ImageTransform` maps pixel centres of one picture to pixel centres of the next (integer (u, v) = pixel centre, so the picture covers
[-0.5, W - 0.5] x [-0.5, H - 0.5]). Views carry it lazily: `apply_to_view` composes, pixels are touched once, at the end, by `realise` or on
the device by `data.pixels`. Composing keeps no memory of windows in between: what a crop cut off reappears, in its right place, if a later
transform looks there again. What is metric z stays metric z: crops, scalings and turns about the optical axis leave depth values as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from PIL import Image

from praxia.errors import ConfigError
from praxia.geometry import camera as cameras
from praxia.geometry.camera import Camera
from praxia.geometry.scene import View

Size = tuple[int, int]  # (height, width)


@dataclass(frozen=True)
class ImageTransform:
    """Affine map from pixel centres of a `source` picture to those of a new picture.

    affine: float64 [2, 3] acting on (u, v, 1); source, size: (height, width) of the old and the new picture.
    """

    affine: np.ndarray
    source: Size
    size: Size


def identity(source: Size) -> ImageTransform:
    """The picture as it is."""
    return ImageTransform(np.eye(2, 3), source, source)


def crop(source: Size, top: float, left: float, height: int, width: int) -> ImageTransform:
    """The window with its first pixel centre at (left, top); it may reach beyond the picture, what is there is not valid."""
    return ImageTransform(np.array(((1, 0, -left), (0, 1, -top)), np.float64), source, _checked_size((height, width)))


def resize(source: Size, scale: float) -> ImageTransform:
    """Both axes by `scale`, exactly (cx' = (cx + 0.5) s - 0.5); the new size is rounded to whole pixels."""
    if not scale > 0:
        raise ConfigError(f"resize: scale is {scale}: expected a number > 0")
    size = _checked_size((round(source[0] * scale), round(source[1] * scale)))
    return ImageTransform(_scaling(scale, scale), source, size)


def stretch(source: Size, size: Size) -> ImageTransform:
    """Fill the new size exactly, each axis by its own scale (a change of aspect makes fx != fy)."""
    _checked_size(size)
    return ImageTransform(_scaling(size[1] / source[1], size[0] / source[0]), source, size)


def letterbox(source: Size, size: Size) -> ImageTransform:
    """The whole picture at the largest equal scale, centred; bars start on whole pixels (the odd one goes below or right)."""
    _checked_size(size)
    scale = min(size[0] / source[0], size[1] / source[1])
    affine = _scaling(scale, scale)
    # 1e-6: a bar of exactly n pixels must not become n - 1 by rounding
    affine[:, 2] += [np.floor((size[i] - source[i] * scale) / 2 + 1e-6) for i in (1, 0)]
    return ImageTransform(affine, source, size)


def rotate(source: Size, degrees: float) -> ImageTransform:
    """Turn the picture counter-clockwise, as a person sees it, about its centre.

    Multiples of 90 degrees are exact and swap height and width where needed; other angles keep the size, corners are cut and turned in.
    """
    quarters = round(degrees / 90)
    if quarters * 90 == degrees:
        cos, sin = ((1, 0), (0, 1), (-1, 0), (0, -1))[quarters % 4]
        size = source if quarters % 2 == 0 else (source[1], source[0])
    else:
        cos, sin, size = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees)), source
    turn = np.array(((cos, sin), (-sin, cos)), np.float64)  # v points down: this is counter-clockwise on the screen
    shift = _centre(size) - turn @ _centre(source)
    return ImageTransform(np.column_stack((turn, shift)), source, size)


def compose(*transforms: ImageTransform) -> ImageTransform:
    """One transform that does all, first one first. Raises ConfigError where a picture's size is not what the next one expects."""
    first, *later = transforms
    for transform in later:
        if transform.source != first.size:
            raise ConfigError(f"cannot compose image transforms: the first makes (h, w) = {first.size}, the next expects {transform.source}")
        first = ImageTransform(_multiply(transform.affine, first.affine), first.source, transform.size)
    return first


def inverse(transform: ImageTransform) -> ImageTransform:
    """The transform back; pixels that were cut off stay lost."""
    back = np.linalg.inv(transform.affine[:, :2])
    return ImageTransform(np.column_stack((back, -back @ transform.affine[:, 2])), transform.size, transform.source)


def points(transform: ImageTransform, pixels: np.ndarray) -> np.ndarray:
    """Pixel coordinates (u, v) [..., 2] of the old picture -> of the new picture, float64."""
    return np.asarray(pixels, np.float64) @ transform.affine[:, :2].T + transform.affine[:, 2]


def boxes(transform: ImageTransform, corners: np.ndarray) -> np.ndarray:
    """2-D boxes (left, top, right, bottom) [..., 4] -> hull of their transformed corners, clipped to the new picture.

    Edges are in pixel-centre coordinates: the box of a whole picture is (-0.5, -0.5, W - 0.5, H - 0.5). A box that leaves the picture gets zero area.
    """
    corners = np.asarray(corners, np.float64)
    turned = points(transform, np.stack((corners[..., [0, 1]], corners[..., [2, 1]], corners[..., [2, 3]], corners[..., [0, 3]]), axis=-2))
    hull = np.concatenate((turned.min(axis=-2), turned.max(axis=-2)), axis=-1)
    height, width = transform.size
    return np.clip(hull, -0.5, np.array((width, height, width, height)) - 0.5)


def valid(transform: ImageTransform) -> np.ndarray:
    """bool [H, W] of the new picture: True where its pixel centre lies on the old picture."""
    u, v = _source_pixels(transform)
    return (u >= -0.5) & (u < transform.source[1] - 0.5) & (v >= -0.5) & (v < transform.source[0] - 0.5)


def intrinsics_and_turn(affine: np.ndarray, K: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """New K [3, 3] (upper triangular) and the camera's turn R_new_old [3, 3] about its optical axis under `affine` [2, 3].

    affine K = K_new R_new_old (RQ factorisation of the 2x2 blocks), so a turned picture stays a proper pinhole: no rotation hides in K.
    Skewless stays skewless under equal scales. Raises ConfigError for a mirroring affine, which no camera can take.
    """
    full = np.vstack((affine, (0, 0, 1))) @ K
    if np.linalg.det(full) <= 0:
        raise ConfigError("image transform mirrors the picture: no camera sees that; fix: turn by 180 degrees instead, or drop the camera")
    sin, cos = full[1, :2] / np.hypot(*full[1, :2])
    R_new_old = np.array(((cos, -sin, 0), (sin, cos, 0), (0, 0, 1)))
    K_new = full @ R_new_old.T
    K_new[1, 0] = 0.0
    if abs(K_new[0, 1]) < 1e-9 * K_new[0, 0]:
        K_new[0, 1] = 0.0
    return K_new, R_new_old


def transform_camera(transform: ImageTransform, camera: Camera) -> Camera:
    """The camera that takes the new picture: K follows, and an in-plane turn moves into T_base_cam."""
    K, R_new_old = intrinsics_and_turn(transform.affine, camera.K)
    if camera.T_base_cam is None:
        return Camera(K)
    T_base_cam = camera.T_base_cam.copy()
    T_base_cam[:3, :3] = T_base_cam[:3, :3] @ R_new_old.T
    return Camera(K, T_base_cam)


def of_view(view: View) -> ImageTransform:
    """What the view carries so far: stored picture -> transformed picture."""
    stored = (view.image.shape[0], view.image.shape[1])
    return ImageTransform(view.affine, stored, stored if view.size == (0, 0) else view.size)


def apply_to_view(view: View, transform: ImageTransform) -> View:
    """The view with `transform` on top; pixels stay as stored, the camera is that of the new picture.

    Raises ConfigError if the transform was made for another picture size.
    """
    whole = compose(of_view(view), transform)
    camera = transform_camera(transform, view.camera) if view.camera else None
    return replace(view, affine=whole.affine, size=whole.size, camera=camera)


def view_rays(view: View) -> np.ndarray:
    """Viewing rays float32 [3, H, W] of the transformed picture, zero where it shows nothing. Raises ConfigError without a camera."""
    if view.camera is None:
        raise ConfigError(f"view {view.role!r} has no camera: rays need K; fix: add K to the view in dataset.yaml")
    transform = of_view(view)
    return cameras.rays(view.camera.K, transform.size, valid(transform))


def realise(view: View, fill: Sequence[int] = (0, 0, 0)) -> View:
    """The view with its pixels resampled: image bilinear (antialiased where it shrinks), depth and mask nearest, nothing pending.

    fill: RGB of pixels that lie off the stored picture; there depth is 0 (unknown) and the mask is 0 (background).
    """
    transform = of_view(view)
    return replace(
        view,
        image=resample_image(transform, view.image, fill),
        depth=None if view.depth is None else resample_nearest(transform, view.depth),
        mask=None if view.mask is None else resample_nearest(transform, view.mask),
        affine=np.eye(2, 3),
        size=(0, 0),
    )


def resample_nearest(transform: ImageTransform, values: np.ndarray) -> np.ndarray:
    """Values [H, W] of any dtype at the nearest old pixel; 0 off the picture. Never mixes two values."""
    u, v = _source_pixels(transform)
    # Half-way cases (a shrink by two) go to the lower index on both axes, whatever the last bit of the affine says.
    column = np.clip(np.ceil(u - 0.5 - 1e-6), 0, transform.source[1] - 1).astype(np.intp)
    row = np.clip(np.ceil(v - 0.5 - 1e-6), 0, transform.source[0] - 1).astype(np.intp)
    return np.where(valid(transform), values[row, column], values.dtype.type(0))


def resample_image(transform: ImageTransform, image: np.ndarray, fill: Sequence[int] = (0, 0, 0)) -> np.ndarray:
    """uint8 [H, W, 3] -> uint8 [h, w, 3], bilinear, with a triangle filter as wide as the shrink; edges replicate up to half a pixel."""
    matrix, shift = transform.affine[:, :2], transform.affine[:, 2]
    if matrix[0, 1] == matrix[1, 0] == 0 and matrix[0, 0] > 0 and matrix[1, 1] > 0:
        out = _resample_upright(transform, image)
    else:
        # Shrink along the stored axes first, with the filter; then turn at about unit scale, where bilinear does not alias.
        old = np.array((image.shape[1], image.shape[0]))
        new = np.maximum(np.ceil(old * np.minimum(np.linalg.norm(matrix, axis=0), 1) - 1e-6), 1).astype(int)
        small = Image.fromarray(image).resize((int(new[0]), int(new[1])), Image.Resampling.BILINEAR)
        back = np.linalg.inv(matrix) * (new / old)[:, None]
        # Pillow samples in corner-origin coordinates: c' = back (c - 0.5 - shift) + 0.5 * new / old
        offset = 0.5 * new / old - back @ (shift + 0.5)
        coefficients = (*back[0], offset[0], *back[1], offset[1])
        height, width = transform.size
        out = np.array(small.transform((width, height), Image.Transform.AFFINE, coefficients, Image.Resampling.BILINEAR))
    out[~valid(transform)] = fill
    return out


def _resample_upright(transform: ImageTransform, image: np.ndarray) -> np.ndarray:
    """Pure scale and shift: one pass of Pillow's separable filter over the window the new picture looks at."""
    scale, shift = np.diag(transform.affine[:, :2]), transform.affine[:, 2]
    new, old = np.array(transform.size[::-1]), np.array(transform.source[::-1])
    low = (-0.5 - shift) / scale + 0.5  # window in corner-origin coordinates of the stored picture
    high = (new - 0.5 - shift) / scale + 0.5
    # Pixels beyond the border are copies of the border, so that no fill colour bleeds into the picture.
    reach = np.ceil(np.maximum(1 / scale, 1)) + 1
    first = np.floor(low - reach).astype(int)
    last = np.ceil(high + reach).astype(int)
    columns = np.clip(np.arange(first[0], last[0]), 0, old[0] - 1)
    rows = np.clip(np.arange(first[1], last[1]), 0, old[1] - 1)
    window = image[rows[:, None], columns]
    box = (*(low - first), *(high - first))
    return np.array(Image.fromarray(window).resize((int(new[0]), int(new[1])), Image.Resampling.BILINEAR, box=box))


def _source_pixels(transform: ImageTransform) -> np.ndarray:
    """Coordinates (u, v) in the old picture of every pixel centre of the new one, float64 [2, h, w]."""
    back = inverse(transform).affine
    u, v = np.arange(transform.size[1]), np.arange(transform.size[0])[:, None]
    return np.stack([row[0] * u + row[1] * v + row[2] for row in back])


def _multiply(later: np.ndarray, first: np.ndarray) -> np.ndarray:
    return later[:, :2] @ first + np.column_stack((np.zeros((2, 2)), later[:, 2]))


def _scaling(u: float, v: float) -> np.ndarray:
    return np.array(((u, 0, 0.5 * u - 0.5), (0, v, 0.5 * v - 0.5)), np.float64)


def _centre(size: Size) -> np.ndarray:
    return np.array(((size[1] - 1) / 2, (size[0] - 1) / 2))


def _checked_size(size: Size) -> Size:
    if size[0] < 1 or size[1] < 1:
        raise ConfigError(f"image transform makes a picture of (h, w) = {size}: expected at least one pixel each way")
    return size
