"""An answer of poses read back: which tuples it names in which view, with their numbers and how sure the model was."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from praxia.tokens.pose_vocabulary import PoseTokens

_OPEN = re.compile(r"<image(\d+)>")


@dataclass(frozen=True)
class SaidPose:
    """One tuple. view: number of its section (0 without delimiters); name: what it is called; numbers: as `PoseTokens.numbers`, one row a kind
    (no row of a kind that the tuple lacks); certainty: geometric mean of its tokens' probabilities, 0 to 1."""

    view: int
    name: str
    numbers: dict[str, np.ndarray]
    certainty: float


def read_answer(ids: Sequence[int], log_probs: Sequence[float], tokenizer: Any, vocabulary: PoseTokens) -> list[SaidPose]:
    """All complete tuples of one answer, in order; what is not one (delimiters, `<no_object>`, an unfinished end) is passed over."""
    said: list[SaidPose] = []
    view, begun, text = 0, 0, ""
    for place, token in enumerate(ids):
        text += tokenizer.decode([token], skip_special_tokens=False)
        if opened := _OPEN.search(text):
            view, begun, text = int(opened[1]), place + 1, ""
        elif text.rstrip().endswith(";"):
            whole = tokenizer.decode(list(ids[begun : place + 1]), skip_special_tokens=False)
            certainty = float(np.exp(np.mean(log_probs[begun : place + 1])))
            said.append(SaidPose(view, whole.split("<")[0].strip(), vocabulary.numbers(whole), certainty))
            begun, text = place + 1, ""
    return said
