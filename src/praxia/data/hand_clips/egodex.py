"""EgoDex (arXiv 2505.11709) as clips: pairs of N.hdf5 and N.mp4 in a folder a task. Unverified on real files: tested on small ones made after the
documented layout.

camera/intrinsic [3, 3]; transforms/camera and transforms/<joint> [N, 4, 4] in the world of the headset, camera in OpenCV axes;
confidences/<joint> [N], absent in some files; texts as attributes. Of 25 joints a hand the metacarpals are dropped; `leftHand` and `rightHand` are
the wrists.
Licence CC BY-NC-ND: what is computed from the files may be learnt from for research; the files themselves must not be given away again.
"""

import hashlib
import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from praxia.data.hand_clips.clip import Clip
from praxia.data.lerobot.frame_store import resize_colour, shown_size
from praxia.data.lerobot.video import VideoReader
from praxia.errors import ConfigError, DataError
from praxia.geometry.camera import camera_from
from praxia.geometry.hands import HandPair
from praxia.geometry.image_transform import stretch, transform_camera
from praxia.geometry.scene import View
from praxia.geometry.se3 import rigid_fault
from praxia.registry import register
from praxia.specs.hands import JOINTS, SIDES

RATE = 30.0  # of the recordings
_BONES = ("Knuckle", "IntermediateBase", "IntermediateTip", "Tip")
_FINGERS = ("Thumb", "IndexFinger", "MiddleFinger", "RingFinger", "LittleFinger")


def joint_names(side: str) -> tuple[str, ...]:
    """EgoDex's names of the 21 joints of a hand, in our order."""
    return (f"{side}Hand", *(f"{side}{finger}{bone}" for finger in _FINGERS for bone in _BONES))


def is_egodex(folder: Path) -> bool:
    """Whether a folder, or a folder in it, has such pairs."""
    return any(path.with_suffix(".mp4").is_file() for path in folder.rglob("*.hdf5"))


@register("data/egodex")
@dataclass(frozen=True)
class EgoDex:
    """All pairs below a folder. size: pictures are shrunk to this longer side (0 = as stored, 1080p). stride: every so many frames is a step:
    2 gives motion at 15 Hz (VIPA-VLA §3.7). Needs h5py (extra `egodex`).
    """

    root: str
    size: int = 448
    stride: int = 2
    licence: str = "cc-by-nc-nd-4.0"

    def __post_init__(self) -> None:
        if self.stride < 1 or self.size < 0:
            raise ConfigError(f"EgoDex has stride {self.stride} and size {self.size}; expected at least 1, and a size from 0 (as stored)")

    def open(self) -> "EgoDexClips":
        """Raises DataError without h5py, or if there is no pair."""
        return EgoDexClips(self)


class EgoDexClips:
    """The clips of a folder (`ClipSet`): no depth and no masks."""

    name, depth, masks = "egodex", False, False

    def __init__(self, spec: EgoDex):
        _h5py()
        root = Path(spec.root)
        self._files = sorted(path for path in root.rglob("*.hdf5") if path.with_suffix(".mp4").is_file())
        if not self._files:
            raise DataError(f"{root} has no pairs of N.hdf5 and N.mp4; give the folder of a part of EgoDex, or of one of its tasks")
        self._spec, self._root, self.licence = spec, root, spec.licence
        self._video = lru_cache(maxsize=4)(lambda number: VideoReader(self._files[number].with_suffix(".mp4")))
        self._read = lru_cache(maxsize=4)(lambda number: _recording(self._files[number], self.label(number), spec.stride))
        self.size = shown_size(self._stored(), spec.size or None)

    def __len__(self) -> int:
        return len(self._files)

    def _stored(self) -> tuple[int, int]:
        """(height, width) of the first video that can be read."""
        for number in range(len(self._files)):
            with suppress(DataError):
                height, width = self._video(number).read(0).shape[:2]
                return height, width
        raise DataError(f"{self._root}: none of {len(self._files)} videos can be read; copy or download them again")

    def content(self) -> str:
        """Of the names, sizes and times of all pairs: their bytes are too many to read."""
        digest = hashlib.blake2b(digest_size=16)
        for path in self._files:
            stats = [(stat.st_size, stat.st_mtime_ns) for stat in (path.stat(), path.with_suffix(".mp4").stat())]
            digest.update(repr((str(path.relative_to(self._root)), stats)).encode())
        return digest.hexdigest()

    def label(self, number: int) -> tuple[str, str]:
        """Name and task, from the file's place."""
        return _label(self._files[number], self._root)

    def clip(self, number: int) -> Clip:
        """What was recorded; objects are the texts that the files list."""
        return self._read(number)[0]

    def view(self, number: int, step: int, depth: bool = False, masks: bool = False) -> View:
        """The picture at a step."""
        clip, K = self._read(number)
        image = self._video(number).read(step * self._spec.stride)
        stored = (image.shape[0], image.shape[1])
        _check_intrinsics(K, stored, self._files[number])
        size = shown_size(stored, self._spec.size or None)
        camera = camera_from(K, clip.T_base_cam[step], f"{self._files[number]}, step {step}")
        return View("head", resize_colour(image, size), transform_camera(stretch(stored, size), camera), size=size, sequence=clip.name)


def _check_intrinsics(K: np.ndarray, stored: tuple[int, int], path: Path) -> None:
    """DataError where a video was made smaller, or cropped, and K was not."""
    height, width = stored
    if abs(K[0, 2] - width / 2) > 0.25 * width or abs(K[1, 2] - height / 2) > 0.25 * height:
        raise DataError(
            f"{path}: camera/intrinsic has its middle at ({K[0, 2]:.0f}, {K[1, 2]:.0f}), as pictures of about {2 * K[0, 2]:.0f} x {2 * K[1, 2]:.0f} "
            f"have it; the video has {width} x {height}. Use the video that belongs to the file, or scale K with it"
        )


def _label(path: Path, root: Path) -> tuple[str, str]:
    """Name: the file's place below the root (parts have tasks of the same names), its task's folder at least; task."""
    place = path.relative_to(root).with_suffix("")
    return (place if len(place.parts) > 1 else Path(path.resolve().parent.name) / place).as_posix(), path.resolve().parent.name


def _recording(path: Path, label: tuple[str, str], stride: int) -> tuple[Clip, np.ndarray]:
    """The clip of a file, and K of its pictures as stored."""
    try:
        with _h5py().File(path, "r") as file:
            K = np.asarray(file["camera/intrinsic"], np.float64)
            T_world_cam = np.asarray(file["transforms/camera"], np.float64)[::stride]
            poses = np.stack([[np.asarray(file[f"transforms/{joint}"], np.float64)[::stride] for joint in joint_names(side)] for side in SIDES])
            confidence = np.ones((*poses.shape[:2], len(T_world_cam)))
            if "confidences" in file:
                known = file["confidences"]
                for s, side in enumerate(SIDES):
                    for j, joint in enumerate(joint_names(side)):
                        if joint in known:
                            confidence[s, j] = np.asarray(known[joint], np.float64)[::stride]
            attributes = {key: _text(value) for key, value in file.attrs.items()}
    except (OSError, KeyError, ValueError, IndexError, TypeError) as error:
        raise DataError(
            f"{path} cannot be read as EgoDex ({error}); expected camera/intrinsic [3, 3], transforms/camera and transforms/<joint> [N, 4, 4], and "
            "confidences/<joint> [N]"
        ) from error
    if K.shape != (3, 3) or T_world_cam.shape[1:] != (4, 4) or poses.shape[3:] != (4, 4):
        raise DataError(
            f"{path}: camera/intrinsic is {K.shape}, transforms/camera {T_world_cam.shape}, a joint {poses.shape[2:]}; expected (3, 3), (N, 4, 4)"
        )
    if not len(T_world_cam):
        raise DataError(f"{path} has no steps; the recording was broken off, leave it out")
    if poses.shape[2] != len(T_world_cam):
        raise DataError(f"{path}: joints have {poses.shape[2]} steps, the camera {len(T_world_cam)}; the file is truncated, copy it again")
    for step, pose in enumerate(T_world_cam):
        if fault := rigid_fault(pose):
            raise DataError(f"{path}: transforms/camera, step {step * stride}: {fault}; expected camera-to-world poses in metres")
    joints, confidence = poses[..., :3, 3].transpose(2, 0, 1, 3), confidence.transpose(2, 0, 1)
    confidence = np.where(np.isfinite(joints).all(-1), np.nan_to_num(confidence), 0.0)  # a joint without a place is not known
    pair = HandPair(joints, confidence, np.zeros((len(T_world_cam), 2), bool))
    assert pair.joints.shape[2] == len(JOINTS)
    instruction = _instruction(attributes)
    objects, named = _by_mention(_names(attributes.get("llm_objects", "")), instruction)
    return (
        Clip(
            name=label[0],
            task=label[1],
            instruction=instruction,
            hands=pair,
            T_base_cam=T_world_cam,
            frames=np.arange(len(T_world_cam)),
            rate_hz=RATE / stride,
            objects=objects,
            instances=(0,) * len(objects),
            named=named,
        ),
        K,
    )


def _instruction(attributes: dict[str, str]) -> str:
    """`llm_description`, or the second one where a reversible task says so."""
    second = attributes.get("llm_type") == "reversible" and attributes.get("which_llm_description") == "2"
    return attributes.get("llm_description2" if second else "llm_description", "")


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return ", ".join(map(_text, value)) if isinstance(value, np.ndarray) and value.ndim else str(value)


def _names(text: str) -> list[str]:
    """Names in a list that was written as text, in any brackets and quotes."""
    return [name for part in text.split(",") if (name := re.sub(r"[\[\](){}\"']", "", part).strip())]


def _by_mention(names: list[str], instruction: str) -> tuple[tuple[str, ...], bool]:
    """Names in the order in which an instruction mentions them, then the others; and whether it mentions any."""
    said = {name: found.start() for name in names if (found := re.search(rf"\b{re.escape(name)}(e?s)?\b", instruction, re.IGNORECASE))}
    return (*sorted(said, key=lambda name: (said[name], -len(name))), *(name for name in names if name not in said)), bool(said)


def _h5py() -> Any:
    with suppress(ImportError):
        import h5py

        return h5py
    raise DataError("EgoDex's files are HDF5, which needs h5py; fix: pip install -e '.[egodex]' in the clone of praxia")
