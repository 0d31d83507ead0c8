"""Backbone: a vision-language model behind one seam. One adapter file per family over Hugging Face `transformers`."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

import torch
from torch import Tensor, nn

from praxia.data.batch import Batch, ViewBatch
from praxia.data.pixels import resample
from praxia.models.layout import Group, TokenLayout
from praxia.models.states import AttentionGeometry, PrefixStates, VisualTokens, Want
from praxia.specs import ImageSpec

Attention = Literal["sdpa", "plain"]


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
    `run` pushes them through the language model under the layout's mask.
    """

    image_spec: ImageSpec
    vision_width: int
    text_width: int
    geometry: AttentionGeometry
    first_position: int = 0
    missing_view: Literal["attend", "mask"] = "mask"

    @abstractmethod
    def patches(self, pixels: Tensor) -> tuple[Tensor, tuple[int, int], object]:
        """Vision tower: pixels [M, 3, S, S] -> patch tokens [M, P, Dv], their grid, and extra features of the family (or None)."""

    @abstractmethod
    def project(self, patches: Tensor, grid: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
        """Merge and project: [M, P, Dv] -> language-model embeddings [M, N, D] and their grid."""

    @abstractmethod
    def embed(self, ids: Tensor) -> Tensor:
        """Token ids int64 [...] -> embeddings [..., D] as the language model takes them (family scale included)."""

    @abstractmethod
    def logits(self, rows: Tensor) -> Tensor:
        """Hidden rows after the final norm [..., D] -> vocabulary scores [..., vocabulary] (float32)."""

    @abstractmethod
    def run(self, layout: TokenLayout, embeddings: Tensor, want: Want, visual: VisualTokens | None = None) -> PrefixStates:
        """Language model over embeddings [B, N, D] under the layout's mask and positions."""

    @abstractmethod
    def resize_vocabulary(self, size: int) -> None:
        """Grow the token embedding (and tied output rows) to `size` rows, new rows from mean and covariance of the old ones."""

    @abstractmethod
    def prompt_ids(self, tokenizer, text: str) -> list[int]:
        """Ids of the prompt group for `text`, with the literals that stand between the views and the answer."""

    @abstractmethod
    def target_ids(self, tokenizer, text: str) -> list[int]:
        """Ids of the target group for an answer, end marker included."""

    def arrange(self, pieces: Sequence[Piece]) -> list[Piece]:
        """Put the pieces in this family's order, adding its literals (view delimiters, a leading token). Default: as given."""
        return list(pieces)

    def embedding_scale(self) -> float:
        """Root mean square of the token embeddings as the language model takes them: queries and soft prompts start at this scale."""
        with torch.no_grad():
            ids = torch.arange(min(256, self.vocabulary_size()), device=next(self.parameters()).device)
            return float(self.embed(ids).float().pow(2).mean().sqrt())

    @abstractmethod
    def vocabulary_size(self) -> int:
        """Rows of the token embedding."""

    def encode_views(self, batch: Batch, adapters: Sequence[VisionAdapter] = ()) -> VisualTokens:
        """Pixels of all views -> tokens, through the adapters in order."""
        assert batch.views is not None
        pixels = view_pixels(batch.views, self.image_spec)  # [B, V, 3, S, S]
        b, v = pixels.shape[:2]
        patches, grid, extra = self.patches(pixels.flatten(0, 1))
        patches = patches.unflatten(0, (b, v))
        for adapter in adapters:
            patches = adapter(patches, batch)
        embeddings, token_grid = self.project(patches.flatten(0, 1), grid)
        return VisualTokens(embeddings.unflatten(0, (b, v)), batch.views.valid, token_grid, patches, grid, extra)

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


def view_pixels(views: ViewBatch, spec: ImageSpec) -> Tensor:
    """Pictures of all slots as one consumer wants them: float32 [B, V, 3, S, S]; empty slots are black before normalisation."""
    slots = [resample(image, views.affine[:, i], views.size[:, i], spec)[0] for i, image in enumerate(views.images)]
    return torch.stack(slots, dim=1)


def additive_mask(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """bool mask -> 0 where visible, the dtype's lowest number elsewhere (what the library's plain attention adds)."""
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, torch.finfo(dtype).min)


def random_rows_like(rows: Tensor, count: int, generator: torch.Generator | None = None) -> Tensor:
    """New embedding rows [count, D] drawn from N(mean, covariance) of the present ones."""
    rows = rows.detach().float()
    mean = rows.mean(0)
    centred = rows - mean
    values, vectors = torch.linalg.eigh(centred.T @ centred / len(rows))
    noise = torch.randn(count, rows.shape[1], generator=generator, device=rows.device)
    return mean + (noise * values.clamp_min(0).sqrt()) @ vectors.T
