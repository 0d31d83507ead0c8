"""Micro backbones of every family, a tokenizer for them, batches and the relative error the parity tests use."""

import dataclasses

import torch
from torch import Tensor

from praxia.data.batch import Batch, Tokens, ViewBatch
from praxia.models.backbones.backbone import Backbone, Piece
from praxia.models.backbones.internvl import InternVL
from praxia.models.backbones.paligemma import PaliGemma
from praxia.models.backbones.prismatic import Prismatic
from praxia.models.backbones.qwen3_vl import Qwen3VL
from praxia.models.states import PrefixStates, VisualTokens, Want
from praxia.tokens.local_tokenizer import local_tokenizer

EVERYTHING = Want(layers=True, key_values=True)
ROLES = ("head", "wrist")
TEXT = {"text_width": 48, "text_layers": 3, "text_heads": 4, "text_kv_heads": 2, "text_mlp": 64}
WORDS = ("user", "assistant", "system", "pick", "the", "red", "cube", "reach", "yes", "no")


def micro_specs() -> dict:
    """One small spec per family; the vocabularies hold the family's local tokenizer."""
    return {
        "paligemma": PaliGemma(image_size=28, patch_size=14, vision_width=32, vision_layers=2, vision_heads=2, vision_mlp=48, text_head_dim=16,
                               vocabulary=1400, **TEXT),
        "qwen3_vl": Qwen3VL(image_size=32, patch_size=8, vision_width=32, vision_layers=4, vision_heads=2, vision_mlp=48, deepstack=(0, 2),
                            position_grid=6, text_head_dim=16, rope_theta=1e4, mrope=(4, 2, 2), vocabulary=400, **TEXT),
        "internvl": InternVL(image_size=32, patch_size=8, vision_width=32, vision_layers=2, vision_heads=2, vision_mlp=48, text_head_dim=16,
                             vocabulary=400, **TEXT),
        "prismatic": Prismatic(image_size=28, patch_size=14, dino_width=32, dino_layers=3, dino_heads=2, siglip_width=32, siglip_layers=3,
                               siglip_heads=2, siglip_mlp=48, vocabulary=400, **TEXT),
    }  # fmt: skip


def tokenizer_for(spec, extra: tuple[str, ...] = ()):
    """Local tokenizer with the family's special tokens."""
    return local_tokenizer(WORDS, (*spec.specials, *extra))


def build(spec, seed: int = 0, **changes) -> Backbone:
    """A bound backbone in which every weight counts (norms and layer scales start at constants in the library)."""
    spec = dataclasses.replace(spec, **changes)
    backbone = spec.build().eval()
    randomise(backbone, seed)
    backbone.bind(tokenizer_for(spec))
    return backbone


def randomise(module: torch.nn.Module, seed: int) -> None:
    """All parameters from N(0, 0.2^2), drawn in the order of their names."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for _, parameter in sorted(module.named_parameters()):
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))


def pictures(size: int, batch: int, views: int = 2, seed: int = 1) -> Tensor:
    """uint8 [B, V, S, S, 3]."""
    return torch.randint(0, 256, (batch, views, size, size, 3), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8)


def padded(rows: list[list[int]], pad: int = 0) -> Tokens:
    """Right-padded ids."""
    length = max(map(len, rows))
    ids = torch.tensor([r + [pad] * (length - len(r)) for r in rows])
    return Tokens(ids, torch.tensor([[i < len(r) for i in range(length)] for r in rows]))


def make_batch(images: Tensor, prompt: Tokens, target: Tokens | None = None, seen: Tensor | None = None) -> Batch:
    """Batch of square pictures at the size the consumer wants. seen: bool [B, V]."""
    b, v, side = images.shape[:3]
    views = ViewBatch(
        roles=ROLES[:v],
        images=tuple(images[:, i] for i in range(v)),
        affine=torch.eye(2, 3).expand(b, v, 2, 3),
        size=torch.full((b, v, 2), float(side)),
        valid=torch.ones(b, v, dtype=torch.bool) if seen is None else seen,
        K=torch.full((b, v, 3, 3), torch.nan),
        T_base_cam=torch.full((b, v, 4, 4), torch.nan),
        time=torch.zeros(b, v),
    )
    return Batch(size=b, views=views, prompt=prompt, target=target)


def prefix(backbone: Backbone, batch: Batch, want: Want = EVERYTHING, causal: bool = True) -> tuple[PrefixStates, VisualTokens, Tensor]:
    """What the composition does with a batch: views, prompt, target -> states, visual tokens, embeddings."""
    visual = backbone.encode_views(batch)
    pieces = backbone.view_pieces(visual, batch.views.roles, 0, causal)
    pieces.append(Piece("prompt", backbone.embed(batch.prompt.ids), batch.prompt.valid, 0, causal))
    if batch.target is not None:
        pieces.append(Piece("target", backbone.embed(batch.target.ids), batch.target.valid, 0 if causal else 1, True))
    layout, embeddings = backbone.join(backbone.arrange(pieces))
    return backbone.run(layout, embeddings, want, visual), visual, embeddings


def relative_error(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference over the largest reference value."""
    return float((ours - theirs).abs().max() / theirs.abs().max())


def compare_with_library(states: PrefixStates, backbone: Backbone, library, seen: Tensor) -> None:
    """Hidden states of all layers, scores, keys and values of the rows seen [B, N] (library sequence) against the library's own forward."""
    rows = states.layout.valid
    assert torch.equal(rows.sum(1), seen.sum(1)), "as many tokens as the library has"
    assert len(states.layers) == len(library.hidden_states)
    for ours, theirs in zip(states.layers, library.hidden_states, strict=True):
        assert relative_error(ours[rows], theirs[seen]) < 1e-5
    assert relative_error(states.hidden[rows], library.hidden_states[-1][seen]) < 1e-5
    assert relative_error(backbone.logits(states.hidden)[rows], library.logits[seen]) < 1e-5
    for (key, value), layer in zip(states.key_values, library.past_key_values.layers, strict=True):
        assert relative_error(key.transpose(1, 2)[rows], layer.keys.transpose(1, 2)[seen]) < 1e-5
        assert relative_error(value.transpose(1, 2)[rows], layer.values.transpose(1, 2)[seen]) < 1e-5
