"""report.html: one file that needs nothing else, for a researcher and for a newcomer."""

from pathlib import Path

from praxia import __version__
from praxia.files import write_text
from praxia.report.content import ReportContent
from praxia.report.document import document
from praxia.report.html import tag
from praxia.report.sections.answers import answers
from praxia.report.sections.data import data
from praxia.report.sections.geometry import geometry
from praxia.report.sections.goals import goals
from praxia.report.sections.header import header
from praxia.report.sections.latents import latents
from praxia.report.sections.poses import poses
from praxia.report.sections.provenance import provenance
from praxia.report.sections.result import result
from praxia.report.sections.rollouts import rollouts
from praxia.report.sections.stages import stages
from praxia.report.words import title

_PARTS = {
    "result": "Result",
    "rollouts": "Episodes",
    "training": "Training",
    "spatial": "Questions",
    "poses": "Poses",
    "latents": "Latent",
    "goals": "Target",
    "geometry": "Geometry",
    "data": "Data",
    "licences": "Licences",
}


def write_report(run: Path | str, content: ReportContent) -> Path:
    """Write runs/<name>/report.html and return its path. Learning curves are read from the run folder's stages."""
    run = Path(run)
    path = run / "report.html"
    write_text(path, page(run, content))
    return path


def page(run: Path, content: ReportContent) -> str:
    """The whole page."""
    name = run.resolve().name
    absent = {"poses": not content.poses, "latents": not content.latents, "geometry": not content.geometry, "goals": not content.goals}
    absent |= dict.fromkeys(("result", "rollouts", "spatial"), not content.acts)
    judged = () if absent["result"] else (result(content), rollouts(content))
    said = () if absent["spatial"] else (answers(content),)
    learnt = (stages(run, content), *said, poses(content), latents(content), goals(content), geometry(content))
    body = tag("main", *judged, *learnt, data(content), provenance(content))
    parts = {anchor: words for anchor, words in _PARTS.items() if not absent.get(anchor)}
    links = tag("nav", tag("div", [tag("a", words, href=f"#{anchor}") for anchor, words in parts.items()]), aria_label="Parts of this page")
    footer = tag("footer", f"Written by praxia {__version__}. Everything on this page is inside this one file.")
    return document(f"{title(name)} · praxia report", header(name, content), links, body, footer)
