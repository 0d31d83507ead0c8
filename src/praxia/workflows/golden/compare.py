"""Reference files and deviations from them. A tensor nobody asked for is an error: nothing passes because it was overlooked."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Concatenate, ParamSpec

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from praxia.errors import ConfigError, DataError, PraxiaError
from praxia.files import read_json
from praxia.models.published_config import section


@dataclass(frozen=True)
class Tolerance:
    """|ours - theirs| <= absolute + relative * |theirs|, and of_largest times the largest |theirs| where a reference is judged as a whole."""

    absolute: float = 0.0
    relative: float = 0.0
    of_largest: float = 0.0


EXACT = Tolerance()
P = ParamSpec("P")


@dataclass(frozen=True)
class Deviation:
    """Of one tensor. largest: |ours - theirs|; share: of the tolerance, above 1 fails; note: what is wrong beside numbers."""

    case: str
    tensor: str
    largest: float
    share: float
    note: str = ""

    @property
    def fits(self) -> bool:
        """Within the tolerance (NaN is not)."""
        return self.share <= 1


def deviation(case: str, name: str, ours: Tensor, theirs: Tensor, tolerance: Tolerance) -> Deviation:
    """Compare two tensors. What is not finite must be the same on both sides."""
    if ours.shape != theirs.shape:
        return Deviation(case, name, torch.inf, torch.inf, f"shape {tuple(ours.shape)}, expected {tuple(theirs.shape)}")
    a, b = ours.detach().cpu().double(), theirs.double()
    same, finite = (a == b) | (a.isnan() & b.isnan()), a.isfinite() & b.isfinite()
    gap = torch.where(same, 0.0, torch.where(finite, (a - b).abs(), torch.inf))
    size = b.abs().nan_to_num(0, 0, 0)
    allowed = tolerance.absolute + tolerance.relative * size + tolerance.of_largest * size.max()
    share = torch.where(same, 0.0, gap / allowed)
    return Deviation(case, name, float(gap.max()), float(share.max()))


class GoldenFile:
    """Tensors of one reference file, and which of them were asked for."""

    def __init__(self, folder: Path, name: str):
        self.case, self.path = Path(name).stem, folder / name
        if not self.path.is_file():
            raise DataError(f"{folder} has no {name}, which a reference folder of this kind holds; copy it from where the folder was made")
        try:
            self._tensors = load_file(self.path)
        except (SafetensorError, OSError) as error:
            raise DataError(f"{self.path} cannot be read: {error}; copy it again") from error
        self._asked: set[str] = set()

    def __getitem__(self, name: str) -> Tensor:
        if name not in self._tensors:
            raise DataError(f"{self.path} has no tensor {name!r}; copy the file again")
        self._asked.add(name)
        return self._tensors[name]

    def __contains__(self, name: str) -> bool:
        return name in self._tensors

    def get(self, name: str) -> Tensor | None:
        """The tensor, or None."""
        self._asked.add(name)
        return self._tensors.get(name)

    def matching(self, pattern: str) -> Iterator[re.Match[str]]:
        """Names that fit a pattern as a whole, in order."""
        return (m for m in (re.fullmatch(pattern, name) for name in sorted(self._tensors)) if m)

    def one(self, pattern: str) -> re.Match[str]:
        """The one name that fits. Raises DataError."""
        found = list(self.matching(pattern))
        if len(found) != 1:
            raise DataError(f"{self.path} has {len(found)} tensors like {pattern!r}, expected one; copy the file again")
        return found[0]

    def compare(self, name: str, ours: Tensor, tolerance: Tolerance) -> Deviation:
        """Our tensor against the one of that name."""
        return deviation(self.case, name, ours, self[name], tolerance)

    def compare_all(self, ours: dict[str, Tensor], tolerance: Tolerance) -> Iterator[Deviation]:
        """Our tensors against those of the same names, which must be there."""
        return (self.compare(name, tensor, tolerance) for name, tensor in ours.items())

    def compare_known(self, ours: dict[str, Tensor], tolerance: Tolerance) -> Iterator[Deviation]:
        """Those of our tensors that the file has."""
        return (self.compare(name, tensor, tolerance) for name, tensor in ours.items() if name in self)

    def pass_over(self, pattern: str) -> None:
        """Say of tensors that they are known and not compared."""
        self._asked.update(m.string for m in self.matching(pattern))

    def close(self) -> None:
        """DataError if a tensor was neither read nor compared."""
        if rest := sorted(self._tensors.keys() - self._asked):
            raise DataError(f"{self.path} holds tensors that nothing here explains: {', '.join(rest[:8])}{' ...' if len(rest) > 8 else ''}")


@contextmanager
def blamed_on(what: Path) -> Iterator[None]:
    """Whatever goes wrong inside becomes a DataError that names a file or folder: damaged sizes and tensors fail anywhere in a network."""
    try:
        yield
    except ConfigError as error:
        raise DataError(f"{what}: {error}") from error
    except PraxiaError:
        raise
    except KeyError as error:
        raise DataError(f"{what} has no entry {error}; copy it again") from error
    except Exception as error:
        raise DataError(f"{what} cannot be used ({type(error).__name__}: {' '.join(str(error).split())}); copy it again") from error


def checked(
    folder: Path, name: str, check: Callable[Concatenate[GoldenFile, P], Iterator[Deviation]], *args: P.args, **kwargs: P.kwargs
) -> Iterator[Deviation]:
    """What `check` says of one reference file, all of which it must ask for."""
    with blamed_on(folder / name):
        file = GoldenFile(folder, name)
        yield from check(file, *args, **kwargs)
        file.close()


def read_config(folder: Path, name: str) -> dict[str, Any]:
    """A JSON file of the folder: names and values. Raises DataError."""
    try:
        config = read_json(folder / name)
    except (OSError, ValueError, RecursionError) as error:
        raise DataError(f"{folder}: {name} cannot be read ({error}); a reference folder describes its sizes there") from error
    if not isinstance(config, dict):
        raise DataError(f"{folder / name} holds a {type(config).__name__}, expected an object of names and values; copy it again")
    return config


def file_name(where: str, config: Any, name: str, default: str | None = None) -> str:
    """A file of the folder that a configuration names, or the default where it names none. Raises ConfigError."""
    if not isinstance(config, dict):
        raise ConfigError(f"{where} is {config!r}; expected names and values")
    found = config.get(name, default)
    if not isinstance(found, str) or not found:
        raise ConfigError(f"{where}.{name} is {found!r}; expected the name of a file in the folder")
    return found


def published_shapes(config: dict[str, Any], name: str) -> dict[str, tuple[int, ...]]:
    """Shapes of a published state dict: `name` of its file, tensor name -> [shape, type]. Raises ConfigError."""
    shapes = {}
    for tensor, entry in section(config, name).items():
        shape = entry[0] if isinstance(entry, list) and len(entry) == 2 else None
        if not isinstance(shape, list) or not all(isinstance(side, int) for side in shape):
            raise ConfigError(f"{name}.{tensor} is {entry!r}; expected [shape, type]")
        shapes[tensor] = tuple(shape)
    return shapes


def names_fit(case: str, ours: dict[str, Tensor], shapes: dict[str, tuple[int, ...]]) -> Deviation:
    """Names and shapes of a published state dict against ours."""
    other = [name for name, tensor in ours.items() if shapes.get(name) != tuple(tensor.shape)] + [name for name in shapes if name not in ours]
    note = f"not in both, or of another shape: {', '.join(sorted(other)[:5])}" if other else ""
    return Deviation(case, f"{len(shapes)} names and shapes", float(len(other)), torch.inf if other else 0.0, note)


def no_stray_files(folder: Path, used: set[str]) -> None:
    """DataError if the folder holds tensors in a file that its configuration does not name."""
    if stray := sorted({p.name for p in folder.glob("*.safetensors")} - used):
        raise DataError(f"{folder} holds files that nothing here explains: {', '.join(stray)}; name them in the configuration, or take them away")
