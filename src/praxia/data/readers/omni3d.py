"""Omni3D (arXiv 2207.10660): 3-D boxes in single pictures, one JSON a dataset and split. Unverified on real files."""

import json
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from praxia.data.readers.posed_pictures import LEAST_VISIBILITY, MOST_TRUNCATION, PosedPicture, PosedPictures, reading
from praxia.data.source import spread
from praxia.errors import ConfigError, DataError
from praxia.geometry.boxes import Boxes, corners
from praxia.geometry.scene import ObjectTruth
from praxia.geometry.se3 import pose
from praxia.registry import register

_IGNORED = ("dontcare", "ignore", "void")
_MOST_DEPTH_ERROR = 0.5  # m, between the depth picture and the rendered object
_REBUILT = 0.001  # m: recorded corners against those of centre, sides and rotation
_CHECKED = 200  # annotations whose corners are rebuilt


@register("data/omni3d")
@dataclass(frozen=True)
class Omni3D:
    """annotations: JSON file(s), e.g. `SUNRGBD_train.json`. root: folder that their file paths start from.

    A name that occurs in a file is labelled wherever it is seen in that file's pictures (so `ObjectPoses.negatives` may ask for it elsewhere).

    depth: folder with 16-bit depth pictures of the same names (as .png), in `depth_unit` metres a count, where there are any; empty = none.
    exhaustive: whether the files annotate all things of their names; Objectron and SUN RGB-D do not, so that a box nobody annotated is not wrong.
    side: longer side of the pictures. licence: the JSON files are CC BY-NC 4.0, each set of pictures has its own terms.
    """

    annotations: tuple[str, ...]
    root: str
    depth: str = ""
    depth_unit: float = 0.001
    exhaustive: bool = True
    side: int = 640
    licence: str = "CC-BY-NC-4.0"

    def open(self) -> PosedPictures:
        """All pictures with at least one usable box. Raises DataError for files that do not say what the format says, ConfigError without files, or
        for a depth folder that is not there."""
        if not self.annotations:
            raise ConfigError("Omni3D.annotations is empty; name at least one JSON file, e.g. ('Omni3D/SUNRGBD_train.json',)")
        if self.depth and not Path(self.depth).is_dir():
            raise ConfigError(f"Omni3D.depth is {self.depth!r}, which is no folder; expected one with 16-bit depth pictures, '' = without depth")
        pictures = [picture for path in self.annotations for picture in self._pictures(Path(path))]
        return PosedPictures("+".join(Path(a).stem for a in self.annotations), self.licence, pictures, self.side)

    def _pictures(self, path: Path) -> list[PosedPicture]:
        content = _read(path)
        by_image: dict[int, list[dict]] = defaultdict(list)
        others: dict[int, list[dict]] = defaultdict(list)
        for place, annotation in enumerate(content["annotations"]):
            with reading(f"{path}, annotation {place}"):
                (by_image if usable(annotation) else others)[annotation["image_id"]].append(annotation)
        labelled = tuple(sorted({_name(a) for a in content["annotations"]} - set(_IGNORED)))
        _check_corners([a for some in by_image.values() for a in some], path)
        groups: dict[str, int] = {}
        found = []
        for place, image in enumerate(content["images"]):
            with reading(f"{path}, image {place}"):
                if annotations := by_image.get(image["id"]):
                    found.append(self._picture(image, annotations, others[image["id"]], labelled, groups))
        return found

    def _picture(
        self, image: dict[str, Any], annotations: list[dict], others: list[dict], labelled: tuple[str, ...], groups: dict[str, int]
    ) -> PosedPicture:
        file = Path(image["file_path"])
        depth = Path(self.depth, file).with_suffix(".png") if self.depth else None
        scan = groups.setdefault(str(file.parent / re.sub(r"\d+$", "", file.stem)), len(groups))  # frames of one video stay together
        return PosedPicture(
            Path(self.root, file),
            np.array(image["K"], np.float64).reshape(3, 3),
            tuple(_object(a, number + 1) for number, a in enumerate(annotations)),
            scan,
            depth if depth is not None and depth.is_file() else None,
            self.depth_unit,
            tuple(sorted({_name(a) for a in others})),
            labelled,
            self.exhaustive,
            tuple(_object(a, 0) for a in others if _has_box(a)),
        )

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Files that say what is learnt."""
        return tuple(map(Path, self.annotations))


def usable(annotation: dict[str, Any]) -> bool:
    """Whether a box is trusted and seen well enough to be said: the benchmark's own rules for boxes, Pose-VLA's for visibility. -1 = not known."""
    return (
        annotation["valid3D"]
        and not annotation["behind_camera"]
        and min(annotation["dimensions"]) > 0
        and annotation["category_name"] not in _IGNORED
        and annotation.get("lidar_pts", -1) != 0
        and annotation.get("segmentation_pts", -1) != 0
        and annotation.get("depth_error", -1) <= _MOST_DEPTH_ERROR
        and annotation.get("truncation", -1) <= MOST_TRUNCATION
        and not 0 <= annotation.get("visibility", -1) < LEAST_VISIBILITY
    )


def _has_box(annotation: dict[str, Any]) -> bool:
    """Whether the box of an annotation that is not usable can be believed all the same: it is cut off or hidden."""
    return annotation["valid3D"] and not annotation["behind_camera"] and min(annotation["dimensions"]) > 0 and _name(annotation) not in _IGNORED


def _object(annotation: dict[str, Any], instance: int) -> ObjectTruth:
    box, name = _box(annotation), _name(annotation)
    return ObjectTruth(name, name, "", pose(box.R, box.centre), box.size, instance)


def _name(annotation: dict[str, Any]) -> str:
    return annotation["category_name"].lower().replace("_", " ")


def _box(annotation: dict[str, Any]) -> Boxes:
    """`dimensions` are width, height, length, which lie along the object's z, y and x."""
    width, height, length = annotation["dimensions"]
    return Boxes(np.array(annotation["center_cam"]), np.array(annotation["R_cam"]), np.array([length, height, width]))


def _check_corners(annotations: list[dict[str, Any]], path: Path) -> None:
    """The recorded corners must be those of centre, sides and rotation: another order of sides would turn every box by 90 degrees."""
    for index in spread(len(annotations), _CHECKED) if annotations else ():
        annotation = annotations[index]
        if (recorded := annotation.get("bbox3D_cam")) is None:
            continue
        off = np.abs(corners(_box(annotation)) - np.array(recorded)).max()
        if off > _REBUILT:
            raise DataError(
                f"{path}: annotation {annotation['id']}: bbox3D_cam is {off:.3f} m off the corners of center_cam, dimensions (width, height, length) "
                "and R_cam; expected Omni3D's order: length along the object's x, height along y, width along z"
            )


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}; expected an Omni3D JSON file with images and annotations") from error
    if not isinstance(content, dict) or not {"images", "annotations"} <= content.keys():
        raise DataError(f"{path} has no `images` and `annotations`; expected an Omni3D JSON file such as SUNRGBD_train.json")
    return content
