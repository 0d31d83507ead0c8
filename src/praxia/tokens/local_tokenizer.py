"""A small local tokenizer: whole words for a given list, bytes for everything else. No file, no network, no training.

It is a byte-level BPE whose merges spell each word of the list from its leading space on, so a known word is one token and any other text
is still encoded without loss.
"""

from dataclasses import dataclass
from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, pre_tokenizers
from tokenizers.models import BPE
from transformers import PreTrainedTokenizerFast

from praxia.registry import register

# Which special tokens begin, end, pad and stand for the unknown; the second names are Qwen's.
ROLES = {"bos": ("<bos>",), "eos": ("<eos>", "<|im_end|>"), "pad": ("<pad>", "<|endoftext|>"), "unk": ("<unk>",)}


@register("tokenizer/local")
@dataclass(frozen=True)
class LocalTokenizer:
    """Words that shall be one token each."""

    words: tuple[str, ...]

    def build(self, specials: tuple[str, ...]) -> PreTrainedTokenizerFast:
        """The tokenizer with a family's special tokens added first (their ids are 0, 1, 2, ...)."""
        return local_tokenizer(self.words, specials)


@register("tokenizer/public")
@dataclass(frozen=True)
class PublicTokenizer:
    """A published tokenizer by name or folder."""

    name: str

    def build(self, specials: tuple[str, ...]) -> Any:
        """The library's tokenizer; special tokens it lacks are added."""
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(self.name)
        tokenizer.add_tokens([t for t in specials if t not in tokenizer.get_vocab()], special_tokens=True)
        return tokenizer


def local_tokenizer(words: tuple[str, ...], specials: tuple[str, ...]) -> PreTrainedTokenizerFast:
    """Build the tokenizer. specials: special tokens in id order; those of ROLES take their roles if present."""
    vocabulary = {token: i for i, token in enumerate(specials)}
    for char in sorted(pre_tokenizers.ByteLevel.alphabet()):
        vocabulary[char] = len(vocabulary)
    merges: list[tuple[str, str]] = []
    splitter = pre_tokenizers.ByteLevel(add_prefix_space=True)
    pieces = sorted({piece for word in words for piece, _ in splitter.pre_tokenize_str(word)})
    for piece in pieces:
        for i in range(1, len(piece)):
            if piece[: i + 1] not in vocabulary:
                vocabulary[piece[: i + 1]] = len(vocabulary)
                merges.append((piece[:i], piece[i]))
    tokenizer = Tokenizer(BPE(vocabulary, merges))
    tokenizer.pre_tokenizer = splitter
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in specials])
    roles = {f"{role}_token": token for role, tokens in ROLES.items() for token in tokens if token in specials}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, clean_up_tokenization_spaces=False, **roles)
