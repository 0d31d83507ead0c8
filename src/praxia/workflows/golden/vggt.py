"""A VGGT reference folder: tiny_config.json, tiny_weights, case_*, ops, preprocess; vggt_*_state_dict.json if there."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from praxia.data.pixels import normalise
from praxia.models.geometry_nets.dpt import size_of
from praxia.models.geometry_nets.poses import inverse, rigid
from praxia.models.geometry_nets.rope_2d import rotation
from praxia.models.geometry_nets.vggt.cameras import decode, encode, unproject
from praxia.models.geometry_nets.vggt.dense_head import depth_of, points_of, position_term
from praxia.models.geometry_nets.vggt.pictures import load_pictures, load_squares
from praxia.models.geometry_nets.vggt.vggt import TRACKS, VGGT, VGGTNet
from praxia.models.published_config import listed
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

WEIGHTS, OPS, PICTURES = "tiny_weights.safetensors", "ops.safetensors", "preprocess.safetensors"
CASES = Tolerance(2e-5, 2e-5)
SINGLE = Tolerance(1e-5, 1e-5)


def recognises(config: dict[str, Any]) -> bool:
    """Whether the folder's configuration is of this kind."""
    return "aggregator" in config and "dino_patch_embed" in config


def check(folder: Path, config: dict[str, Any]) -> Iterator[Deviation]:
    """Every tensor of the folder."""
    with blamed_on(folder / "tiny_config.json"):
        weights = file_name("config", config, "weights_file", WEIGHTS)
        cases = [file_name("an entry of cases", case, "file") for case in listed("config", config, "cases")]
        net = VGGT.from_config(config, str(folder / weights)).build().eval()
    with blamed_on(folder / weights):
        net.load_checkpoint()
    no_stray_files(folder, {weights, OPS, PICTURES, *cases})
    for name in cases:
        yield from checked(folder, name, check_case, net)
    yield from checked(folder, OPS, check_operations, net)
    yield from checked(folder, PICTURES, check_pictures)
    for path in sorted(folder.glob("vggt_*_state_dict.json")):
        with blamed_on(path), torch.device("meta"):
            shapes = published_shapes(read_config(folder, path.name), "tensors")
            yield names_fit(path.stem, VGGT().build().state_dict(), {k: v for k, v in shapes.items() if not k.startswith(TRACKS)})


def check_case(file: GoldenFile, net: VGGTNet) -> Iterator[Deviation]:
    """Pictures to points, with what lies between."""
    images = file["images"]
    size, grid, first = size_of(images), net.grid(images), net.aggregator.first_patch
    pixels = normalise(images.flatten(0, 1), net.image_spec).view_as(images)
    entries = net.aggregator(pixels, range(net.spec.depth))
    levels = [entries[i][:, :, first:] for i in net.spec.head_levels]
    poses = net.camera_head(entries[net.spec.depth - 1][:, :, 0])
    whole = net.reconstruct(pixels)
    T_cam_world, K = decode(poses[-1], size)
    ours = {
        "dino_input_tokens": net.aggregator.patch_embed.embed(pixels.flatten(0, 1)),
        "dino_patch_tokens": net.aggregator.patch_embed(pixels.flatten(0, 1)),
        **{f"agg_layer_{i}": entry for i, entry in entries.items()},
        **{f"pose_enc_iter_{i}": pose for i, pose in enumerate(poses)},
        "pose_enc": poses[-1],
        "depth_head_output_conv1": net.depth_head.fused([x.flatten(0, 1) for x in levels], grid),
        "depth": whole.depth[..., None],
        "depth_conf": whole.depth_confidence,
        "world_points": whole.points,
        "world_points_conf": whole.points_confidence,
        "extrinsic": T_cam_world[..., :3, :],
        "intrinsic": whole.K,
    }
    if len(images) == 1:
        ours["unprojected_points"] = unproject(whole.depth, T_cam_world, K)[0]
    yield file.compare("patch_start_idx", torch.tensor([first]), EXACT)
    yield from file.compare_all(ours, CASES)


def check_operations(file: GoldenFile, net: VGGTNet) -> Iterator[Deviation]:
    """Single operations, each on an input of its own."""
    yield from file.compare_all(_blocks(file, net), SINGLE)
    yield from file.compare_all(_geometry(file), SINGLE)
    yield from file.compare_all(_dense(file, net), SINGLE)
    for found in file.matching(r"dino_pos_embed\.out_(\d+)x(\d+)"):
        rows, columns = (int(n) // net.spec.patch_size for n in found.groups())
        yield file.compare(found.string, net.aggregator.patch_embed.positions(rows, columns), SINGLE)
    for found in file.matching(r"dpt_pos\.out_c(\d+)_map(\d+)x(\d+)_img(\d+)x(\d+)"):
        channels, rows, columns, height, width = map(int, found.groups())
        yield file.compare(found.string, position_term(channels, (rows, columns), width / height, torch.device("cpu")), SINGLE)
    for found in file.matching(r"positions\.out_(\d+)x(\d+)_(\d+)special"):
        positions = net.aggregator.positions(int(found[1]), int(found[2]), torch.device("cpu"))
        yield file.compare(found.string, positions.expand_as(file[found.string]), EXACT)
    for i, encoding in enumerate(net.camera_head(file["camera_head.in_tokens"][..., 0, :])):
        yield file.compare(f"camera_head.out_iter_{i}", encoding, SINGLE)


def _blocks(file: GoldenFile, net: VGGTNet) -> dict[str, Tensor]:
    aggregator, camera, embedder = net.aggregator, net.camera_head, net.aggregator.patch_embed
    places = file[file.one(r"positions\.out_.*").string]
    within, tokens, base = places[:1], file["rope.in"], net.spec.rope_base
    head_width = net.spec.width // net.spec.heads
    over = places.flatten(0, 1)[None]
    return {
        "rope.out": rotation(places, tokens.shape[-1], base)(tokens),
        "q_norm.out": aggregator.frame_blocks[0].get_submodule("attn.q_norm")(file["q_norm.in"]),
        "dino_block_0.out": embedder.blocks[0](file["dino_block_0.in"]),
        "dino_norm.out": embedder.norm(file["dino_block_0.in"]),
        "frame_block_0.out": aggregator.frame_blocks[0](file["frame_block_0.in"], rotation(within, head_width, base)),
        "global_block_0.out": aggregator.global_blocks[0](file["global_block_0.in"], rotation(over, head_width, base)),
        "camera_trunk_0.out": camera.trunk[0](file["camera_trunk_0.in"]),
        "camera_token_norm.out": camera.token_norm(file["camera_trunk_0.in"]),
        "camera_adaln_norm.out": camera.adaln_norm(file["camera_trunk_0.in"]),
        "depth_head_norm.out": net.depth_head.norm(file["camera_trunk_0.in"]),
    }


def _geometry(file: GoldenFile) -> dict[str, Tensor]:
    encoding, K = file["pose.in_encoding"], file["pose.out_intrinsic"]
    size = (round(2 * float(K.flatten(0, -3)[0, 1, 2])), round(2 * float(K.flatten(0, -3)[0, 0, 2])))  # the principal point is the middle
    T, ours = decode(encoding, size)
    world = [file[f"unproject.in_{name}"] for name in ("depth", "extrinsic", "intrinsic")]
    return {
        "pose.out_extrinsic": T[..., :3, :],
        "pose.out_intrinsic": ours,
        "pose.roundtrip_encoding": encode(T, ours, size),
        "se3_inverse.out": inverse(T).flatten(0, -3),
        "unproject.out_points": unproject(world[0], rigid(world[1][..., :3], world[1][..., 3]), world[2]),
    }


def _dense(file: GoldenFile, net: VGGTNet) -> dict[str, Tensor]:
    raw, scratch = file["activation.in"], net.depth_head.scratch
    coarsest, finest = scratch.get_submodule("refinenet4"), scratch.get_submodule("refinenet1")
    depth, depth_confidence = depth_of(raw[:, -2:])
    points, confidence = points_of(raw)
    skip = file["refinenet1.in_skip"]
    target = file.one(r"refinenet4\.out_to_(\d+)x(\d+)")
    return {
        "activation.depth_exp.out": depth[..., None],
        "activation.depth_conf_expp1.out": depth_confidence,
        "activation.points_inv_log.out": points,
        "activation.points_conf_expp1.out": confidence,
        "refinenet1.out": finest(file["refinenet1.in_path"], skip, (2 * skip.shape[-2], 2 * skip.shape[-1])),
        target.string: coarsest(file["refinenet4.in"], None, (int(target[1]), int(target[2]))),
    }


def check_pictures(file: GoldenFile) -> Iterator[Deviation]:
    """The loaders: 8-bit pictures in, 8-bit levels out, to the last one."""
    for found in list(file.matching(r"(crop|pad|square(\d+))\.([\w+]+)\.(sum_u8|coords)")):
        way, size, names, kind = found.groups()
        pictures = [Image.fromarray(file[f"raw.{name}"].numpy()) for name in names.split("+")]
        stem = found.string.removesuffix(f".{kind}")
        if kind == "coords":
            loaded, places = load_squares(pictures, int(size))
            yield file.compare(found.string, places, Tolerance(1e-4))
        else:
            loaded = load_pictures(pictures, "pad" if way == "pad" else "crop")
        levels = (loaded * 255).round().long()
        ours = {
            "shape": torch.tensor(levels.shape),
            "sum_u8": levels.sum((2, 3)),
            "full_u8": levels,
            "stride7_u8": levels[..., ::7, ::7],
        }
        yield from file.compare_known({f"{stem}.{name}": tensor for name, tensor in ours.items()}, EXACT)
