"""Chat literals: the special tokens and fixed words a family writes around views, prompt and answer."""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from praxia.errors import ConfigError
from praxia.models.backbones.backbone import Backbone, Piece, require_tokens


class Special(str):
    """A part of a chat that is one special token; any other string is text."""


TURN, END, PAD = Special("<|im_start|>"), Special("<|im_end|>"), Special("<|endoftext|>")
ASK_REPLY = (END, "\n", TURN, "assistant\n")


def render(tokenizer, parts: Sequence[str], family: str) -> list[int]:
    """Ids of parts in order: a `Special` is one id (ConfigError if the tokenizer lacks it), any other string is encoded as text.

    Tokenizers cut a text at its special tokens first, so the parts encode as the whole string would.
    """
    ids: list[Any] = []
    for part in parts:
        if isinstance(part, Special):
            index = tokenizer.convert_tokens_to_ids(part)
            if index is None or tokenizer.convert_ids_to_tokens(index) != part:
                require_tokens(tokenizer, (part,), family)
            ids.append(index)
        elif part:
            ids += tokenizer.encode(part, add_special_tokens=False)
    return ids


def turns(texts: Sequence[str], closing: Sequence[str] = ()) -> Iterator[tuple[str, ...]]:
    """Parts of a reply, a question, a reply and so on. closing: what stands behind the end of a reply that is the last."""
    for number, text in enumerate(texts):
        if number % 2:
            yield ("\n", TURN, f"user\n{text.strip()}", *ASK_REPLY)
        else:
            yield (text or " ", END, *(closing if number == len(texts) - 1 else ()))


def dialogue(tokenizer, texts: Sequence[str], closing: Sequence[str], family: str) -> tuple[list[int], list[bool]]:
    """`turns` as ids, and whether each belongs to a reply."""
    rows = [render(tokenizer, parts, family) for parts in turns(texts, closing)]
    return [i for row in rows for i in row], [number % 2 == 0 for number, row in enumerate(rows) for _ in row]


class ChatBackbone(Backbone):
    """A family whose views stand inside a user turn of a chat: `<|im_start|>user\\n` [open view close]... prompt.

    view_open, view_close: literals around each view.
    Groups added by `arrange`: `chat:open`, and `open:ROLE` / `close:ROLE` around `view:ROLE` (in the view's block, hidden with a masked view).
    """

    view_open: tuple[str, ...] = ()
    view_close: tuple[str, ...] = ()
    _literals: dict[str, list[int]] | None = None

    def bind(self, tokenizer) -> None:
        super().bind(tokenizer)
        family = type(self.spec).__name__
        parts = {"chat": (TURN, "user\n"), "open": self.view_open, "close": self.view_close}
        self._literals = {name: render(tokenizer, p, family) for name, p in parts.items()}

    def only_count(self) -> None:
        """As many literals as the public tokenizers make."""
        self._literals = {"chat": [0, 0, 0], "open": [0] * len(self.view_open), "close": [0] * len(self.view_close)}

    def prompt_ids(self, tokenizer, text: str) -> list[int]:
        return render(tokenizer, (text, *ASK_REPLY), type(self.spec).__name__)

    def target_ids(self, tokenizer, text: str) -> list[int]:
        return render(tokenizer, (text, END), type(self.spec).__name__)

    def dialogue_ids(self, tokenizer, texts: Sequence[str]) -> tuple[list[int], list[bool]]:
        return dialogue(tokenizer, texts, (), type(self.spec).__name__)

    def stop_id(self, tokenizer) -> int:
        return render(tokenizer, (END,), type(self.spec).__name__)[0]

    def arrange(self, pieces: Sequence[Piece]) -> list[Piece]:
        if not pieces:
            return []
        first = min(pieces, key=lambda p: p.block)
        everywhere = torch.ones_like(first.valid[:, :1])
        written = self._literals
        if written is None:
            raise ConfigError(
                f"backbone {type(self.spec).__name__} does not know its chat literals yet; call `bind(tokenizer)` once after building the model"
            )
        return [
            self.literal("chat:open", written["chat"], first, everywhere),
            *self.delimited(pieces, lambda _: (written["open"], written["close"])),
        ]
