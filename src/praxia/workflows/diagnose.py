"""Checks of a machine: hardware, GL, packages, space. Each gives what was found and the exact fix."""

import os
import re
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image

import praxia.worlds.libero
from praxia.cores import usable_cores
from praxia.data.cache import cache_folder
from praxia.errors import CheckpointError, ConfigError, PraxiaError
from praxia.models.checkpoint_file import found_here
from praxia.models.geometry_nets.geometry_net import pretrained
from praxia.models.precision import multiplies_bf16
from praxia.policy.net_catalogue import PUBLIC, net_files, net_licences, net_spec, public_net
from praxia.specs.licences import LIBERO_OBJECTS, commercial_use
from praxia.worlds.libero import Libero
from praxia.worlds.libero.environment import DECIDING, MAKE
from praxia.worlds.libero.environment import python as libero_python
from praxia.worlds.world import Episode


@dataclass(frozen=True)
class Check:
    """One finding. status: ok, missing (something will not work), note (slower or optional)."""

    name: str
    status: Literal["ok", "missing", "note"]
    found: str
    fix: str = ""


def diagnose() -> list[Check]:
    """All checks, in the order a person would read them."""
    checks: list[Callable[[], Check]] = [_cpu, _gpu, _speed, _gl, _metaworld, _video, _space]
    return [check() for check in checks]


def net_checks(name: str, checkpoint: str = "") -> list[Check]:
    """What a geometry net is: size, licence and what that permits, whether its weights can be read here. Nothing of it is allocated."""
    spec, named = net_spec(name, checkpoint), public_net(name)
    with torch.device("meta"):
        net = spec.build()
    parameters = sum(p.numel() for p in net.parameters())
    lengths = "metres" if net.metric else "lengths up to a scale"
    return [
        Check("net", "ok", f"{type(spec).__name__}, {parameters / 1e6:,.1f} M parameters, {4 * parameters / 1e9:.2f} GB in fp32, {lengths}"),
        Check("features", "ok", f"{net.width} channels, pictures of {net.image_spec.size} px ({net.image_spec.fit})"),
        *(_licence(what, licence, spec) for what, licence in net_licences(spec).items()),
        _weights(spec, f" ({named.source})" if named and not checkpoint else ""),
    ]


# What init state 0 of libero_object's first task begins with here: state, and the head picture as 32 x 32 means (pins of worlds/libero).
_FIRST_STATE = (-0.15255, -0.00628, 0.24845, 3.14057, -0.00155, -0.09140, 0.03872, -0.03872)
_FIRST_FRAME = Path(str(praxia.worlds.libero.__file__)).with_name("first_frame.png")


def _as_known(world: Libero) -> Check:
    """Whether the episode that was just reset begins as everywhere: mirrored pictures differ by 18 grey levels, turned ones by 51."""
    with Image.open(_FIRST_FRAME) as known:
        picture = np.asarray(Image.fromarray(world.render()[0].image).resize(known.size, Image.Resampling.BOX), float)
        off = float(np.abs(picture - np.asarray(known)).mean())
    away = float(np.abs(world.state() - _FIRST_STATE).max())
    said = f"state within {away:.1g}, head picture {off:.1f} grey levels from what is known of init state 0"
    fine = away < 1e-3 and off < 4
    return Check("first frame", "ok" if fine else "missing", said, "" if fine else f"episodes are not those of others; remake: {MAKE}")


def libero_checks() -> list[Check]:
    """Whether the real LIBERO runs here: its environment, versions, asset packages, and one episode's reset, step and picture."""
    try:
        found = libero_python()
    except ConfigError as error:
        said, _, fix = str(error).partition("; fix: ")
        return [Check("LIBERO", "missing", said, fix)]
    checks = [Check("LIBERO", "ok", str(found))]
    checks += [Check(f"licence of {what}", "note", terms) for what, terms in LIBERO_OBJECTS.items()]
    world = Libero("libero_object", size=128)
    try:
        start = time.perf_counter()
        world.reset(Episode(world.tasks()[0], 0))
        checks.append(Check("versions", "ok", ", ".join(f"{k} {v}" for k, v in world.fingerprint().items() if k in (*DECIDING, "numpy"))))
        checks.append(Check("first reset", "ok", f"{time.perf_counter() - start:.1f} s, with loading"))
        checks.append(_as_known(world))
        start = time.perf_counter()
        for _ in range(5):
            world.step(np.zeros(7))
        checks.append(Check("physics", "ok", f"{(time.perf_counter() - start) / 5 * 1e3:.0f} ms a step"))
        checks.append(_closes(world))
        world.render()
        start = time.perf_counter()
        world.render()
        checks.append(
            Check("rendering", "ok", f"{os.environ.get('MUJOCO_GL', 'egl')}, {(time.perf_counter() - start) * 1e3:.0f} ms for two 128 px views")
        )
    except PraxiaError as error:  # another version, a missing asset package, no GL
        said, _, fix = str(error).partition("; fix: ")
        gl = (
            "apt-get install -y libegl1 libgl1 libgl1-mesa-dri, or MUJOCO_GL=osmesa with libosmesa6"
            if re.search(r"EGL|OSMesa|OpenGL|GLX", f"{said}{error.__cause__}")
            else MAKE
        )
        checks.append(Check("an episode", "missing", said.splitlines()[0], fix.splitlines()[0] if fix.startswith("scripts") else gl))
    finally:
        world.close()
    return checks


def _closes(world: Libero) -> Check:
    """Whether +1 closes the gripper, as everything here takes it."""
    wide = world.now.opening
    for _ in range(5):
        world.step(np.array([0, 0, 0, 0, 0, 0, 1.0]))
    moved = 1e3 * (world.now.opening - wide)
    return Check(
        "gripper", "ok" if moved < -10 else "missing", f"{moved:+.0f} mm in five steps of +1, which is to close it", "" if moved < -10 else MAKE
    )


def _licence(what: str, licence: str, spec: Any) -> Check:
    """What a licence that comes with a net permits."""
    public = next((net for net in PUBLIC if net.spec.checkpoint == spec.checkpoint), None)
    permitted = commercial_use(licence)
    words = {True: "commercial use permitted", False: "not for commercial use", None: "nobody has looked up what it permits"}
    assumed = " (that of the named net; the file itself says nothing)" if public is None and not Path(spec.checkpoint).is_dir() else ""
    instead = f"for commercial work: {public.instead}" if public and permitted is not True else ""
    uses = public.uses if public else words[permitted]
    return Check(f"licence of {what}", "ok" if permitted else "note", f"{licence}: {uses}{assumed}", instead)


def _weights(spec: Any, source: str) -> Check:
    """Whether a net's weights are on this machine and fit; nothing is fetched."""
    if found_here(spec.checkpoint, net_files(spec)) is None:
        fix = "name a file or folder with --checkpoint" + (", or let the first use fetch them" if "/" in spec.checkpoint else "")
        return Check("weights", "missing", f"{spec.checkpoint}{source} is not on this machine", fix)
    try:
        pretrained(spec)
    except (CheckpointError, ConfigError) as error:
        return Check("weights", "missing", str(error).splitlines()[0], "fetch them again, or name another file with --checkpoint")
    return Check("weights", "ok", f"{spec.checkpoint}: read, every tensor in its place")


def _cpu() -> Check:
    cores = usable_cores()
    bf16 = "bf16 in hardware" if multiplies_bf16(torch.device("cpu")) else "no bf16 in hardware: training here computes in fp32"
    return Check("processor", "ok", f"{cores} cores, {bf16}")


def _gpu() -> Check:
    if not torch.cuda.is_available():
        return Check("accelerator", "note", "none; `tiny` presets run on the processor, `paper` presets need a GPU")
    memory = torch.cuda.get_device_properties(0).total_memory / 2**30
    return Check("accelerator", "ok", f"{torch.cuda.get_device_name(0)}, {memory:.0f} GiB")


def _speed() -> Check:
    dtype = torch.bfloat16 if multiplies_bf16(torch.device("cpu")) else torch.float32
    a, b = (torch.randn(1024, 1024, dtype=dtype) for _ in range(2))
    best = 0.0
    for _ in range(5):
        start = time.perf_counter()
        _ = a @ b
        best = max(best, 2 * 1024**3 / (time.perf_counter() - start) / 1e9)
    return Check("matrix products", "ok", f"{best:.0f} GFLOP/s in {str(dtype).split('.')[-1]} on {torch.get_num_threads()} threads")


def _gl() -> Check:
    name = os.environ.get("MUJOCO_GL", "egl")
    try:
        from praxia.worlds.tabletop import Tabletop

        world = Tabletop(size=64)
        try:
            world.reset(Episode("reach", 0))
            world.render()
            start = time.perf_counter()
            for _ in range(5):
                world.render()
            return Check("headless rendering", "ok", f"{name}, {(time.perf_counter() - start) / 5 * 1e3:.1f} ms for two 64 px views")
        finally:
            world.close()
    except Exception as error:  # any GL fault must end as a line of this table
        fix = "apt-get install -y libegl1 libgl1 libgl1-mesa-dri, or MUJOCO_GL=osmesa with libosmesa6"
        return Check("headless rendering", "missing", f"{name}: {str(error).splitlines()[0]}", fix)


def _metaworld() -> Check:
    try:
        return Check("Meta-World", "ok", version("metaworld"))
    except PackageNotFoundError:
        return Check("Meta-World", "note", "not installed", "pip install -e '.[metaworld]' in the clone of praxia")


def _video() -> Check:
    import av

    found = {name: name in av.codecs_available for name in ("libx264", "h264", "png")}
    missing = [name for name, there in found.items() if not there]
    if missing:
        return Check("video", "missing", f"PyAV {av.__version__} lacks {', '.join(missing)}", "pip install --upgrade --force-reinstall av")
    return Check("video", "ok", f"PyAV {av.__version__}")


def _space() -> Check:
    folder = cache_folder("demonstrations")
    free = min(shutil.disk_usage(p).free for p in (folder, Path.cwd())) / 1e9
    if free < 5:
        return Check("disk", "missing", f"{free:.1f} GB free", f"free 5 GB, or move the cache from {folder.parent} with XDG_CACHE_HOME")
    return Check("disk", "ok", f"{free:.0f} GB free; cache in {folder.parent}")
