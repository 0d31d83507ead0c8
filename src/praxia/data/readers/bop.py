"""BOP (arXiv 1808.08319): rigid objects with known models in calibrated pictures; folders of scenes. Unverified on real files."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from praxia.data.readers.posed_pictures import LEAST_VISIBILITY, PosedPicture, PosedPictures, reading
from praxia.errors import DataError
from praxia.geometry.scene import ObjectTruth
from praxia.geometry.se3 import pose
from praxia.registry import register

_MM = 0.001  # the format's lengths are millimetres
_SUFFIXES = (".png", ".jpg", ".tif")


@register("data/bop")
@dataclass(frozen=True)
class Bop:
    """root: a dataset's folder, e.g. `ycbv`. split: folder of scenes in it. names: (object id, what it is called), the others are not listed;
    all objects of these names must be labelled wherever they are seen (LineMOD's test scenes label one object each).

    side: longer side of the pictures. licence: the dataset's own.
    """

    root: str
    split: str
    names: tuple[tuple[int, str], ...]
    side: int = 640
    licence: str = "unknown"

    def open(self) -> PosedPictures:
        """All pictures with at least one named object that is visible enough. Raises DataError for files that do not say what the format says."""
        root = Path(self.root)
        models = {int(key): _model_box(box, root) for key, box in _read(root / "models" / "models_info.json").items()}
        for number, name in self.names:
            if number not in models:
                raise DataError(f"Bop.names calls object {number} {name!r}, but {root / 'models' / 'models_info.json'} has only {sorted(models)}")
        scenes = sorted(path for path in (root / self.split).glob("*") if path.name.isdigit() and (path / "scene_gt.json").is_file())
        if not scenes:
            raise DataError(f"{root / self.split} holds no scene with a scene_gt.json; check Bop.root and Bop.split")
        pictures = [picture for scene in scenes for picture in self._pictures(scene, models)]
        return PosedPictures(f"{root.name}/{self.split}", self.licence, pictures, self.side)

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Files that say what is learnt."""
        return (Path(self.root, "models", "models_info.json"), *sorted(Path(self.root, self.split).glob("*/scene_*.json")))

    def _pictures(self, scene: Path, models: dict[int, tuple[np.ndarray, np.ndarray]]) -> list[PosedPicture]:
        cameras, poses, infos = (_read(scene / f"{name}.json") for name in ("scene_camera", "scene_gt", "scene_gt_info"))
        names, found = dict(self.names), []
        labelled = tuple(sorted(set(names.values())))
        for key, shown in poses.items():
            with reading(f"{scene}, picture {key}: scene_gt.json, scene_gt_info.json or scene_camera.json"):
                objects, hidden = [], []
                for number, (truth, info) in enumerate(zip(shown, infos[key], strict=True)):
                    if (name := names.get(truth["obj_id"])) is not None:
                        seen = info["visib_fract"] >= LEAST_VISIBILITY
                        (objects if seen else hidden).append(_object(name, truth, *models[truth["obj_id"]], number + 1))
                if objects:
                    found.append(_posed(scene, key, cameras[key], tuple(objects), tuple(hidden), labelled))
        return found


def _posed(
    scene: Path, key: str, camera: dict[str, Any], objects: tuple[ObjectTruth, ...], hidden: tuple[ObjectTruth, ...], labelled: tuple[str, ...]
) -> PosedPicture:
    image, depth = _picture(scene, ("rgb", "gray"), key), _picture(scene, ("depth",), key)
    if image is None:
        raise DataError(f"{scene}: picture {key} is listed in scene_gt.json but is neither in rgb/ nor in gray/")
    K, unit = np.array(camera["cam_K"], np.float64).reshape(3, 3), camera.get("depth_scale", 1.0) * _MM
    others = tuple(sorted({o.name for o in hidden}))
    return PosedPicture(image, K, objects, int(scene.name), depth, unit, others, labelled, hidden=hidden)


def _object(name: str, truth: dict[str, Any], centre: np.ndarray, size: np.ndarray, instance: int) -> ObjectTruth:
    """An object with its origin moved from the model's to the middle of the model's box."""
    R, t = np.array(truth["cam_R_m2c"], np.float64).reshape(3, 3), np.array(truth["cam_t_m2c"], np.float64) * _MM
    return ObjectTruth(name, name, "", pose(R, R @ centre + t), size, instance)


def _model_box(info: dict[str, float], root: Path) -> tuple[np.ndarray, np.ndarray]:
    """Centre and sides of a model's box in metres."""
    try:
        low = np.array([info[f"min_{axis}"] for axis in "xyz"]) * _MM
        size = np.array([info[f"size_{axis}"] for axis in "xyz"]) * _MM
    except KeyError as error:
        raise DataError(f"{root / 'models' / 'models_info.json'} lacks {error} of a model; expected min_x .. size_z in millimetres") from error
    return low + size / 2, size


def _picture(scene: Path, folders: tuple[str, ...], key: str) -> Path | None:
    """A scene's picture by its number."""
    paths = (scene / folder / f"{int(key):06d}{suffix}" for folder in folders for suffix in _SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}; expected a file of the BOP format") from error
