"""VLA: the composition of parts by name. It does not know which recipe it is in."""

from collections.abc import Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from praxia.data.batch import Batch, Draws
from praxia.data.pixels import view_pixels
from praxia.errors import ConfigError, unknown
from praxia.models.backbones.backbone import Backbone, Piece
from praxia.models.generate import Answers, greedy, last_prompt_row
from praxia.models.geometry_nets.geometry_net import GeometryNet
from praxia.models.heads.head import Head
from praxia.models.layout import TokenLayout
from praxia.models.readouts.readout import Readout
from praxia.models.spec import HistoryToken, ModelSpec
from praxia.models.states import Outputs, PrefixStates, VisualTokens, Want
from praxia.models.token_groups import TokenGroups, check_order
from praxia.tokens.grammar import Grammar

PARTS = ("backbone", "adapters", "tokens", "encoder", "conditioner", "head", "readouts", "geometry")


class VLA(nn.Module):
    """Parts: backbone, adapters, tokens, encoder, conditioner, head, readouts, geometry; a stage may build fewer.

    `special_ids` maps the SpecialToken groups to their ids in the tokenizer; `scales` are the ids of number tokens, one ordered row a scale,
    and whether it is a circle; `digits` those of 0 to 9 and the decimal point.
    """

    def __init__(
        self,
        spec: ModelSpec,
        parts: Collection[str] = PARTS,
        special_ids: dict[str, int] | None = None,
        scales: Sequence[tuple[Sequence[int], bool]] = (),
        digits: Sequence[int] = (),
    ):
        super().__init__()
        check_order(spec)
        _check_latent(spec)
        self.spec, self.special_ids = spec, special_ids or {}
        self._scales = {f"_scale{i}": circle for i, (_, circle) in enumerate(scales)}
        for name, (ids, _) in zip(self._scales, scales, strict=True):
            self.register_buffer(name, torch.tensor(ids), persistent=False)
        self.register_buffer("_digits", torch.tensor(digits, dtype=torch.long) if len(digits) else None, persistent=False)
        wanted = set(parts)
        backbone: Backbone | None = spec.backbone.build() if spec.backbone and "backbone" in wanted else None
        self.backbone = backbone
        width = backbone.text_width if backbone else 0
        self.adapters = nn.ModuleList([a.build(backbone) for a in spec.adapters] if backbone and "adapters" in wanted else [])
        self.encoder: Any = spec.encoder.build(len(spec.embodiments)) if spec.encoder and "encoder" in wanted else None
        self.conditioner: Any = None
        if spec.conditioner and "conditioner" in wanted:
            self.conditioner = spec.conditioner.build(width, spec.encoder.width if spec.encoder else 0)
        self.head: Head | None = None
        if spec.head and "head" in wanted:
            self.head = spec.head.build(backbone.geometry if backbone else None, width)
        self.tokens = TokenGroups(spec, backbone, self.special_ids) if backbone and "tokens" in wanted else None
        self.readouts = nn.ModuleDict()
        if backbone and "readouts" in wanted:
            self.readouts.update({name: readout.build(backbone) for name, readout in spec.readouts.items()})
            _check_layers(self.readouts, backbone.geometry.layers)
        self.geometry: GeometryNet | None = spec.geometry.build() if spec.geometry and "geometry" in wanted else None

    # --- the prefix -----------------------------------------------------------------------------------------------------------

    def prefix(self, batch: Batch, draws: Draws, drop: Collection[str] = (), want: Want | None = None) -> tuple[PrefixStates, VisualTokens | None]:
        """Run the backbone over views, prompt, target and token groups. Returns its states and the visual tokens (None without views)."""
        assert self.backbone is not None
        visual = self._encoded(self.backbone, batch, draws)
        pieces = self._pieces(batch, draws, drop, visual)
        layout, embeddings = self.backbone.join(self.backbone.arrange(pieces))
        want = want or (self.head.want if self.head is not None else Want())
        return self.backbone.run(layout, embeddings, want, visual), visual

    def _encoded(self, backbone: Backbone, batch: Batch, draws: Draws) -> VisualTokens | None:
        """None without views. Adapters look at the draws (masked priors); backbones need not know of them."""
        return backbone.encode_views(batch, [partial(a, draws=draws) for a in self.adapters]) if batch.views is not None else None

    def _pieces(self, batch: Batch, draws: Draws, drop: Collection[str], visual: VisualTokens | None) -> list[Piece]:
        backbone = self.backbone
        assert backbone is not None
        causal = self.spec.prefix_attention == "causal"
        # the target is behind every other group: it sees all of them, none of them sees it
        last = max([g.block for g in self.spec.tokens], default=0)
        pieces: list[Piece | None] = []
        for name in self.spec.order:
            if name == "views":
                if visual is not None and batch.views is not None:
                    pieces += backbone.view_pieces(visual, batch.views.roles, 0, causal)
            elif name == "prompt":
                if batch.prompt is not None:
                    pieces.append(Piece("prompt", backbone.embed(batch.prompt.ids), batch.prompt.valid, 0, causal))
            elif name == "target":
                if batch.target is not None:
                    pieces.append(Piece("target", backbone.embed(batch.target.ids), batch.target.valid, last + 1, True))
            elif self.tokens is not None and name not in drop:
                pieces.append(self.tokens(name, backbone, self.encoder, batch, draws))
        return [p for p in pieces if p is not None]

    # --- training ---------------------------------------------------------------------------------------------------------------

    def draw(self, batch: Batch, generator: torch.Generator) -> Draws:
        """All randomness of one training forward over the batch, from a CPU generator: the head's noise and times, the parts' masks."""
        draws = self.head.draw(batch.size, generator) if self.head is not None and batch.future is not None else Draws()
        masks = dict(draws.masks)
        parts: list[Any] = [*self.adapters, self.tokens]
        for part in parts:
            if hasattr(part, "draw_masks"):
                masks |= part.draw_masks(batch.size, generator)
        latent = self.conditioner.draw_noise(batch.size, generator) if self.conditioner is not None and batch.future is not None else None
        return replace(draws, masks=masks, latent=latent)

    def forward(self, batch: Batch, draws: Draws, drop: Collection[str] = (), encodes: bool = True) -> Outputs:
        """The only training entry. `drop`: token groups left out in this pass (Stage.passes). `encodes`: the chunk's own latent is made and decoded
        beside the predicted one, where there is one."""
        outputs = Outputs()
        if self.backbone is not None:
            self._look(self.backbone, outputs, batch, draws, drop)
        if self.geometry is not None and batch.views is not None:
            outputs.geometry_spec = self.geometry.image_spec
            outputs.reconstruction = self.geometry.reconstruct(view_pixels(batch.views, outputs.geometry_spec))
        if self.head is None or batch.future is None:
            return outputs
        conditions: dict[str, Tensor | None] = {"action": None}
        if self.conditioner is not None:
            outputs.latents = self.conditioner(outputs.prefix, batch, self.encoder if encodes or self.backbone is None else None)
            acts_on, latents = self.conditioner.acts_on(outputs.latents), self.conditioner.decoded(outputs.latents, draws.latent)
            conditions = {"action": latents[acts_on]}
            if acts_on != "encoded" and "encoded" in latents:
                conditions["reconstruction"] = latents["encoded"]
        for name, condition in conditions.items():
            outputs.heads[name] = self.head(outputs.prefix, condition, batch, draws)
        return outputs

    def _look(self, backbone: Backbone, outputs: Outputs, batch: Batch, draws: Draws, drop: Collection[str]) -> None:
        """Prefix, answer rows and readouts; of a batch that asks nothing and shows no action only the pictures are encoded."""
        outputs.embed = backbone.embed
        readouts: dict[str, Readout] = dict(self.readouts.items())  # type: ignore[arg-type]
        if batch.prompt is None and batch.future is None:
            outputs.visual = self._encoded(backbone, batch, draws)
        else:
            want = self.head.want if self.head is not None and batch.future is not None else Want()
            used = [r for r in readouts.values() if r.applies(batch)]
            layers, attentions = any(r.layer != -1 for r in used), any(r.attentions for r in used)
            outputs.prefix, outputs.visual = self.prefix(batch, draws, drop, replace(want, layers=want.layers or layers, attentions=attentions))
        if batch.target is not None:
            assert outputs.prefix is not None
            outputs.target_hidden = rows_before_target(outputs.prefix)
            outputs.logits = backbone.logits
            outputs.scales = tuple((self.get_buffer(name), circle) for name, circle in self._scales.items())
            outputs.digits = self._digits  # type: ignore[assignment]
        for name, readout in readouts.items():
            if readout.applies(batch) and readout.finds(outputs):
                outputs.readouts[name] = readout(outputs, batch)

    def drop_what_only_teaches(self) -> ModelSpec:
        """Take out, in place, what no action and no answer depends on: readouts, the geometry net, and an action encoder whose latent is predicted
        where no token tells of a past. The spec of what is left."""
        self.readouts, self.geometry = nn.ModuleDict(), None
        left = replace(self.spec, readouts={}, geometry=None)
        if self.backbone is not None and not any(isinstance(tokens, HistoryToken) for tokens in self.spec.tokens):
            left, self.encoder = replace(left, encoder=None), None
        return left

    # --- inference --------------------------------------------------------------------------------------------------------------

    @torch.no_grad()
    def sample(self, batch: Batch, noise: Tensor, steps: int | None = None, drop: Collection[str] = ()) -> Tensor:
        """Normalised action chunk float32 [B, H, A] for the batch's observation, starting from `noise` [B, H, A]."""
        if self.head is None:
            raise ConfigError("this model has no action head; it can only generate text. Train an action stage first")
        prefix = self.prefix(batch, Draws(), drop)[0] if self.backbone is not None else None
        condition = self._condition(prefix, batch) if self.conditioner is not None else None
        return self.head.sample(prefix, condition, batch.state, noise, steps or self.head.steps, batch.action_dims)

    @torch.no_grad()
    def condition(self, batch: Batch, drop: Collection[str] = ()) -> Tensor:
        """The latent [B, Z] that the head acts on: predicted from the observation, or, in a model without backbone, encoded from the chunk."""
        return self._condition(self.prefix(batch, Draws(), drop)[0] if self.backbone is not None else None, batch)

    def _condition(self, prefix: PrefixStates | None, batch: Batch) -> Tensor:
        if self.conditioner is None:
            raise ConfigError("this model has no conditioner, so its head acts on no latent; set ModelSpec.conditioner")
        latents = self.conditioner(prefix, batch, self.encoder)
        return latents[self.conditioner.acts_on(latents)]

    @torch.no_grad()
    def generate(
        self, batch: Batch, stop: int, limit: int = 512, grammar: Grammar | Sequence[Grammar] | None = None, drop: Collection[str] = ()
    ) -> Answers:
        """The likeliest answer to the batch's prompts, at most `limit` tokens, without the end marker `stop`; `grammar` says what may follow
        (one for all, or one for each)."""
        if self.backbone is None:
            raise ConfigError("this model has no backbone; it cannot generate text")
        prefix, _ = self.prefix(batch.with_target(None), Draws(), drop, Want(key_values=True))
        return greedy(self.backbone, prefix, stop, limit, grammar)

    def layout(self, batch: Batch) -> TokenLayout:
        """The token layout of a batch's prefix (for `praxia info` and tests)."""
        with torch.no_grad():
            return self.prefix(batch, Draws())[0].layout


def _check_latent(spec: ModelSpec) -> None:
    """ConfigError where the conditioner's latent is not the head's, or its query is no single token."""
    conditioner, head = spec.conditioner, spec.head
    takes = getattr(head, "latent_width", 0)
    if conditioner is not None and takes and takes != conditioner.width:
        raise ConfigError(
            f"head {head.kind.split('/')[-1]!r} takes a latent of {takes} numbers, conditioner {conditioner.kind.split('/')[-1]!r} makes "
            f"{conditioner.width}; set {type(head).__name__}.latent_width to {conditioner.width}"
        )
    query = getattr(conditioner, "query", "")
    if spec.backbone is not None and query and query not in [group.name for group in spec.tokens]:
        raise ConfigError(f"{type(conditioner).__name__}.query: {unknown('token group', query, [group.name for group in spec.tokens])}")
    count = next((getattr(group, "count", 1) for group in spec.tokens if group.name == query), 1)
    if count != 1:
        raise ConfigError(f"{type(conditioner).__name__}.query names token group {query!r} of {count} tokens; expected a group of one learned token")


def _check_layers(readouts: nn.ModuleDict, layers: int) -> None:
    """ConfigError for a readout of the language model that reads a layer which that has not."""
    for name, readout in readouts.items():
        assert isinstance(readout, Readout)
        if readout.needs_prefix and not -layers - 1 <= readout.layer <= layers:
            raise ConfigError(
                f"readout {name!r} reads layer {readout.layer}; the language model has {layers}: expected 0 to {layers}, or -1 (the last)"
            )


def rows_before_target(prefix: PrefixStates) -> Tensor:
    """Hidden rows [B, T, D] that predict the target tokens: the last valid prompt row, then every target row but the last."""
    return torch.cat([last_prompt_row(prefix)[:, None], prefix.group("target")[:, :-1]], dim=1)
