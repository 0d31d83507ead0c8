"""Films of episodes, limited in total size."""

from collections.abc import Iterable
from statistics import median

from praxia.report.content import Clip, ReportContent
from praxia.report.html import Markup, section, tag
from praxia.report.pictures import data_uri, video_uri
from praxia.report.video import encode_mp4, enlarge
from praxia.report.words import title

_LIMIT = 4_000_000  # bytes of all films of a page
_SPEEDS = ((1.0, "in real time"), (0.5, "at half speed"), (0.25, "at a quarter of real speed"))
_HOLD = 0.8  # seconds the last picture stays, so that the outcome is seen before the film begins again


def rollouts(content: ReportContent, limit: int = _LIMIT) -> Markup:
    """A success and a failure of each task."""
    clips = content.clips
    if not clips:
        return section("rollouts", "Episodes to watch", tag("p", "No episodes were filmed.", class_="empty"))
    return films(clips, len(clips), median(len(clip.frames) / clip.rate_hz for clip in clips), limit)


def films(clips: Iterable[Clip], count: int, lasts: float, limit: int) -> Markup:
    """Episodes side by side, each forgotten once it is written down; from the first that does not fit into `limit` bytes on they are left out.

    count: of the clips; lasts: seconds of half of them.
    """
    speed, words = _speed(lasts)
    figures, used, views = [], 0, ()
    for clip in clips:
        film = encode_mp4(_frames(clip, speed), clip.rate_hz * speed)
        if used + len(film) > limit:
            break
        used, views = used + len(film), clip.views
        figures.append(_figure(clip, film))
    lead = f"Up to one success and one failure of each task, {words}, as the policy saw them."
    if len(views) > 1:
        lead += f" From left to right: {', '.join(views)}."
    left_out = count - len(figures)
    note = tag("p", f"{left_out} films are left out to keep the page small.", class_="note") if left_out else None
    return section("rollouts", "Episodes to watch", tag("p", lead, class_="lead"), tag("div", figures, class_="films"), note)


def _speed(lasts: float) -> tuple[float, str]:
    """Real time if half of the films last two seconds, else slower: one speed for all."""
    return next((choice for choice in _SPEEDS if lasts / choice[0] >= 2), _SPEEDS[-1])


def _frames(clip: Clip, speed: float) -> list:
    frames = [enlarge(frame) for frame in clip.frames]
    return frames + frames[-1:] * round(_HOLD * clip.rate_hz * speed)


def _figure(clip: Clip, film: bytes) -> Markup:
    outcome = tag("b", "✓ success" if clip.success else "✗ failure", class_="yes" if clip.success else "no")
    words = f"{title(clip.task)}: {clip.instruction}, {'success' if clip.success else 'failure'}"
    height, width = clip.frames[0].shape[:2]
    video = tag(
        "video", src=video_uri(film), poster=data_uri(clip.frames[0]), aria_label=words, width=width, height=height,
        autoplay=True, controls=True, loop=True, muted=True, playsinline=True,
    )  # fmt: skip
    named = [title(clip.task)] if title(clip.task) != clip.instruction else []  # LIBERO's tasks are their instructions
    about = [*named, f"{len(clip.frames) / clip.rate_hz:.1f} s", *([clip.perturbation] if clip.perturbation else [])]
    caption = tag("figcaption", outcome, " ", tag("span", ", ".join(about), class_="note"), tag("br"), f"“{clip.instruction}”")
    return tag("figure", video, caption)
