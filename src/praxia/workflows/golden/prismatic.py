"""A Prismatic reference folder: tiny_config.json, tiny_checkpoint, case_*, case_*_action_queries, pos_embed, transforms; full_state_dict and
prompts if there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from praxia.data.pixels import resample
from praxia.models.backbones.backbone import Piece
from praxia.models.backbones.chat import PAD, turns
from praxia.models.backbones.prismatic import DINO_NORMAL, SIGLIP_NORMAL, Prismatic, PrismaticBackbone, asked
from praxia.models.backbones.prismatic_checkpoint import dino_state, language_state, resample_positions, siglip_state
from praxia.models.published_config import agree, section
from praxia.models.states import VisualTokens, Want
from praxia.specs import ImageSpec
from praxia.workflows.golden.compare import (
    EXACT,
    Deviation,
    GoldenFile,
    Tolerance,
    blamed_on,
    checked,
    file_name,
    names_fit,
    no_stray_files,
    published_shapes,
    read_config,
)

WEIGHTS, POSITIONS, PICTURES = "tiny_checkpoint.safetensors", "pos_embed.safetensors", "transforms.safetensors"
FULL, PROMPTS = "full_state_dict.json", "prompts.json"
TOWERS = ("vision_backbone.dino_featurizer.", "vision_backbone.siglip_featurizer.")
OF_TOWERS = ("cls_token", "reg_token", "pos_embed", "patch_embed.proj.", "blocks.", "norm.", "attn_pool.")  # the last two are never used
HEAD = "llm.lm_head.weight"
TOLERANCE = Tolerance(of_largest=1e-5)
ROUNDED = Tolerance(relative=2**-7, of_largest=1e-5)  # a rounding to bfloat16 that flips is a step of it
CONSTANTS = Tolerance(2e-6)  # of normalised pixels
STOP = 2  # the public code's "stop" token behind action queries; nothing after it reads it


def recognises(config: dict[str, Any]) -> bool:
    """Whether the folder's configuration is of this kind."""
    return "vision" in config and "llm" in config


def spec_of(config: dict[str, Any], checkpoint: str) -> Prismatic:
    """Our spec from the folder's configuration. ConfigError where it prepares pictures otherwise."""
    agree("config", config, image_resize_strategy="resize-naive")
    vision, llm = section(config, "vision"), section(config, "llm")
    dino, siglip = section(vision, "dino"), section(vision, "siglip")
    return Prismatic(
        image_size=config["image_size"], patch_size=config["patch_size"], dino_width=dino["embed_dim"], dino_layers=dino["depth"],
        dino_heads=dino["num_heads"], siglip_width=siglip["embed_dim"], siglip_layers=siglip["depth"], siglip_heads=siglip["num_heads"],
        siglip_mlp=siglip["mlp_hidden"], text_width=llm["hidden_size"], text_layers=llm["num_hidden_layers"],
        text_heads=llm["num_attention_heads"], text_kv_heads=llm["num_key_value_heads"], text_mlp=llm["intermediate_size"],
        rope_theta=llm["rope_theta"], vocabulary=llm["vocab_size"], checkpoint=checkpoint,
    )  # fmt: skip


def check(folder: Path, config: dict[str, Any]) -> Iterator[Deviation]:
    """Every tensor of the folder."""
    with blamed_on(folder / "tiny_config.json"):
        weights = file_name("config", config, "weights_file", WEIGHTS)
        cases = [f"{name}.safetensors" for name in section(config, "cases")]
        backbone = spec_of(config, str(folder / weights)).build().eval()
    with blamed_on(folder / weights):
        backbone.load_checkpoint()
    queries = sorted(p.name for p in folder.glob("case_*_action_queries.safetensors"))
    no_stray_files(folder, {weights, POSITIONS, PICTURES, *cases, *queries})
    for name in cases:
        yield from checked(folder, name, check_case, backbone)
    for name in queries:
        yield from checked(folder, name, check_queries, backbone)
    yield from checked(folder, POSITIONS, check_positions)
    yield from checked(folder, PICTURES, check_pictures)
    if (path := folder / FULL).is_file():
        with blamed_on(path), torch.device("meta"):
            yield check_names(path.stem, published_shapes(read_config(folder, FULL), "tensors"))

    if (path := folder / PROMPTS).is_file():
        with blamed_on(path):
            yield from check_prompts(path.stem, read_config(folder, PROMPTS)["prompts"])


def check_prompts(case: str, prompts: list[dict[str, Any]]) -> Iterator[Deviation]:
    """Texts around questions and replies."""
    for number, prompt in enumerate(prompts):
        first, *others = (said for _, said in prompt["turns"])
        ours = "".join((*asked(first.replace("<image>", "")), *(part for parts in turns(others, (PAD,)) for part in parts)))
        gap, note = (0.0, "") if ours == prompt["text"] else (torch.inf, f"ours is {ours!r}")
        yield Deviation(case, f"text {number}", gap, gap, note)


def check_names(case: str, shapes: dict[str, tuple[int, ...]]) -> Deviation:
    """Flat public names of the full size against ours, mapped as those of a checkpoint: without what the public code does not use."""
    spec = Prismatic()
    flat = {name: torch.empty(shape) for name, shape in shapes.items()}
    dino, siglip = ({k.removeprefix(tower): v for k, v in flat.items() if k.startswith(tower)} for tower in TOWERS)
    side = spec.image_size // spec.patch_size
    theirs = language_state(flat)
    theirs |= {f"dino.{k}": v for k, v in dino_state(dino, side).items()} | {f"siglip.{k}": v for k, v in siglip_state(siglip, side).items()}
    named = {name: tuple(tensor.shape) for name, tensor in theirs.items()} | {HEAD: shapes[f"llm_backbone.{HEAD}"]}  # tied, and listed for itself
    known = ("projector.", "llm_backbone.", *(tower + part for tower in TOWERS for part in OF_TOWERS))
    strange = {name: shape for name, shape in shapes.items() if not name.startswith(known)}
    return names_fit(case, spec.build().state_dict(), named | strange)


# --- the whole network ------------------------------------------------------------------------------------------------------------


def check_case(file: GoldenFile, backbone: PrismaticBackbone) -> Iterator[Deviation]:
    """Pictures and a prompt to scores."""
    yield from _check_pixels(file, backbone)
    ids, mask = file["input_ids"], file["attention_mask"].bool()
    siglip = file["pixel_values.siglip"]
    pixels = (siglip * 0.5 + 0.5).reshape(len(ids), -1, *siglip.shape[-3:])
    with Recorder(backbone) as recorder:
        visual, pieces = _see(backbone, pixels)
    pieces.append(Piece("prompt", backbone.embed(ids), mask, 0, True))
    layout, embeddings = backbone.join(backbone.arrange(pieces))
    states = backbone.run(layout, embeddings, Want(layers=True))
    assert states.layers is not None
    scores, seen = backbone.logits(states.hidden), layout.valid
    width = backbone.spec.dino_width
    ours = {
        "dino_patches": visual.patches.flatten(1, 2)[..., :width],
        "siglip_patches": visual.patches.flatten(1, 2)[..., width:],
        "patch_features": visual.patches.flatten(1, 2),
        "projected_patches": visual.embeddings.flatten(1, 2),
        "inputs_embeds": embeddings,
    }
    yield from file.compare_all(ours, TOLERANCE)
    # rows of padding, which nobody reads, look at other things here than in the public code: theirs come from the same module under its mask
    plain = backbone.llm(inputs_embeds=embeddings, attention_mask=seen.long(), output_hidden_states=True)
    for name, tensor, padding in (("hidden_states", torch.stack(states.layers), torch.stack(plain.hidden_states)), ("logits", scores, plain.logits)):
        yield file.compare(name, torch.where(seen[..., None], tensor, padding), TOLERANCE)
    yield file.compare("fused_attention_mask", seen.long(), EXACT)
    labels = file["labels"]
    patches = labels.new_full((len(labels), seen.shape[1] - labels.shape[1]), -100)
    fused = torch.cat([labels[:, :1], patches, labels[:, 1:]], dim=1)
    yield file.compare("fused_labels", fused, EXACT)
    loss = F.cross_entropy(scores[:, :-1].flatten(0, 1), fused[:, 1:].flatten(), ignore_index=-100)
    yield file.compare("loss", loss[None], TOLERANCE)
    yield from file.compare_known(recorder.found, TOLERANCE)
    for tower, layers in (("dino", backbone.spec.dino_layers), ("siglip", backbone.spec.siglip_layers)):
        file.pass_over(rf"{tower}\.block\.{layers - 1}")  # the last block is not built: nothing reads it


def _see(backbone: PrismaticBackbone, pixels: Tensor) -> tuple[VisualTokens, list[Piece]]:
    """[B, V, 3, S, S] in [0, 1] -> visual tokens and their pieces."""
    b, v = pixels.shape[:2]
    patches, grid, _ = backbone.patches(pixels.flatten(0, 1))
    tokens, _ = backbone.project(patches, grid)
    visual = VisualTokens(tokens.unflatten(0, (b, v)), torch.ones(b, v, dtype=torch.bool), grid, patches.unflatten(0, (b, v)), grid)
    return visual, backbone.view_pieces(visual, tuple(f"view_{i}" for i in range(v)), 0, True)


class Recorder:
    """What the towers' parts put out, under the names of the reference files."""

    def __init__(self, backbone: PrismaticBackbone):
        self.found: dict[str, Tensor] = {}
        dino, siglip = backbone.dino, backbone.siglip
        parts = [("dino.embedded", dino.embeddings), ("siglip.embedded", siglip.embeddings)]
        parts += [("dino.patch_embed", dino.embeddings.patch_embeddings), ("siglip.patch_embed", siglip.embeddings.patch_embedding)]
        parts += [(f"dino.block.{i}", layer) for i, layer in enumerate(dino.encoder.layer)]
        parts += [(f"siglip.block.{i}", layer) for i, layer in enumerate(siglip.encoder.layers)]
        self._hooks = [part.register_forward_hook(self._keeper(name)) for name, part in parts]

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def _keeper(self, name: str) -> Any:
        def keep(module: nn.Module, inputs: Any, output: Any) -> None:
            rows = output[0] if isinstance(output, tuple) else output
            self.found[name] = rows.flatten(2).transpose(1, 2) if isinstance(module, nn.Conv2d) else rows

        return keep


def check_queries(file: GoldenFile, backbone: PrismaticBackbone) -> Iterator[Deviation]:
    """Action queries behind the prompt, then a stop token; what the public action head reads of every layer."""
    queries, ids, stacked = file["action_queries"], file["input_ids"], file["stacked_pixel_values"]
    pixels = stacked.unflatten(1, (-1, 2, 3))[:, :, 1] * 0.5 + 0.5
    visual, pieces = _see(backbone, pixels)
    rows = {"prompt": backbone.embed(ids), "queries": queries[None], "stop": backbone.embed(torch.tensor([[STOP]]))}
    pieces += [Piece(name, some, torch.ones(some.shape[:2], dtype=torch.bool), 0, True) for name, some in rows.items()]
    layout, embeddings = backbone.join(backbone.arrange(pieces))
    states = backbone.run(layout, embeddings, Want(layers=True))
    assert states.layers is not None
    layers = torch.stack(states.layers)
    patches, prompt = visual.embeddings.flatten(1, 2).shape[1], ids.shape[1]
    yield from file.compare_all({"inputs_embeds": embeddings, "hidden_states": layers}, TOLERANCE)
    # one row early, as published (the head is trained on what would predict the next token), and the queries' part in bfloat16
    late = layers[:, :, patches + prompt - 1 : patches + prompt - 1 + len(queries)].bfloat16().float()
    read = torch.cat([layers[:, :, :patches], late], dim=2).transpose(0, 1)
    yield file.compare("multi_layer_hidden_states", read, ROUNDED)
    yield file.compare("attention_mask", layout.valid.long(), EXACT)


def check_positions(file: GoldenFile) -> Iterator[Deviation]:
    """The public position table at another size; the class token's own position is added into it."""
    table, wanted = file["original.pos_embed"], file["timm224.pos_embed"]
    yield file.compare("timm224.pos_embed", resample_positions(table[:, 1:], round(wanted.shape[1] ** 0.5)), TOLERANCE)
    yield file.compare("timm224.cls_token", file["original.cls_token"] + table[:, :1], TOLERANCE)
    yield file.compare("timm224.reg_token", file["original.register_tokens"], EXACT)
    file.pass_over(r"original\.mask_token")


# --- pictures, as the public code prepares them -----------------------------------------------------------------------------------


def _normal(backbone: PrismaticBackbone, pixels: Tensor, rounded: bool = False) -> tuple[Tensor, Tensor]:
    """[..., 3, S, S] in [0, 1] as either tower wants it; rounded: by constants in bfloat16, as VLA-Adapter ships them."""
    kinds = ((backbone.dino_mean, backbone.dino_std), (backbone.siglip_mean, backbone.siglip_std))
    dino, siglip = ((pixels - m.bfloat16().float()) / s.bfloat16().float() if rounded else (pixels - m) / s for m, s in kinds)
    return dino, siglip


def _check_pixels(file: GoldenFile, backbone: PrismaticBackbone) -> Iterator[Deviation]:
    """Stored pictures [sample.view] to normalised pixels."""
    places = [tuple(map(int, m.groups())) for m in file.matching(r"picture\.(\d+)\.(\d+)")]
    pixels = torch.cat([shown(file[f"picture.{b}.{v}"], backbone.image_spec) for b, v in sorted(places)])
    views = 1 + max(v for _, v in places)
    for name, ours in zip(("dino", "siglip"), _normal(backbone, pixels), strict=True):
        wanted = file[f"pixel_values.{name}"]
        yield file.compare(f"pixel_values.{name}", ours.reshape(wanted.shape), CONSTANTS)
    for name, rounded in (("stacked_pixel_values", False), ("vla_adapter.pixel_values", True)):
        both = torch.cat(_normal(backbone, pixels, rounded), dim=1).unflatten(0, (-1, views)).flatten(1, 2)
        yield from file.compare_known({name: both}, CONSTANTS)


def check_pictures(file: GoldenFile) -> Iterator[Deviation]:
    """The three ways to make a picture square, to the last 8-bit level, and normalised rows of one."""
    fills = {"dino": (123, 116, 103), "siglip": (127, 127, 127)}
    for found in file.matching(r"(resize-naive|resize-crop|letterbox)\.([a-z]+)\d*(?:\.(dino|siglip))?\.uint8"):
        way, name, tower = found.groups()
        size = file[found.string].shape[0]
        picture = Image.fromarray(file[f"picture.{name}"].numpy())
        levels = {"resize-naive": resized, "resize-crop": cut, "letterbox": lambda p, s, t=tower: cut(barred(p, fills[t]), s)}[way](picture, size)
        yield file.compare(found.string, torch.from_numpy(levels), EXACT)
        stem = found.string.removesuffix(".uint8")
        for other, (mean, std) in (("dino", DINO_NORMAL), ("siglip", SIGLIP_NORMAL)):
            rows = (_channels_first(levels)[:, :4] / 255 - torch.tensor(mean).view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
            yield from file.compare_known({f"{stem}.{other}.rows_0_4": rows}, CONSTANTS)


def shown(picture: Tensor, spec: ImageSpec) -> Tensor:
    """A picture uint8 [H, W, 3] as a model with this spec is shown it: [1, 3, S, S]."""
    size = torch.tensor([picture.shape[:2]])
    return resample(picture[None], torch.eye(2, 3)[None], size, spec, replicate=True)[0]


def _channels_first(levels: np.ndarray) -> Tensor:
    return torch.from_numpy(levels).permute(2, 0, 1).float()


def resized(picture: Image.Image, size: int) -> np.ndarray:
    """Both sides to `size`, as models are shown pictures here."""
    levels = shown(torch.from_numpy(np.array(picture)), ImageSpec(size, "stretch", (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "bicubic"))[0] * 255
    return levels.round().to(torch.uint8).movedim(0, -1).numpy()


def cut(picture: Image.Image, size: int) -> np.ndarray:
    """Short side to `size`, the middle of the long one."""
    width, height = picture.size
    short = min(width, height)
    scaled = picture.resize((int(width * size / short), int(height * size / short)), Image.Resampling.BICUBIC)
    left, top = (round((side - size) / 2) for side in scaled.size)
    return np.array(scaled.crop((left, top, left + size, top + size)))


def barred(picture: Image.Image, fill: tuple[int, int, int]) -> Image.Image:
    """Equal bars on both sides of the short axis; an odd difference leaves the picture a pixel off square, as published."""
    width, height = picture.size
    across, down = ((max(picture.size) - side) // 2 for side in (width, height))
    whole = Image.new("RGB", (width + 2 * across, height + 2 * down), fill)
    whole.paste(picture, (across, down))
    return whole
