"""Token groups of the prefix beside views and text: learned tables, special tokens, the history token."""

from typing import Any

import torch
from torch import Tensor, nn

from praxia.data.batch import Batch, Draws
from praxia.errors import ConfigError
from praxia.models.backbones.backbone import Backbone, Piece
from praxia.models.spec import HistoryToken, LearnedTokens, ModelSpec, SpecialToken, TokenGroup


class TokenGroups(nn.Module):
    """The groups' own parameters, and the pieces they make. special_ids: ids of the special tokens in the tokenizer.

    learned: tables [tables, count, D]. special: vectors [D] on top of the special tokens' rows; as vectors they do not decay.
    """

    def __init__(self, spec: ModelSpec, backbone: Backbone, special_ids: dict[str, int]):
        super().__init__()
        self.spec, self.special_ids = spec, special_ids
        self.learned, self.special = nn.ParameterDict(), nn.ParameterDict()
        self.history: nn.Module | None = None
        scale = backbone.embedding_scale()
        for group in spec.tokens:
            if isinstance(group, LearnedTokens):
                tables = len(spec.embodiments) if group.per_embodiment else 1
                if tables == 0:
                    raise ConfigError(f"tokens {group.name!r} are per embodiment but the model names no embodiments; fill ModelSpec.embodiments")
                self.learned[group.name] = nn.Parameter(torch.randn(tables, group.count, backbone.text_width) * scale * group.scale)
            elif isinstance(group, HistoryToken):
                if spec.encoder is None:
                    raise ConfigError("a history token needs an action encoder; set ModelSpec.encoder")
                self.history = _history_projection(group, spec, backbone.text_width)
            elif group.token not in special_ids:
                raise ConfigError(f"special token {group.token!r} has no id; add it to the tokenizer and pass special_ids={{{group.token!r}: id}}")
            else:
                self.special[group.name] = nn.Parameter(torch.zeros(backbone.text_width))

    def draw_masks(self, batch_size: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Which samples lose their history token: bool [B] under `history`."""
        drop = [g.drop for g in self.spec.tokens if isinstance(g, HistoryToken)]
        return {"history": torch.rand(batch_size, generator=generator) < drop[0]} if drop and drop[0] else {}

    def forward(self, name: str, backbone: Backbone, encoder: Any, batch: Batch, draws: Draws) -> Piece | None:
        """The piece of one group; None where the batch has nothing for it (no past)."""
        group = next(g for g in self.spec.tokens if g.name == name)
        # rows that stand in the text's own block keep its order
        causal = group.block == 0 and self.spec.prefix_attention == "causal"
        if isinstance(group, HistoryToken):
            found = self._history(encoder, batch, draws)
        else:
            causal = causal or group.causal
            rows = self._table(group, batch) if isinstance(group, LearnedTokens) else self._special(group, backbone, batch)
            found = rows, torch.ones(rows.shape[:2], dtype=torch.bool, device=rows.device)
        return Piece(name, *found, block=group.block, causal=causal) if found else None

    def _table(self, group: LearnedTokens, batch: Batch) -> Tensor:
        table = self.learned[group.name]
        if not group.per_embodiment:
            return table.expand(batch.size, -1, -1)
        if batch.embodiment is None:
            raise ConfigError(f"tokens {group.name!r} are per embodiment but the batch has no embodiment index; name the embodiment of every source")
        return table[batch.embodiment]

    def _special(self, group: SpecialToken, backbone: Backbone, batch: Batch) -> Tensor:
        device = next(backbone.parameters()).device
        row = backbone.embed(torch.full((batch.size, 1), self.special_ids[group.token], device=device))
        return row + self.special[group.name]

    def _history(self, encoder: Any, batch: Batch, draws: Draws) -> tuple[Tensor, Tensor] | None:
        """Row [B, 1, D] and its validity: invisible where nothing is known of the past or the draw drops it."""
        if batch.past is None or self.history is None:
            return None
        seen = batch.past.valid.any(1)
        if "history" in draws.masks:
            seen = seen & ~draws.masks["history"]
        group = next(g for g in self.spec.tokens if isinstance(g, HistoryToken))
        if group.form == "mlp":
            past, known = batch.past, batch.past.valid[..., None]
            if past.valid.shape[1] != group.steps:
                raise ConfigError(f"HistoryToken.steps is {group.steps}, the batch has {past.valid.shape[1]} past steps; make them equal")
            told = torch.cat([past.states * known, past.actions * known, known.float()], dim=-1).flatten(1)
        elif encoder is None:
            raise ConfigError("the batch has a past but the action encoder of the history token is not built; add part 'encoder' or drop 'history'")
        else:
            told = encoder(batch.past, batch.embodiment)
        return self.history(told)[:, None], seen[:, None]


def _history_projection(group: HistoryToken, spec: ModelSpec, width: int) -> nn.Module:
    """From what a history token is made of to a row of the language model."""
    encoder = spec.encoder
    if group.form == "encoder":
        return nn.Linear(encoder.width, width)
    numbers = group.steps * (encoder.state_width + encoder.action_width + 1)
    return nn.Sequential(nn.Linear(numbers, width), nn.GELU(), nn.Linear(width, width))


def check_order(spec: ModelSpec) -> None:
    """Raise ConfigError unless `order` names views, prompt and the token groups, and target last (an answer is written behind everything)."""
    groups: tuple[TokenGroup, ...] = spec.tokens
    names = [g.name for g in groups]
    known = {"views", "prompt", "target", *names}
    if unknown := [n for n in spec.order if n not in known]:
        raise ConfigError(f"ModelSpec.order names {unknown}; known: views, prompt, target, {', '.join(names) or '(no token groups)'}")
    if missing := [n for n in names if n not in spec.order]:
        raise ConfigError(f"token groups {missing} are not in ModelSpec.order {list(spec.order)}; say where they stand in the sequence")
    if "target" in spec.order[:-1]:
        raise ConfigError(
            f"ModelSpec.order {list(spec.order)} has groups behind 'target'; put it last, as answers are generated behind everything else"
        )
