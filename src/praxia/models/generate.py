"""Greedy decoding over the cached prefix: the prefix runs once, then one row for each token."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from praxia.errors import ConfigError
from praxia.models.backbones.backbone import Backbone
from praxia.models.layout import Group
from praxia.models.states import PrefixStates
from praxia.tokens.grammar import Grammar, Ways


@dataclass(frozen=True)
class Answers:
    """Generated tokens without the end marker. ids: int64 [B, T]; valid: bool [B, T]; log_probs: float32 [B, T], of each token among those that
    were allowed where it stands (0 behind an answer's end)."""

    ids: Tensor
    valid: Tensor
    log_probs: Tensor


def greedy(backbone: Backbone, prefix: PrefixStates, stop: int, limit: int, grammar: Grammar | Sequence[Grammar] | None = None) -> Answers:
    """The next token of the likeliest way to go on (`praxia.tokens.grammar`; without a grammar the likeliest token), again and again, until `stop` or
    `limit` tokens. Scores are compared in float32.

    prefix: run with keys and values, without a target group. grammar: one for all answers, or one for each.
    Raises ConfigError if a grammar allows no token.
    """
    if limit < 1:
        raise ConfigError(f"generation limit is {limit}; expected at least 1 token")
    if prefix.key_values is None:
        raise ConfigError("generation needs the prefix's keys and values: run it with Want(key_values=True)")
    cache = DynamicCache()
    for layer, (key, value) in enumerate(prefix.key_values):
        cache.update(key, value, layer)
    block = max(g.block for g in prefix.layout.groups) + 1
    answers: list[list[int]] = [[] for _ in range(len(prefix.hidden))]
    open_rows = torch.ones(len(answers), dtype=torch.bool, device=prefix.hidden.device)
    valid = open_rows.new_zeros(len(answers), 0)
    states = last_prompt_row(prefix)
    grammars = list(grammar) if isinstance(grammar, Sequence) else [grammar] * len(answers)
    certain: list[Tensor] = []
    for step in range(limit):
        with torch.autocast(states.device.type, enabled=False):  # in bf16 the scores of neighbouring bins tie, and the first of them would be said
            scores = backbone.logits(states.float())
        certainty, chosen = _choose(scores, answers, open_rows, grammars)
        certain.append(certainty)
        open_rows = open_rows & (chosen != stop)
        for answer, token, more in zip(answers, chosen.tolist(), open_rows.tolist(), strict=True):
            if more:
                answer.append(token)
        if not open_rows.any() or step + 1 == limit:
            break
        valid = torch.cat([valid, open_rows[:, None]], dim=1)
        layout = prefix.layout.extended((Group("target", step + 1, block, causal=True),), valid)
        states = backbone.extend(cache, layout, backbone.embed(chosen[:, None]), prefix.grid)[:, 0]
    length = max(map(len, answers))
    ids = torch.tensor([a + [stop] * (length - len(a)) for a in answers], dtype=torch.long, device=states.device).view(len(answers), length)
    counts = torch.tensor([len(a) for a in answers], device=states.device)
    valid = torch.arange(length, device=states.device) < counts[:, None]
    return Answers(ids, valid, torch.stack(certain, dim=1)[:, :length] * valid)


def last_prompt_row(prefix: PrefixStates) -> Tensor:
    """Hidden rows [B, D] of the last valid prompt token: what the first target token is read from."""
    prompt = prefix.layout.slice("prompt")
    last = prefix.layout.valid[:, prompt].long().sum(1).clamp_min(1) - 1 + prompt.start
    return prefix.hidden[torch.arange(len(last), device=last.device), last]


def _choose(scores: Tensor, answers: list[list[int]], open_rows: Tensor, grammars: Sequence[Grammar | None]) -> tuple[Tensor, Tensor]:
    """The next token int64 [B] of each answer that is still open, as its grammar allows, and its log probability [B] among what is allowed.
    scores: [B, vocabulary]."""
    allowed, found = scores.clone(), scores.argmax(-1)
    for i in torch.nonzero(open_rows)[:, 0].tolist():
        grammar = grammars[i]
        ways = grammar(answers[i]) if grammar is not None else None
        if ways is None:
            continue
        ways = ways if isinstance(ways, Ways) else Ways(ways.long())
        if not ways.numbers.any():
            raise ConfigError(f"the grammar allows no token after {answers[i]}; it must allow at least the end of the answer")
        numbers = ways.numbers.to(scores.device)
        allowed[i].masked_fill_(numbers == 0, -torch.inf)
        found[i] = _of_the_likeliest_way(allowed[i].softmax(-1), numbers, ways.medians)
    return allowed.log_softmax(-1).gather(-1, found[:, None])[:, 0], found


def _of_the_likeliest_way(shares: Tensor, numbers: Tensor, medians: frozenset[int]) -> Tensor:
    """Its likeliest token, or the middle one. shares: float [vocabulary], of probability."""
    way = int(shares.new_zeros(int(numbers.max()) + 1).index_add_(0, numbers, shares).argmax())
    ids = torch.nonzero(numbers == way)[:, 0]
    mine = shares[ids]
    if way not in medians:
        return ids[mine.argmax()]
    return ids[int(torch.searchsorted(mine.cumsum(0), mine.sum() / 2).clamp_max(len(ids) - 1))]
