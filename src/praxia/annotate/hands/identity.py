"""What annotations come from besides their settings: the clips' files, the net's weights, the engine's code. Others make other annotations."""

from functools import cache
from pathlib import Path
from typing import Any

import praxia
from praxia.annotate.feature_cache import weights_digest
from praxia.data.cache import content_key
from praxia.data.hand_clips.clip import ClipSet
from praxia.models.geometry_nets.geometry_net import pretrained

_READERS = ("annotated.py", "common_camera.py")  # of what was annotated: they change no row


def engine_files() -> list[Path]:
    """Source files that decide what is written: the engine, the clips, and the geometry and names of hands."""
    root = Path(praxia.__file__).parent
    files = [path for folder in ("annotate/hands", "data/hand_clips") for path in sorted((root / folder).rglob("*.py")) if path.name not in _READERS]
    return [*files, root / "geometry" / "hands.py", root / "specs" / "hands.py"]


@cache
def engine_code() -> str:
    """Hex name of the engine's source."""
    return content_key(engine_files())


def came_from(source: ClipSet, net: Any, detector: str = "", boxes: str = "") -> dict[str, Any]:
    """What is compared before annotations are used again. net: spec of a geometry net, None = recorded depth; detector: folder or public name, whose
    files are then what the name says; boxes: a table of given ones. Raises CheckpointError."""
    weights = "" if net is None else weights_digest(pretrained(net)).hex()
    files = sorted(path for path in Path(detector).expanduser().rglob("*") if path.is_file()) if detector else []
    found = {"detector_files": content_key(files)} if files else {}
    found |= {"box_table": content_key([Path(boxes)])} if boxes else {}
    return {"count": len(source), "content": source.content(), "weights": weights, "code": engine_code()} | found
