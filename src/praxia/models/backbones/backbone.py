"""Backbone: a vision-language model behind one seam. One adapter file per family over Hugging Face `transformers`."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn
from transformers import DynamicCache

from praxia.data.batch import Batch
from praxia.data.pixels import view_pixels
from praxia.errors import ConfigError
from praxia.models.layout import Group, TokenLayout
from praxia.models.states import AttentionGeometry, PrefixStates, VisualTokens, Want
from praxia.specs import ImageSpec


class VisionAdapter(Protocol):
    """Changes patch tokens between the vision tower and the projector: [B, V, P, Dv] -> [B, V, P, Dv]."""

    def __call__(self, patches: Tensor, batch: Batch) -> Tensor: ...


@dataclass(frozen=True)
class Piece:
    """One group of the prefix with its embeddings. embeddings: [B, n, D]; valid: bool [B, n]."""

    name: str
    embeddings: Tensor
    valid: Tensor
    block: int = 0
    causal: bool = False


class Backbone(nn.Module, ABC):
    """A vision-language model of one family.

    The composition makes pieces (views, prompt, target, queries, ...); `arrange` puts them in the family's order with its literals,
    `run` pushes them through the language model under the layout's mask. A family says what its vision tower, projector, language
    model and texts are; everything else is common.
    """

    spec: Any
    model: Any
    image_spec: ImageSpec
    vision_width: int
    text_width: int
    geometry: AttentionGeometry
    first_position: int = 0
    missing_view: Literal["attend", "mask"] = "mask"

    # --- what a family says -----------------------------------------------------------------------------------------------------

    @property
    def causal_lm(self) -> Any:
        """The library model that owns the token embedding and `lm_head`. Default: `model`, a vision-language model of the library kept whole."""
        return self.model

    @property
    def language(self) -> Any:
        """The library decoder: takes `inputs_embeds`, a 4-D mask and positions."""
        return self.model.model.language_model

    @abstractmethod
    def patches(self, pixels: Tensor) -> tuple[Tensor, tuple[int, int], list[Tensor] | None]:
        """Vision tower: pixels [M, 3, S, S] -> patch tokens [M, P, Dv] row by row, their grid, and extra features [M, N, D] (or None)."""

    @abstractmethod
    def project(self, patches: Tensor, grid: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
        """Merge and project: [M, P, Dv] -> language-model embeddings [M, N, D] row by row and their grid."""

    @abstractmethod
    def prompt_ids(self, tokenizer, text: str) -> list[int]:
        """Ids of the prompt group for `text`, with the literals that stand between the views and the answer."""

    @abstractmethod
    def target_ids(self, tokenizer, text: str) -> list[int]:
        """Ids of the target group for an answer, end marker included."""

    def dialogue_ids(self, tokenizer, texts: Sequence[str]) -> tuple[list[int], list[bool]]:
        """Ids of the target group for a reply, a question, a reply and so on, and whether each is the model's to say (end markers of replies are).
        ConfigError for families whose prompts hold no conversation."""
        raise ConfigError(f"{type(self.spec).__name__} has no form of conversation; give each question alone: Llava(whole=False)")

    @abstractmethod
    def stop_id(self, tokenizer) -> int:
        """The first id of the end marker: no answer goes on behind it."""

    def state_prompt_ids(self, tokenizer, text: str, state: Sequence[int]) -> list[int]:
        """Ids of the prompt group for an instruction and the robot's state as integers; ConfigError for families without such a form."""
        raise ConfigError(f"{type(self.spec).__name__} has no form of prompt that holds the robot's state; use a head that reads the state itself")

    @abstractmethod
    def load_checkpoint(self) -> None:
        """Read the public weights named by the spec's `checkpoint` (a name or folder). Raises CheckpointError if they do not fit the spec."""

    def bind(self, tokenizer) -> None:
        """Check that the tokenizer has the family's special tokens and keep the ids of the literals that `arrange` adds.

        Needed once after building; the ids are not weights, they belong to the tokenizer.
        """
        require_tokens(tokenizer, self.spec.specials, type(self.spec).__name__)

    def only_count(self) -> None:
        """In place of `bind` where no tokenizer is at hand and tokens and FLOPs are counted on the meta device. Default: nothing to change."""

    def arrange(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Put the pieces in this family's order, adding its literals (view delimiters, a leading token). Default: as given."""
        return list(pieces)

    def positions(self, layout: TokenLayout, grid: tuple[int, int] | None) -> tuple[Tensor, Tensor]:
        """Rotary positions of all rows (int64 [B, N], or [3, B, N] for 3-D forms) and of the next token (int64 [B])."""
        return layout.positions(self.first_position), layout.next_position(self.first_position)

    def language_inputs(self, layout: TokenLayout, visual: VisualTokens | None) -> dict[str, Any]:
        """Further inputs of the decoder (Qwen3-VL: DeepStack features)."""
        return {}

    # --- what all families share ------------------------------------------------------------------------------------------------

    def literal(self, name: str, ids: Sequence[int], like: Piece, valid: Tensor) -> Piece:
        """Fixed tokens as a piece with `like`'s block and order. valid: bool [B, 1]."""
        rows = self.embed(torch.tensor(ids, device=like.embeddings.device)).to(like.embeddings.dtype)
        rows = rows.expand(len(like.embeddings), -1, -1)
        return replace(like, name=name, embeddings=rows, valid=valid.expand(rows.shape[:2]))

    def delimited(self, pieces: Sequence[Piece], ids: Callable[[int], tuple[Sequence[int], Sequence[int]]]) -> list[Piece]:
        """The pieces with literals `open:ROLE` and `close:ROLE` around each `view:ROLE`, in the view's block, hidden with a masked view.

        ids: of the number of a view, what stands before and behind it.
        """
        arranged: list[Piece] = []
        views = 0
        for piece in pieces:
            kind, _, role = piece.name.partition(":")
            if kind != "view":
                arranged.append(piece)
                continue
            (before, behind), seen = ids(views), piece.valid.any(dim=1, keepdim=True)
            arranged += [self.literal(f"open:{role}", before, piece, seen), piece, self.literal(f"close:{role}", behind, piece, seen)]
            views += 1
        return arranged

    def encode_views(self, batch: Batch, adapters: Sequence[VisionAdapter] = ()) -> VisualTokens:
        """Pixels of all views -> tokens, through the adapters in order."""
        assert batch.views is not None
        pixels = view_pixels(batch.views, self.image_spec)  # [B, V, 3, S, S]
        shape = pixels.shape[:2]
        patches, grid, extra = self.patches(pixels.flatten(0, 1))
        patches = patches.unflatten(0, shape)
        for adapter in adapters:
            patches = adapter(patches, batch)
        embeddings, token_grid = self.project(patches.flatten(0, 1), grid)
        features = None if extra is None else [e.unflatten(0, shape) for e in extra]
        return VisualTokens(embeddings.unflatten(0, shape), batch.views.valid, token_grid, patches, grid, features, self.image_spec)

    def embed(self, ids: Tensor) -> Tensor:
        """Token ids int64 [...] -> embeddings [..., D] as the language model takes them (family scale included)."""
        return self.language.embed_tokens(ids)

    def logits(self, rows: Tensor) -> Tensor:
        """Hidden rows after the final norm [..., D] -> vocabulary scores [..., vocabulary] (float32)."""
        return self.causal_lm.lm_head(rows).float()

    def run(self, layout: TokenLayout, embeddings: Tensor, want: Want, visual: VisualTokens | None = None) -> PrefixStates:
        """Language model over embeddings [B, N, D] under the layout's mask and positions."""
        cache: Any = DynamicCache() if want.key_values else None
        mask, grid = layout.mask(), visual.grid if visual else None
        positions, following = self.positions(layout, grid)
        out = self.language(
            inputs_embeds=embeddings,
            attention_mask=additive_mask(mask, torch.bfloat16) if self.spec.attention == "plain" else mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=want.key_values,
            output_hidden_states=want.layers,
            output_attentions=want.attentions,
            **self.language_inputs(layout, visual),
        )
        return PrefixStates(
            layout=layout,
            hidden=out.last_hidden_state,
            layers=tuple(out.hidden_states) if want.layers else None,
            key_values=tuple((layer.keys, layer.values) for layer in cache.layers) if cache is not None else None,
            next_position=following,
            geometry=self.geometry,
            grid=grid,
            attentions=tuple(out.attentions) if want.attentions else None,
        )

    def extend(self, cache: DynamicCache, layout: TokenLayout, embeddings: Tensor, grid: tuple[int, int] | None) -> Tensor:
        """Last states [B, n, D] of n further rows, the last ones of `layout`, behind the cached ones; the cache grows by them."""
        n = embeddings.shape[1]
        mask = layout.mask()[:, :, -n:]
        return self.language(
            inputs_embeds=embeddings,
            attention_mask=additive_mask(mask, torch.bfloat16) if self.spec.attention == "plain" else mask,
            position_ids=self.positions(layout, grid)[0][..., -n:],
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state

    def vocabulary_size(self) -> int:
        """Rows of the token embedding."""
        return self.language.embed_tokens.weight.shape[0]

    def resize_vocabulary(self, size: int) -> None:
        """Grow the token embedding and the output rows to `size` rows, new rows from mean and covariance of the old ones."""
        old = self.vocabulary_size()
        if size <= old:
            return
        self.causal_lm.resize_token_embeddings(size, mean_resizing=False)
        tables = [self.language.embed_tokens.weight]
        if self.causal_lm.lm_head.weight is not tables[0]:
            tables.append(self.causal_lm.lm_head.weight)
        with torch.no_grad():
            for table in tables:
                table[old:] = random_rows_like(table[:old], size - old, torch.Generator().manual_seed(0)).to(table.dtype)

    def start_rows(self, ids: Sequence[int], noise: float, generator: torch.Generator) -> None:
        """Let these tokens start anew: the mean row of all other tokens plus N(0, noise^2), in the input and the output table."""
        tables = {id(table): table for table in (self.language.embed_tokens.weight, self.causal_lm.lm_head.weight)}
        with torch.no_grad():
            for table in tables.values():
                others = torch.ones(len(table), dtype=torch.bool)
                others[list(ids)] = False
                started = noise * torch.randn(len(ids), table.shape[1], generator=generator)  # drawn on the CPU: the same rows on any device
                table[list(ids)] = (table[others].float().mean(0) + started.to(table.device)).to(table.dtype)

    def smooth_rows(self, ids: Sequence[int], share: float, circle: bool) -> None:
        """Let rows of ordered tokens that nothing was learnt of be alike where the tokens are near; their mean and their spread stay.

        Their deviations from their mean are mixed by a bell. share: its standard deviation as a share of the tokens.
        """
        tables = {id(table): table for table in (self.language.embed_tokens.weight, self.causal_lm.lm_head.weight)}
        away = torch.arange(len(ids))
        away = (away[:, None] - away).abs()
        away = torch.minimum(away, len(ids) - away) if circle else away
        bell = torch.exp(-((away / (share * len(ids))) ** 2) / 2)
        bell /= bell.square().sum(1, keepdim=True).sqrt()  # sums at the ends are as large as those in the middle
        with torch.no_grad():
            for table in tables.values():
                rows = table[list(ids)].float()
                off = rows - rows.mean(0)
                mixed = bell.to(table.device) @ off
                mixed -= mixed.mean(0)
                table[list(ids)] = (rows.mean(0) + mixed * (off.square().mean() / mixed.square().mean()).sqrt()).to(table.dtype)

    def embedding_scale(self) -> float:
        """Root mean square of the token embeddings as the language model takes them: queries and soft prompts start at this scale,
        measured as the model is built, before weights are loaded."""
        if next(self.parameters()).is_meta:
            return 1.0  # shapes only; there are no weights to measure
        with torch.no_grad():
            ids = torch.arange(min(256, self.vocabulary_size()), device=next(self.parameters()).device)
            return float(self.embed(ids).float().pow(2).mean().sqrt())

    def view_pieces(self, visual: VisualTokens, roles: tuple[str, ...], block: int = 0, causal: bool = False) -> list[Piece]:
        """One piece per view slot. A missing view is attended (its black picture) or masked, by `missing_view`."""
        pieces = []
        for i, role in enumerate(roles):
            tokens = visual.embeddings[:, i]
            seen = visual.valid[:, i : i + 1] | (self.missing_view == "attend")
            pieces.append(Piece(f"view:{role}", tokens, seen.expand(tokens.shape[:2]), block, causal))
        return pieces

    @staticmethod
    def join(pieces: Sequence[Piece]) -> tuple[TokenLayout, Tensor]:
        """Pieces in order -> layout and embeddings [B, N, D]."""
        groups = tuple(Group(p.name, p.embeddings.shape[1], p.block, p.causal) for p in pieces)
        layout = TokenLayout(groups, torch.cat([p.valid for p in pieces], dim=1))
        return layout, torch.cat([p.embeddings for p in pieces], dim=1)


def additive_mask(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """bool mask -> 0 where visible, the dtype's lowest number elsewhere (what the library's plain attention adds)."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, torch.finfo(dtype).min)


def random_rows_like(rows: Tensor, count: int, generator: torch.Generator | None = None) -> Tensor:
    """New embedding rows [count, D] drawn from N(mean, covariance) of the present ones."""
    rows = rows.detach().float()
    mean = rows.mean(0)
    centred = rows - mean
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(rows))
    noise = torch.randn(count, rows.shape[1], generator=generator).to(rows.device)  # drawn on the CPU: the same rows on any device
    return mean + (noise * values.clamp_min(0).sqrt()) @ vectors.T


def require_tokens(tokenizer, tokens: Sequence[str], family: str) -> None:
    """Raise ConfigError unless every token is one entry of the tokenizer's vocabulary."""
    known = tokenizer.get_vocab()
    missing = [t for t in tokens if t not in known]
    if missing:
        shown = ", ".join(missing[:5]) + (f" and {len(missing) - 5} more" if len(missing) > 5 else "")
        raise ConfigError(
            f"the tokenizer lacks {shown}, which backbone {family} writes into every sequence; "
            f"build it with `specials={family}(...).specials` or take the family's public tokenizer"
        )


def check_grid(family: str, image_size: int, unit: int) -> int:
    """Tokens along a side of the picture; ConfigError unless image_size is a multiple of `unit` pixels."""
    if image_size % unit:
        nearest = max(unit, round(image_size / unit) * unit)
        raise ConfigError(f"{family}.image_size is {image_size}, but a token covers {unit} x {unit} pixels; use a multiple, e.g. {nearest}")
    return image_size // unit
