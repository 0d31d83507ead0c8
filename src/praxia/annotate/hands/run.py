"""Annotate a whole set of clips: all cores, resumable after a kill, the same rows with any number of workers."""

import hashlib
import json
import os
import shutil
from collections import Counter
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from praxia.annotate.hands.annotate_clip import Place, annotate_clip
from praxia.annotate.hands.clouds import DepthSource
from praxia.annotate.hands.detect import Detector
from praxia.annotate.hands.identity import came_from
from praxia.annotate.hands.looks import Looks
from praxia.annotate.hands.settings import HandRules
from praxia.annotate.hands.splits import splits
from praxia.data.cache import one_process
from praxia.data.hand_clips.clip import ClipSet
from praxia.data.hand_clips.tables import CLIPS, DESCRIPTION, MOTIONS, QUESTIONS, SCHEMAS
from praxia.data.making import worker_pool
from praxia.data.progress import progress
from praxia.errors import DataError
from praxia.files import read_json, write_atomic, write_json
from praxia.registry import from_json, to_json

_PARTS = {  # of a plan; the rest is settings
    "count": "clips",
    "content": "clips",
    "weights": "weights of the net",
    "detector_files": "files of the detector",
    "box_table": "boxes",
    "code": "code of the engine",
}


@dataclass(frozen=True)
class Annotation:
    """What was done. clips: how many; rejected: reason -> clips without questions; categories, families: counts by split; labels: distinct vectors
    among the questions of a category, by split (one may be asked about with 1 to 4 pictures); rejections: reason -> how many frames, objects,
    questions and motions were left out; scale: median over clips."""

    root: Path
    clips: int
    rejected: dict[str, int]
    categories: dict[str, dict[str, int]]
    labels: dict[str, dict[str, int]]
    families: dict[str, dict[str, int]]
    rejections: dict[str, int]
    scale: float | None


def annotate_hands(
    clips: Any,
    out: Path,
    rules: HandRules,
    looks: Looks | None = None,
    workers: int = 0,
    licences: dict[str, str] | None = None,
) -> Annotation:
    """Annotate a ClipSet's spec into `out`. looks: recorded depth and masks if None. workers: processes, 0 = all cores, but one where something
    computes on a GPU (each would hold the nets there). licences: of what looked. What is complete is returned as it is; DataError if `out` holds
    something else, or what was made of other clips, with other weights or by other code.
    """
    looks = looks or Looks()
    with one_process(out):
        source: ClipSet = clips.open()
        plan = {"clips": _portable(clips, out), "rules": to_json(rules), **looks.plan, **came_from(source, looks.net, looks.detector, looks.boxes)}
        if (out / DESCRIPTION).is_file():
            found = read_json(out / DESCRIPTION)
            if other := sorted({_PARTS.get(k, "settings") for k, v in json.loads(json.dumps(plan)).items() if found.get(k) != v}):
                raise DataError(f"{out} holds annotations made with other {', other '.join(other)}; choose another --out or remove it")
            return summary(out)
        names, tasks = zip(*(source.label(i) for i in range(len(source))), strict=True)
        split, whole = splits(tasks, rules, names)
        places = [Place(i, split[i], task in whole) for i, task in enumerate(tasks)]
        name = hashlib.blake2b(json.dumps(plan, sort_keys=True).encode(), digest_size=6).hexdigest()
        work = out / f".work-{name}"
        work.mkdir(parents=True, exist_ok=True)
        given = (json.dumps(to_json(clips)), json.dumps(to_json(rules)), json.dumps(to_json(looks)), name)
        _run(work, places, given, workers or (1 if looks.on_gpu else 0))
        for table, schema in SCHEMAS.items():
            rows = [row for place in places for row in read_json(_shard(work, place.number))[table]]
            write_atomic(out / table, lambda file, r=rows, s=schema: pq.write_table(pa.Table.from_pylist(r, s), file))
        facts = {"licence": source.licence, "licences": licences or {}, "held_tasks": sorted(whole)}
        facts |= {"checkpoint": getattr(looks.net, "checkpoint", ""), "device": looks.device, "batch": looks.batch}
        write_json(out / DESCRIPTION, plan | facts)
        shutil.rmtree(work)
    return summary(out)


def summary(out: Path) -> Annotation:
    """Counts of an annotated folder."""
    rows = {table: pq.read_table(out / table).to_pylist() for table in SCHEMAS}
    rejections: Counter[str] = Counter()
    for row in rows[CLIPS]:
        rejections.update(json.loads(row["rejections"]))
    scales = sorted(row["scale"] for row in rows[CLIPS] if row["scale"] is not None)
    return Annotation(
        out,
        len(rows[CLIPS]),
        dict(Counter(row["rejected"].split(":")[0] for row in rows[CLIPS] if row["rejected"])),  # what cannot be read says of which file
        _by_split(rows[QUESTIONS], "category"),
        _by_split(distinct(rows[QUESTIONS]), "category"),
        _by_split(rows[MOTIONS], "family"),
        dict(rejections.most_common()),
        scales[len(scales) // 2] if scales else None,
    )


def distinct(questions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One row of each label: what was measured of a clip at a moment."""
    return list({(q["clip"], q["category"], q["hand"], q["object"], *q["vector"]): q for q in questions}.values())


def _by_split(rows: list[dict[str, Any]], key: str) -> dict[str, dict[str, int]]:
    found: dict[str, Counter[str]] = {}
    for row in rows:
        found.setdefault(row[key], Counter())[row["split"]] += 1
    return {name: dict(counts) for name, counts in found.items()}


def _portable(clips: Any, out: Path) -> dict[str, Any]:
    """The spec with its folder as seen from `out`, so that both can be moved together."""
    spec = to_json(clips)
    return spec | {"root": os.path.relpath(Path(clips.root).resolve(), out.resolve())}


def _shard(work: Path, number: int) -> Path:
    return work / f"{number:06d}.json"


def _run(work: Path, places: list[Place], given: tuple[str, str, str, str], workers: int) -> None:
    left = [place for place in places if not _shard(work, place.number).is_file()]
    with progress("annotating (clips)", len(places)) as advance:
        advance(len(places) - len(left))
        if workers == 1:
            for place in left:
                _work(work, place, *given)
                advance(1)
            return
        with worker_pool(workers) as pool:
            futures = [pool.submit(_work, work, place, *given) for place in left]
            try:
                for future in as_completed(futures):
                    future.result()
                    advance(1)
            except BrokenProcessPool as error:
                raise DataError("a worker process died (out of memory?); run again to resume, with fewer workers") from error
            finally:
                pool.shutdown(wait=True, cancel_futures=True)


# What runs in a worker process.


@lru_cache(maxsize=1)
def _tools(clips: str, looks: str, plan: str) -> tuple[ClipSet, DepthSource, Detector | None]:
    """plan: name of what the files held when it was made: a folder may hold others by now."""
    return from_json(json.loads(clips)).open(), *from_json(json.loads(looks)).build()


def _work(work: Path, place: Place, clips: str, rules: str, looks: str, plan: str) -> None:
    source, depth, detector = _tools(clips, looks, plan)
    write_json(_shard(work, place.number), annotate_clip(source, place, depth, detector, from_json(json.loads(rules))))
