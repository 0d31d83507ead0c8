"""Annotate a whole set of clips: all cores, resumable after a kill, the same rows with any number of workers."""

import hashlib
import json
import os
import shutil
from collections import Counter
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
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
from praxia.data.lerobot.meta import read_parquet
from praxia.data.making import worker_pool
from praxia.data.progress import progress
from praxia.errors import DataError
from praxia.files import read_json, write_atomic, write_json
from praxia.registry import from_json, to_json

LABEL = ("clip", "category", "hand", "object", "vector")  # what was measured of a clip at a moment, with however many pictures it is asked about
_GATHERED = 256  # clips whose rows are written together
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
        for table in SCHEMAS:
            write_atomic(out / table, partial(_gather, work, len(places), table))
        facts = {"licence": source.licence, "licences": licences or {}, "held_tasks": sorted(whole)}
        facts |= {"checkpoint": getattr(looks.net, "checkpoint", ""), "device": looks.device, "batch": looks.batch}
        write_json(out / DESCRIPTION, plan | facts)
        shutil.rmtree(work)
    return summary(out)


def summary(out: Path) -> Annotation:
    """Counts of an annotated folder."""
    clips = read_parquet(out / CLIPS, ["scale", "rejected", "rejections"])
    rejections: Counter[str] = Counter()
    for text in clips["rejections"].to_pylist():
        rejections.update(json.loads(text))
    scales = np.sort(clips["scale"].drop_null().to_numpy())
    return Annotation(
        out,
        clips.num_rows,
        dict(Counter(reason.split(":")[0] for reason in clips["rejected"].to_pylist() if reason)),  # what cannot be read says of which file
        _by_split(out / QUESTIONS, "category"),
        _by_split(out / QUESTIONS, "category", LABEL),
        _by_split(out / MOTIONS, "family"),
        dict(rejections.most_common()),
        float(scales[len(scales) // 2]) if len(scales) else None,
    )


def _by_split(path: Path, key: str, distinct: tuple[str, ...] = ()) -> dict[str, dict[str, int]]:
    """Rows by kind and split; distinct: columns that rows which count once have in common."""
    found: dict[str, Counter[str]] = {}
    met: set[tuple[Any, ...]] = set()
    for batch in pq.ParquetFile(path).iter_batches(columns=list(dict.fromkeys((key, "split", *distinct)))):
        for row in batch.to_pylist():
            label = tuple(tuple(row[name]) if isinstance(row[name], list) else row[name] for name in distinct)
            if not distinct or label not in met:
                met.add(label)
                found.setdefault(row[key], Counter())[row["split"]] += 1
    return {name: dict(counts) for name, counts in found.items()}


def _gather(work: Path, clips: int, table: str, file: BinaryIO) -> None:
    """Write a table from the shards of all clips, some at a time: together they need not fit into memory."""
    with pq.ParquetWriter(file, SCHEMAS[table]) as writer:
        for start in range(0, clips, _GATHERED):
            rows = [row for number in range(start, min(start + _GATHERED, clips)) for row in read_json(_shard(work, number))[table]]
            writer.write_table(pa.Table.from_pylist(rows, SCHEMAS[table]))


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
