"""Public Prismatic weights: the nested `.pt` file converted once, public and timm names mapped to ours, towers from the library if absent."""

import re
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import Dinov2WithRegistersModel, SiglipVisionModel

from praxia.errors import CheckpointError
from praxia.models.checkpoint_file import tensors_of

PUBLIC_FILE = "checkpoints/latest-checkpoint.pt"
MODULES = ("projector", "llm_backbone", "vision_backbone")

# timm block names -> library names; `{}` is the block's number.
DINO_BLOCK = {
    "norm1": "norm1",
    "norm2": "norm2",
    "attn.proj": "attention.o_proj",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
    "ls1.gamma": "layer_scale1.lambda1",
    "ls2.gamma": "layer_scale2.lambda1",
}
SIGLIP_BLOCK = {
    "norm1": "layer_norm1",
    "norm2": "layer_norm2",
    "attn.proj": "self_attn.out_proj",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}


def read_weights(source: str, dino_source: str, siglip_source: str, side: int) -> dict[str, Tensor]:
    """State dict of a PrismaticBackbone (our names, the files' float types) from public files. side: patches along a side of the picture.

    source: `.safetensors` file with flat public names, `.pt` file, folder of the public model, or its public name.
    Raises CheckpointError naming what cannot be read.
    """
    flat = read_flat(source)
    state = language_state(flat)
    dino = {k.removeprefix("vision_backbone.dino_featurizer."): v for k, v in flat.items() if ".dino_featurizer." in k}
    siglip = {k.removeprefix("vision_backbone.siglip_featurizer."): v for k, v in flat.items() if ".siglip_featurizer." in k}
    state |= {f"dino.{k}": v for k, v in (dino_state(dino, side) if dino else library_dino(dino_source, side)).items()}
    state |= {f"siglip.{k}": v for k, v in (siglip_state(siglip, side) if siglip else library_siglip(siglip_source, side)).items()}
    return state


# --- files ----------------------------------------------------------------------------------------------------------------------


def read_flat(source: str) -> dict[str, Tensor]:
    """Flat public names -> tensors. A `.pt` file is converted to `.safetensors` beside it once; later reads take that."""
    return tensors_of(source, "Prismatic.checkpoint", (PUBLIC_FILE,), flat_names, of="Prismatic checkpoint")


def flat_names(content: Any) -> dict[str, Tensor]:
    """Public content {"model": {module: tensors}} -> MODULE.INNER names, without the output rows that are tied to the embedding table."""
    modules = {name: dict(content["model"][name]) for name in MODULES if name in content["model"]}
    flat = {f"{name}.{inner}": tensor for name, tensors in modules.items() for inner, tensor in tensors.items()}
    flat.pop("llm_backbone.llm.lm_head.weight", None)
    return flat


# --- names ----------------------------------------------------------------------------------------------------------------------


def language_state(flat: dict[str, Tensor]) -> dict[str, Tensor]:
    """Projector and language model of a flat public state, under our names; the output rows are tied to the embedding table."""
    state = {}
    for name, tensor in flat.items():
        module, _, inner = name.partition(".")
        if module in ("projector", "llm_backbone"):
            state[inner] = tensor
    if "llm.model.embed_tokens.weight" in state:
        state["llm.lm_head.weight"] = state["llm.model.embed_tokens.weight"]
    return state


def dino_state(timm: dict[str, Tensor], side: int) -> dict[str, Tensor]:
    """timm names of a DINOv2 tower with registers -> library names. The class token of timm already holds its position: row 0 is zero."""
    table = resample_positions(timm["pos_embed"], side)
    state = {
        "embeddings.cls_token": timm["cls_token"],
        "embeddings.register_tokens": timm["reg_token"],
        "embeddings.position_embeddings": torch.cat([torch.zeros_like(table[:, :1]), table], dim=1),
        "embeddings.patch_embeddings.projection.weight": timm["patch_embed.proj.weight"],
        "embeddings.patch_embeddings.projection.bias": timm["patch_embed.proj.bias"],
    }
    return state | _blocks(timm, "encoder.layer.{}.", DINO_BLOCK, "attention.{}_proj")


def siglip_state(timm: dict[str, Tensor], side: int) -> dict[str, Tensor]:
    """timm names of a SigLIP tower -> library names; the pooling head is left out."""
    state = {
        "embeddings.position_embedding.weight": resample_positions(timm["pos_embed"], side)[0],
        "embeddings.patch_embedding.weight": timm["patch_embed.proj.weight"],
        "embeddings.patch_embedding.bias": timm["patch_embed.proj.bias"],
    }
    return state | _blocks(timm, "encoder.layers.{}.", SIGLIP_BLOCK, "self_attn.{}_proj")


def _blocks(timm: dict[str, Tensor], prefix: str, names: dict[str, str], projection: str) -> dict[str, Tensor]:
    """All blocks but the last, whose output nobody reads. timm's fused rows are query, key, value, a third each."""
    numbers = {int(m.group(1)) for m in (re.match(r"blocks\.(\d+)\.", k) for k in timm) if m}
    state = {}
    for i in range(max(numbers)):
        for name, tensor in ((k.removeprefix(f"blocks.{i}."), v) for k, v in timm.items() if k.startswith(f"blocks.{i}.")):
            kind = name.rpartition(".")[2]
            if name.startswith("attn.qkv."):
                for letter, rows in zip("qkv", tensor.chunk(3), strict=True):
                    state[prefix.format(i) + projection.format(letter) + f".{kind}"] = rows.contiguous()
            elif name in names:
                state[prefix.format(i) + names[name]] = tensor
            elif (module := name.rpartition(".")[0]) in names:
                state[prefix.format(i) + names[module] + f".{kind}"] = tensor
            else:
                raise CheckpointError(f"the Prismatic file has blocks.{i}.{name}, unknown here; expected one of {', '.join(names)}")
    return state


def resample_positions(table: Tensor, side: int) -> Tensor:
    """Position table [1, P, C] of a square grid -> [1, side * side, C]: bicubic, antialiased, in float32, as timm does at load."""
    old = round(table.shape[1] ** 0.5)
    if old == side:
        return table
    grid = table.float().unflatten(1, (old, old)).permute(0, 3, 1, 2)
    grid = F.interpolate(grid, size=(side, side), mode="bicubic", antialias=True, align_corners=False)
    return grid.flatten(2).transpose(1, 2)


# --- towers from the library ----------------------------------------------------------------------------------------------------


def library_dino(source: str, side: int) -> dict[str, Tensor]:
    """Tower state of a library DINOv2 checkpoint, without last block, final norm and mask token; its own class position stays row 0."""
    state = _library(Dinov2WithRegistersModel, source, "dino")
    table = state["embeddings.position_embeddings"]
    state["embeddings.position_embeddings"] = torch.cat([table[:, :1], resample_positions(table[:, 1:], side)], dim=1)
    return _without(state, r"encoder\.layer\.", ("layernorm.", "embeddings.mask_token"))


def library_siglip(source: str, side: int) -> dict[str, Tensor]:
    """Tower state of a library SigLIP checkpoint, without last block, final norm and pooling head."""
    state = _library(SiglipVisionModel, source, "siglip")
    state["embeddings.position_embedding.weight"] = resample_positions(state["embeddings.position_embedding.weight"][None], side)[0]
    return _without(state, r"encoder\.layers\.", ("post_layernorm.", "head."))


def _library(cls: Any, source: str, tower: str) -> dict[str, Tensor]:
    if not source:
        raise CheckpointError(
            f"the Prismatic file holds no {tower} tower (its training froze them): set Prismatic.{tower}_checkpoint to the library checkpoint of it"
        )
    try:
        return dict(cls.from_pretrained(source, dtype=torch.float32).state_dict())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"Prismatic.{tower}_checkpoint {source!r} cannot be read: {error}") from error


def _without(state: dict[str, Tensor], block: str, prefixes: tuple[str, ...]) -> dict[str, Tensor]:
    numbers = {k: int(m.group(1)) for k in state if (m := re.match(rf"{block}(\d+)\.", k))}
    last = max(numbers.values())
    return {k: v for k, v in state.items() if numbers.get(k, -1) != last and not k.startswith(prefixes)}
