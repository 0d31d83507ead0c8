"""LLaVA-style JSON (arXiv 2304.08485): conversations about single pictures, some about none. Unverified on real files.

A file is a list of records with `id`, `image` (a path; absent where the talk is of no picture) and `conversations`: a list of `from` ("human" or
"gpt", in turn) and `value` (a text; `<image>` stands in the first one).
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from PIL import Image

from praxia.data.sample import Provenance, Sample
from praxia.data.supervision.supervision import Needs
from praxia.errors import ConfigError, DataError
from praxia.geometry.scene import View
from praxia.registry import register
from praxia.specs import ActionSpec, CameraSpec, StateSpec
from praxia.tokens.coordinates import Moved, rewritten

ROLE = "head"
_ASKS, _ANSWERS = ("human", "user"), ("gpt", "assistant")
_MARK = "<image>"


@register("data/llava")
@dataclass(frozen=True)
class Llava:
    """annotations: JSON file(s). root: folder that their picture paths start from.

    A sample is a whole conversation, of which every answer is learnt; whole off: every pair of question and answer, without the turns before it.
    Records without a picture are samples without views: the language model learns their answers as it learns the others.
    side: pictures are stretched to this square, as Prismatic shows them; shares of a picture do not change by that.
    coordinates: what points and boxes in the texts are shares of: the `picture`, or the `square` that it is padded to on both sides (said of the
    boxes in LLaVA-1.5's own mix; look at a few pictures before trusting either). Numbers above 1 are left as they are.
    licence: the data set's own; mixes have one for each component.
    """

    annotations: tuple[str, ...]
    root: str
    side: int = 224
    coordinates: Literal["picture", "square"] = "picture"
    whole: bool = True
    licence: str = "unknown"
    roles: ClassVar = (ROLE,)

    def __post_init__(self) -> None:
        if not self.annotations:
            raise ConfigError("Llava.annotations is empty; name at least one JSON file, e.g. ('llava_v1_5_mix665k.json',)")
        if isinstance(self.annotations, str):
            raise ConfigError(f"Llava.annotations is {self.annotations!r}; expected a tuple of files, ({self.annotations!r},)")
        if self.side < 1:
            raise ConfigError(f"Llava.side is {self.side}; expected at least 1 pixel")
        if self.coordinates not in ("picture", "square"):
            raise ConfigError(f"Llava.coordinates is {self.coordinates!r}; expected 'picture' or 'square'")

    def open(self) -> "Conversations":
        """All conversations. Raises DataError for files that are no list of records, or hold no picture at all."""
        return Conversations(self)

    @property
    def name(self) -> str:
        """Of the data set, after its files."""
        return "+".join(Path(file).stem for file in self.annotations)

    @property
    def inputs(self) -> tuple[Path, ...]:
        """Files that say what is learnt."""
        return tuple(map(Path, self.annotations))


@dataclass(frozen=True)
class Talk:
    """Question, answer, question, answer and so on, or what is wrong with the record."""

    record: int  # number over all files: the "episode"
    picture: str = ""
    texts: tuple[str, ...] = ()
    fault: str = ""


class Conversations:
    """A SampleSource without a robot: one picture without a camera, or none, questions and answers; no state and no actions.

    A bad record stands for one sample that raises its DataError, so that training counts and names it.
    """

    embodiment = ""
    action_spec = ActionSpec((), rate_hz=1.0)
    state_spec = StateSpec(())
    given: frozenset[str] = frozenset()

    def __init__(self, spec: Llava):
        self._spec, self.name, self.licence = spec, spec.name, spec.licence
        self.cameras = (CameraSpec(ROLE, spec.side, spec.side, calibrated=False),)
        self._talks: list[Talk] = []
        number = 0
        for path in map(Path, spec.annotations):
            for place, record in enumerate(_read(path)):
                self._talks += _talks(record, number, f"{path}, record {place}", spec.whole)
                number += 1
        if not any(talk.picture for talk in self._talks):
            first = next((talk.fault for talk in self._talks if talk.fault), "no record has an `image`")
            raise DataError(f"dataset {self.name!r} has no question about a picture; {first}; fix: name a file with some in Llava.annotations")
        self.episodes = np.array([talk.record for talk in self._talks])

    def __len__(self) -> int:
        return len(self._talks)

    def sample(self, index: int, needs: Needs) -> Sample:
        """The picture, if there is one, with question and answer. Raises DataError for a bad record or a picture that cannot be read."""
        talk = self._talks[index]
        if talk.fault:
            raise DataError(talk.fault)
        origin = Provenance(self.name, talk.record, index, self.licence)
        if not talk.picture:
            return Sample(views=(), question=talk.texts[0], answer=talk.texts[1], later=talk.texts[2:], provenance=origin)
        path = Path(self._spec.root, talk.picture)
        try:
            with Image.open(path) as file:
                shape = (file.height, file.width)
                image = np.asarray(file.convert("RGB").resize((self._spec.side, self._spec.side), Image.Resampling.BICUBIC))
        except (OSError, ValueError, Image.DecompressionBombError) as error:
            raise DataError(f"cannot read {path}: {error}; the file is missing or damaged") from error
        texts = [text for text in (self._over_picture(text, shape) for text in talk.texts) if text is not None]
        if len(texts) < len(talk.texts):  # a place on the bars: a sample with nothing to say, as one whose place a crop has cut off
            texts = ["", ""]
        return Sample(views=(View(ROLE, image),), question=texts[0], answer=texts[1], later=tuple(texts[2:]), provenance=origin)

    def numbers(self) -> tuple[np.ndarray, np.ndarray, tuple[int, ...]]:
        """Nobody acts."""
        return np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32), ()

    def texts(self) -> tuple[str, ...]:
        """No instructions."""
        return ()

    def _over_picture(self, text: str, shape: tuple[int, int]) -> str | None:
        """The text with its shares over the picture itself; None where one lies on the padding."""
        if self._spec.coordinates == "picture":
            return text
        side = max(shape)
        bars = np.array([side - shape[1], side - shape[0]]) / 2
        return rewritten(text, Moved(np.column_stack([np.eye(2), -bars]), (side, side), shape))


def _talks(record: Any, number: int, where: str, whole: bool) -> Iterator[Talk]:
    """The conversation of a record, or its pairs; a faulty one for a record that is not what the format says."""
    try:
        if not isinstance(record, dict):
            raise ValueError(f"it is {record!r}, expected a record with `image` and `conversations`")
        picture = record.get("image") or ""
        if not isinstance(picture, str):
            raise ValueError(f"`image` is {picture!r}, expected one path")
        turns = record["conversations"]
        if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
            raise ValueError("`conversations` is no list of turns, each with `from` and `value`")
        if odd := [turn for turn in turns if not isinstance(turn["value"], str)]:
            raise ValueError(f"`value` is {odd[0]['value']!r}, expected a text")
        if not picture and any(_MARK in turn["value"] for turn in turns):
            raise ValueError(f"a text holds {_MARK} but there is no picture; name one path by the key `image`")
        said = [(turn["from"], turn["value"].replace(_MARK, "").strip()) for turn in turns]
        if said and said[0][0] == "system":
            said = said[1:]
        if not said or len(said) % 2:
            raise ValueError(f"`conversations` has {len(said)} turns, expected pairs of question and answer")
        texts: list[str] = []
        for (asker, question), (answerer, answer) in zip(said[::2], said[1::2], strict=True):
            if asker not in _ASKS or answerer not in _ANSWERS:
                raise ValueError(f"`conversations` goes from {asker!r} to {answerer!r}, expected human to gpt")
            if not question or not answer:
                raise ValueError("a question or an answer is empty")
            texts += (question, answer)
        yield from (Talk(number, picture, tuple(some)) for some in ([texts] if whole else zip(texts[::2], texts[1::2], strict=True)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        name = record.get("id", "") if isinstance(record, dict) else ""
        said_of = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        yield Talk(number, fault=f"{where}{f' (id {name})' if name != '' else ''}: {said_of}")


def _read(path: Path) -> list[Any]:
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise DataError(f"cannot read {path}: {error}; expected a JSON list of conversations") from error
    if not isinstance(content, list):
        raise DataError(f"{path} holds a {type(content).__name__}; expected a JSON list of records with `image` and `conversations`")
    return content
