"""VLA: the composition of parts by name. It does not know which recipe it is in."""

from collections.abc import Collection
from typing import Any

import torch
from torch import Tensor, nn

from praxia.data.batch import Batch, Draws
from praxia.errors import ConfigError
from praxia.models.backbones.backbone import Backbone, Piece
from praxia.models.heads.head import Head
from praxia.models.layout import TokenLayout
from praxia.models.spec import HistoryToken, LearnedTokens, ModelSpec, SpecialToken
from praxia.models.states import Outputs, PrefixStates, Want

PARTS = ("backbone", "adapters", "tokens", "encoder", "conditioner", "head", "readouts")


class VLA(nn.Module):
    """Parts: backbone, adapters, tokens, encoder, conditioner, head, readouts; a stage may build fewer.

    `special_ids` maps the SpecialToken groups to their ids in the tokenizer.
    """

    def __init__(self, spec: ModelSpec, parts: Collection[str] = PARTS, special_ids: dict[str, int] | None = None):
        super().__init__()
        self.spec, self.special_ids = spec, special_ids or {}
        wanted = set(parts)
        self.backbone: Backbone | None = spec.backbone.build() if spec.backbone and "backbone" in wanted else None
        width = self.backbone.text_width if self.backbone else 0
        self.adapters = nn.ModuleList(
            [a.build(self.backbone.vision_width) for a in spec.adapters] if self.backbone and "adapters" in wanted else []
        )
        self.encoder: Any = spec.encoder.build(len(spec.embodiments)) if spec.encoder and "encoder" in wanted else None
        self.conditioner: Any = None
        if spec.conditioner and "conditioner" in wanted:
            self.conditioner = spec.conditioner.build(width, self.encoder.width if self.encoder else 0)
        self.head: Head | None = None
        if spec.head and "head" in wanted:
            self.head = spec.head.build(self.backbone.geometry if self.backbone else None, width)
        self.tokens = nn.ParameterDict()
        self.history_projection: nn.Linear | None = None
        if self.backbone is not None and "tokens" in wanted:
            self._build_tokens(self.backbone)
        self.readouts = nn.ModuleDict()
        if self.backbone is not None and "readouts" in wanted:
            for name, readout in spec.readouts.items():
                self.readouts[name] = readout.build(self.backbone)

    def _build_tokens(self, backbone: Backbone) -> None:
        scale = backbone.embedding_scale()
        for group in self.spec.tokens:
            if isinstance(group, LearnedTokens):
                tables = len(self.spec.embodiments) if group.per_embodiment else 1
                if tables == 0:
                    raise ConfigError(
                        f"tokens {group.name!r} are per embodiment but the model names no embodiments; fill ModelSpec.embodiments"
                    )
                rows = torch.randn(tables, group.count, backbone.text_width) * scale * group.scale
                self.tokens[group.name] = nn.Parameter(rows)
            elif isinstance(group, HistoryToken):
                if self.encoder is None:
                    raise ConfigError("a history token needs an action encoder; set ModelSpec.encoder")
                self.history_projection = nn.Linear(self.encoder.width, backbone.text_width)

    # --- the prefix -----------------------------------------------------------------------------------------------------------

    def prefix(self, batch: Batch, draws: Draws, drop: Collection[str] = (), want: Want | None = None) -> tuple[PrefixStates, Any]:
        """Run the backbone over views, prompt, target and learned groups. Returns its states and the visual tokens (None without views)."""
        assert self.backbone is not None
        visual = self.backbone.encode_views(batch, list(self.adapters)) if batch.views is not None else None
        pieces = self._pieces(batch, draws, drop, visual)
        layout, embeddings = self.backbone.join(self.backbone.arrange(pieces))
        if want is None:
            want = self.head.want if self.head is not None else Want()
            if any(getattr(r, "layer", -1) != -1 for r in self.readouts.values()):
                want = Want(layers=True, key_values=want.key_values)
        return self.backbone.run(layout, embeddings, want, visual), visual

    def _pieces(self, batch: Batch, draws: Draws, drop: Collection[str], visual) -> list[Piece]:
        backbone = self.backbone
        assert backbone is not None
        causal = self.spec.prefix_attention == "causal"
        groups = {g.name: g for g in self.spec.tokens}
        last = max([g.block for g in self.spec.tokens], default=0)
        pieces: list[Piece] = []
        for name in self.spec.order:
            if name == "views":
                if visual is not None and batch.views is not None:
                    pieces += backbone.view_pieces(visual, batch.views.roles, 0, causal)
            elif name == "prompt":
                if batch.prompt is not None:
                    pieces.append(Piece("prompt", backbone.embed(batch.prompt.ids), batch.prompt.valid, 0, causal))
            elif name == "target":
                if batch.target is not None:
                    pieces.append(Piece("target", backbone.embed(batch.target.ids), batch.target.valid, 0 if causal else last + 1, True))
            elif name in groups and name not in drop:
                piece = self._token_piece(groups[name], batch, draws)
                if piece is not None:
                    pieces.append(piece)
            elif name not in groups:
                raise ConfigError(
                    f"ModelSpec.order names {name!r}; known: views, prompt, target, {', '.join(groups) or '(no token groups)'}"
                )
        return pieces

    def _token_piece(self, group: LearnedTokens | SpecialToken | HistoryToken, batch: Batch, draws: Draws) -> Piece | None:
        assert self.backbone is not None
        if isinstance(group, LearnedTokens):
            table = self.tokens[group.name]
            if group.per_embodiment:
                if batch.embodiment is None:
                    raise ConfigError(f"tokens {group.name!r} are per embodiment but the batch has no embodiment index")
                rows = table[batch.embodiment]
            else:
                rows = table.expand(batch.size, -1, -1)
            valid = torch.ones(rows.shape[:2], dtype=torch.bool, device=rows.device)
            return Piece(group.name, rows, valid, group.block, group.causal)
        if isinstance(group, SpecialToken):
            ids = torch.full((batch.size, 1), self.special_ids[group.token], device=self._device())
            return Piece(group.name, self.backbone.embed(ids), torch.ones_like(ids, dtype=torch.bool), group.block, group.causal)
        if batch.past is None or self.history_projection is None:
            return None
        z = self.encoder(batch.past, batch.embodiment)
        seen = batch.past.valid.any(1)
        if "history" in draws.masks:
            seen = seen & ~draws.masks["history"]
        return Piece(group.name, self.history_projection(z)[:, None], seen[:, None], group.block)

    def _device(self) -> torch.device:
        return next(self.parameters()).device

    # --- training ---------------------------------------------------------------------------------------------------------------

    def forward(self, batch: Batch, draws: Draws, drop: Collection[str] = ()) -> Outputs:
        """The only training entry. `drop`: token groups left out in this pass (Stage.passes)."""
        outputs = Outputs()
        if self.backbone is not None:
            outputs.prefix, outputs.visual = self.prefix(batch, draws, drop)
            if batch.target is not None:
                outputs.target_hidden = rows_before_target(outputs.prefix)
                outputs.logits = self.backbone.logits
            for name, readout in self.readouts.items():
                outputs.readouts[name] = readout(outputs.prefix, outputs.visual, batch)
        if self.conditioner is not None:
            outputs.latents = self.conditioner(outputs.prefix, batch, self.encoder)
        if self.head is not None and batch.future is not None:
            conditions: dict[str, Tensor | None] = {"action": None}
            if outputs.latents:
                conditions = {"action": outputs.latents[self.conditioner.acts_on(outputs.latents)]}
                if self.backbone is not None and "encoded" in outputs.latents:
                    conditions["reconstruction"] = outputs.latents["encoded"]
            for name, condition in conditions.items():
                outputs.heads[name] = self.head(outputs.prefix, condition, batch, draws)
        return outputs

    # --- inference --------------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def sample(self, batch: Batch, noise: Tensor, steps: int | None = None, drop: Collection[str] = ()) -> Tensor:
        """Normalised action chunk float32 [B, H, A] for the batch's observation, starting from `noise` [B, H, A]."""
        if self.head is None:
            raise ConfigError("this model has no action head; it can only generate text. Train an action stage first")
        prefix = condition = None
        if self.backbone is not None:
            prefix, _ = self.prefix(batch, Draws(), drop)
        if self.conditioner is not None:
            latents = self.conditioner(prefix, batch, self.encoder)
            condition = latents[self.conditioner.acts_on(latents)]
        return self.head.sample(prefix, condition, batch.state, noise, steps or self.head.steps)

    def layout(self, batch: Batch) -> TokenLayout:
        """The token layout of a batch's prefix (for `praxia info` and tests)."""
        with torch.no_grad():
            return self.prefix(batch, Draws())[0].layout


def rows_before_target(prefix: PrefixStates) -> Tensor:
    """Hidden rows [B, T, D] that predict the target tokens: the last valid prompt row, then every target row but the last."""
    prompt = prefix.layout.slice("prompt")
    last = prefix.layout.valid[:, prompt].long().sum(1).clamp_min(1) - 1 + prompt.start
    first = prefix.hidden[torch.arange(len(last), device=last.device), last]
    return torch.cat([first[:, None], prefix.group("target")[:, :-1]], dim=1)
