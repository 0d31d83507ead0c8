"""Greedy decoding over the cached prefix: the prefix runs once, then one row for each token."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from praxia.errors import ConfigError
from praxia.models.backbones.backbone import Backbone
from praxia.models.layout import Group
from praxia.models.states import PrefixStates

# Ids of one answer so far -> which ids may follow, [vocabulary], or None if all may: bool, or int64 where an answer may go on in several ways (0 =
# forbidden, equal numbers = one way). Whole ways are weighed first: a number spread over many bins else loses against a single word less likely.
Grammar = Callable[[Sequence[int]], Tensor | None]


@dataclass(frozen=True)
class Answers:
    """Generated tokens without the end marker. ids: int64 [B, T]; valid: bool [B, T]; log_probs: float32 [B, T], of each token among those that
    were allowed where it stands (0 behind an answer's end)."""

    ids: Tensor
    valid: Tensor
    log_probs: Tensor


def greedy(backbone: Backbone, prefix: PrefixStates, stop: int, limit: int, grammar: Grammar | Sequence[Grammar] | None = None) -> Answers:
    """The likeliest next token, again and again, until `stop` or `limit` tokens.

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
        scores, best = _allowed(backbone.logits(states), answers, open_rows, grammars)
        chosen = scores.masked_fill(~best, -torch.inf).argmax(-1)
        certain.append(scores.gather(-1, chosen[:, None])[:, 0])
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


def _allowed(scores: Tensor, answers: list[list[int]], open_rows: Tensor, grammars: Sequence[Grammar | None]) -> tuple[Tensor, Tensor]:
    """Log probabilities [B, vocabulary] among what the grammars of the answers that are still open allow (elsewhere minus infinity), and bool
    [B, vocabulary]: the likeliest way to go on."""
    scores, best = scores.clone(), torch.ones_like(scores, dtype=torch.bool)
    for i in torch.nonzero(open_rows)[:, 0].tolist():
        grammar = grammars[i]
        if grammar is None or (ways := grammar(answers[i])) is None:
            continue
        if not ways.any():
            raise ConfigError(f"the grammar allows no token after {answers[i]}; it must allow at least the end of the answer")
        ways = ways.to(scores.device)
        scores[i].masked_fill_(ways == 0, -torch.inf)
        if ways.dtype != torch.bool and (count := int(ways.max())) > 1:
            mass = scores.new_zeros(count + 1).index_add_(0, ways, scores[i].softmax(-1))
            best[i] = ways == mass.argmax()
    return scores.log_softmax(-1), best
