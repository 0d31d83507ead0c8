"""Single pictures with posed objects, as a source of samples: what the readers of public formats share."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from praxia.data.sample import Provenance, Sample
from praxia.data.supervision.supervision import Needs
from praxia.errors import DataError
from praxia.geometry.camera import Camera
from praxia.geometry.image_transform import apply_to_view, realise, resize
from praxia.geometry.scene import ObjectTruth, View
from praxia.specs import ActionSpec, CameraSpec, StateSpec

ROLE = "head"
LEAST_VISIBILITY = 0.333  # Pose-VLA's filters of what a dataset says of its objects
MOST_TRUNCATION = 0.33


@dataclass(frozen=True)
class PosedPicture:
    """One picture of a dataset. objects: in the camera's frame. depth: 16-bit picture, `depth_unit` metres a count. group: kept together when
    held-out samples are chosen (a scene). others: names of what is there too, but is not to be listed; hidden: those of it whose pose is known.
    labelled: all names that its dataset labels; exhaustive: whether all things of those names are annotated."""

    path: Path
    K: np.ndarray  # float64 [3, 3]
    objects: tuple[ObjectTruth, ...]
    group: int
    depth: Path | None = None
    depth_unit: float = 0.001
    others: tuple[str, ...] = ()
    labelled: tuple[str, ...] = ()
    exhaustive: bool = True
    hidden: tuple[ObjectTruth, ...] = ()


class PosedPictures:
    """A SampleSource without a robot (`embodiment` is empty): one view, the camera's frame is the base frame, no state and no actions.

    side: pictures are scaled to this longer side and lie in the corner of a square of it, so that pictures of all shapes share a batch.
    """

    embodiment = ""
    action_spec = ActionSpec((), rate_hz=1.0)
    state_spec = StateSpec(())

    def __init__(self, name: str, licence: str, pictures: Sequence[PosedPicture], side: int):
        if not pictures:
            raise DataError(f"dataset {name!r} has no picture with a posed object; check its path and split")
        self.name, self.licence, self._pictures, self._side = name, licence, pictures, side
        self.cameras = (CameraSpec(ROLE, side, side, calibrated=True),)
        depth = {f"depth/{ROLE}"} if all(p.depth for p in pictures) else set()
        self.given = frozenset({f"cameras/{ROLE}"} | depth)
        self.episodes = np.array([p.group for p in pictures])

    def __len__(self) -> int:
        return len(self._pictures)

    def sample(self, index: int, needs: Needs) -> Sample:
        """The picture with its objects. Raises DataError for a picture that cannot be read."""
        picture = self._pictures[index]
        image = _read(picture.path, "RGB")
        depth = None
        if needs.depth and picture.depth is not None:
            depth = (_read(picture.depth, None).astype(np.float64) * picture.depth_unit).astype(np.float32)
            if depth.shape != image.shape[:2]:
                raise DataError(f"{picture.depth}: depth is {depth.shape}, the picture {image.shape[:2]}; depth must be registered to the picture")
        view = View(ROLE, image, Camera(picture.K, np.eye(4)), depth)
        origin = Provenance(self.name, picture.group, index, self.licence)
        return Sample(
            views=(_in_square(view, self._side),),
            objects=picture.objects,
            others=picture.others,
            hidden=picture.hidden,
            labelled=picture.labelled,
            exhaustive=picture.exhaustive,
            provenance=origin,
        )

    def numbers(self) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
        """Nobody acts."""
        return np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32), ()

    def texts(self) -> tuple[str, ...]:
        """No instructions."""
        return ()


@contextmanager
def reading(where: str) -> Iterator[None]:
    """What a record lacks, or holds in another form, is a DataError that names the record."""
    try:
        yield
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{where}: {f'lacks {error}' if isinstance(error, KeyError) else error}; the file is damaged or of another format") from error


def _in_square(view: View, side: int) -> View:
    """The view scaled to a longer side, its pixels in the top left corner of a black square."""
    shape = view.image.shape[:2]
    small = realise(apply_to_view(view, resize(shape, side / max(shape))))
    height, width = small.image.shape[:2]
    image = np.zeros((side, side, 3), np.uint8)
    image[:height, :width] = small.image
    depth = None
    if small.depth is not None:
        depth = np.zeros((side, side), np.float32)
        depth[:height, :width] = small.depth
    return View(view.role, image, small.camera, depth, size=(height, width))


def _read(path: Path, mode: str | None) -> np.ndarray:
    try:
        with Image.open(path) as file:
            return np.asarray(file.convert(mode) if mode else file)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error}; the file is missing or damaged") from error
