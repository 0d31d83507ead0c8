"""Episodes of a finished evaluation, run again with a camera."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from statistics import median

from praxia.evaluate.benchmarks import Benchmark
from praxia.evaluate.evaluate import record_path
from praxia.evaluate.factory import Factory
from praxia.evaluate.records import RecordFile
from praxia.evaluate.rollout import Record
from praxia.files import write_text
from praxia.report.content import Clip
from praxia.report.document import document
from praxia.report.film import film, worth_watching
from praxia.report.html import tag
from praxia.report.sections.rollouts import films

PAGE = "films.html"
_LIMIT = 20_000_000  # bytes of all films


def filmed(judged: Benchmark, policy: Factory, folder: Path) -> Iterator[Clip]:
    """The first success and the first failure of every task, as far as there are any. folder: of the evaluation."""
    with closing(judged.world.build()) as world:
        yield from film(world, policy.build(), judged.plan, _watched(judged, folder), judged.rules)


def write_films(judged: Benchmark, policy: Factory, folder: Path, name: str) -> Path:
    """films.html beside the results; name: of the policy."""
    with closing(judged.world.build()) as world:
        rate = world.action_spec.rate_hz
    watched = _watched(judged, folder)
    lasts = median(record.steps for record in watched) / rate
    heading = tag("header", tag("p", "Films", class_="kicker"), tag("h1", f"{name} on {judged.plan.name}"))
    write_text(folder / PAGE, document(f"{name} · films", heading, tag("main", films(filmed(judged, policy, folder), len(watched), lasts, _LIMIT))))
    return folder / PAGE


def _watched(judged: Benchmark, folder: Path) -> tuple[Record, ...]:
    records = RecordFile(record_path(folder, "normal")).records
    return worth_watching([records[i] for i in range(len(judged.plan.episodes))])
