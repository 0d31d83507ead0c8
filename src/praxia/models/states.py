"""What flows between the parts of a model: visual tokens, prefix states, head outputs, outputs of one forward."""

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from praxia.errors import ConfigError
from praxia.models.geometry_nets.geometry_net import Reconstruction
from praxia.models.layout import TokenLayout
from praxia.specs import ImageSpec


@dataclass(frozen=True)
class AttentionGeometry:
    """Key/value geometry of a language model; a joint expert must match it. rotary: name of the rotary form."""

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    rotary: str

    def __post_init__(self) -> None:
        if self.heads % self.kv_heads:
            raise ConfigError(f"text_kv_heads is {self.kv_heads}; expected a divisor of text_heads, which is {self.heads}")


@dataclass(frozen=True)
class VisualTokens:
    """Pictures as the language model takes them.

    embeddings: [B, V, N, D]; valid: bool [B, V]; grid: (rows, columns) of the N tokens of a view;
    patches: [B, V, P, Dv] tower output after the adapters, before merging and projection; patch_grid: (rows, columns) of the P patches;
    extra: what a family needs besides (Qwen3-VL: DeepStack features, a list of [B, V, N, D]); image_spec: the square the pictures were seen on.
    """

    embeddings: Tensor
    valid: Tensor
    grid: tuple[int, int]
    patches: Tensor
    patch_grid: tuple[int, int]
    extra: Any = None
    image_spec: ImageSpec | None = None


@dataclass(frozen=True)
class Want:
    """What a run must return. The last states always are; layers: also those of every layer; key_values: K/V per layer; attentions: the
    attention weights per layer (plain attention only)."""

    layers: bool = False
    key_values: bool = False
    attentions: bool = False


@dataclass(frozen=True)
class PrefixStates:
    """What the backbone made of the prefix.

    hidden: [B, N, D] after the final norm; layers: tuple of L+1 [B, N, D], index 0 = embeddings, the last one after the final norm
    (earlier ones before it); key_values: per layer (key, value), each [B, kv_heads, N, head_dim], keys after rotation, before head
    repetition; next_position: int64 [B]; grid: token grid of one view; attentions: per layer [B, heads, N, N].
    """

    layout: TokenLayout
    hidden: Tensor
    layers: tuple[Tensor, ...] | None
    key_values: tuple[tuple[Tensor, Tensor], ...] | None
    next_position: Tensor
    geometry: AttentionGeometry
    grid: tuple[int, int] | None = None
    attentions: tuple[Tensor, ...] | None = None

    def group(self, name: str, layer: int = -1) -> Tensor:
        """States [B, n, D] of one group at a layer (-1 = last, after the final norm; others need `Want.layers`)."""
        states = self.hidden if layer == -1 else _layers(self)[layer]
        return states[:, self.layout.slice(name)]

    def views(self, layer: int = -1) -> Tensor:
        """States [B, V, N, D] of all views, in slot order."""
        return torch.stack([self.group(n, layer) for n in self.layout.views], dim=1)

    def views_valid(self) -> Tensor:
        """bool [B, V * N]: which view tokens are there (a masked view has none)."""
        return torch.cat([self.layout.valid[:, self.layout.slice(n)] for n in self.layout.views], dim=1)


def _layers(prefix: PrefixStates) -> tuple[Tensor, ...]:
    if prefix.layers is None:
        raise RuntimeError("the run was not asked for per-layer states: pass Want(layers=True)")
    return prefix.layers


@dataclass(frozen=True)
class HeadOutput:
    """What a head predicted and what it should have. prediction, target: [B, K, H, A]; valid: bool broadcastable to them."""

    prediction: Tensor
    target: Tensor
    valid: Tensor


@dataclass
class Outputs:
    """Result of one forward. Objectives read it; nothing writes to it afterwards.

    heads: by condition name ("action"; Action Priors adds "reconstruction"); latents: [B, Z] by name;
    target_hidden: [B, T, D] rows that predict the target tokens; logits(rows) maps hidden rows to vocabulary scores;
    embed(ids) gives the language model's input embeddings;
    scales: ids of tokens that are the bins of one scale, in order, and whether it is a circle; digits: ids of 0 to 9 and the decimal point;
    readouts: further predictions by name (masks, projected features, positions);
    reconstruction: what the geometry net made of the views, on the square geometry_spec.
    """

    prefix: PrefixStates | None = None
    visual: VisualTokens | None = None
    heads: dict[str, HeadOutput] = field(default_factory=dict)
    latents: dict[str, Tensor] = field(default_factory=dict)
    target_hidden: Tensor | None = None
    logits: Any = None
    embed: Any = None
    scales: tuple[tuple[Tensor, bool], ...] = ()
    digits: Tensor | None = None
    readouts: dict[str, Tensor] = field(default_factory=dict)
    reconstruction: Reconstruction | None = None
    geometry_spec: ImageSpec | None = None
