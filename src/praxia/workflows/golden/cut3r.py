"""A CUT3R reference folder: `tiny_` and, if there, `linear_tiny_` configuration, weights, cases; aux_cases; cut3r_*_state_dict.json if there."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import torch
from PIL import Image
from torch import Tensor

from praxia.errors import ConfigError
from praxia.models.geometry_nets.cut3r.cut3r import CUT3R, CUT3RNet, EncodingPath, Frame
from praxia.models.geometry_nets.cut3r.heads import DPTHeads
from praxia.models.geometry_nets.cut3r.outputs import Outputs, focal_length, median_focal_length, pose_encoding, pose_matrix, ray_map
from praxia.models.geometry_nets.cut3r.pictures import load_picture
from praxia.models.geometry_nets.cut3r.views import State, View
from praxia.models.geometry_nets.rope_2d import grid_positions, rotation
from praxia.models.published_config import section
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

PREFIXES = ("", "linear_")
AUX = "aux_cases.safetensors"
FULL = Tolerance(5e-5, 5e-5)
HALF = Tolerance(5e-3, 5e-3)  # of a case whose queries and keys are rounded to float16: roundings flip


def recognises(config: dict[str, Any]) -> bool:
    """Whether the folder's configuration is of this kind."""
    return isinstance(config.get("config"), dict) and "state_dec_num_heads" in config["config"]


def check(folder: Path, config: dict[str, Any]) -> Iterator[Deviation]:
    """Every tensor of the folder."""
    used = {AUX}
    for prefix in PREFIXES:
        path = folder / f"{prefix}tiny_config.json"
        if prefix and not path.is_file():
            continue  # what it would have named is stray then
        with blamed_on(path):
            config = read_config(folder, path.name)
            weights = file_name("config", config, "weights_file", f"{prefix}tiny_weights.safetensors")
            cases = [_case(name, case) for name, case in section(config, "cases").items()]
            spec = CUT3R.from_config(section(config, "config"), str(folder / weights))
        with blamed_on(folder / weights):
            net = _loaded(spec)
        used |= {weights, *(case["file"] for case in cases)}
        for case in cases:
            half = bool(case.get("half_qk_in_image_encoder"))
            case_net = _loaded(replace(spec, half_rotation=True)) if half else net
            yield from checked(folder, case["file"], check_case, case_net, case, HALF if half else FULL)
        if not prefix:
            yield from checked(folder, AUX, check_aux, net)
    no_stray_files(folder, used)
    for path in sorted(folder.glob("cut3r_*_state_dict.json")):
        with blamed_on(path), torch.device("meta"):
            published = read_config(folder, path.name)
            ours = CUT3R.from_config(section(published, "config")).build().state_dict()
            yield names_fit(path.stem, ours, published_shapes(published, "state_dict"))


def _case(name: str, case: Any) -> dict[str, Any]:
    """A case as the configuration describes it. Raises ConfigError."""
    file_name(f"cases.{name}", case, "file")
    views, path = case.get("num_views"), case.get("path")
    if not isinstance(views, int) or views < 1:
        raise ConfigError(f"cases.{name}.num_views is {views!r}; expected a whole number of at least 1")
    if path not in get_args(EncodingPath):
        raise ConfigError(f"cases.{name}.path is {path!r}; expected one of {', '.join(get_args(EncodingPath))}")
    return case


def _loaded(spec: CUT3R) -> CUT3RNet:
    net = spec.build().eval()
    net.load_checkpoint()
    return net


def check_case(file: GoldenFile, net: CUT3RNet, case: dict[str, Any], tolerance: Tolerance) -> Iterator[Deviation]:
    """Frames in order through one of the two published paths, then perhaps a read-only question."""
    views = [_view(file, f"in.{i}") for i in range(case["num_views"])]
    state = net.initial(views[0].batch)
    start = {"init.state": state.tokens, "init.mem": state.memory}
    yield from file.compare_all(start, tolerance)
    yield file.compare("init.state_pos", net.state_positions().expand(views[0].batch, -1, -1), EXACT)
    for i, frame in enumerate(net.walk(views, path=case["path"])):
        yield file.compare(f"in.{i}.true_shape", torch.tensor([frame.view.size] * frame.view.batch), EXACT)
        yield file.compare(f"out.{i}.enc_pos", _places(frame, net), EXACT)
        ours = _of_frame(frame, net) | _of_outputs(net.dense(frame))
        yield from file.compare_all({f"out.{i}.{name}": tensor for name, tensor in ours.items()}, tolerance)
        if i == 0 and case.get("extras"):
            yield from file.compare_all(_extras(frame, net), tolerance)
        state = frame.state
    if case.get("query"):
        yield from _check_query(file, net, state, tolerance)


def _view(file: GoldenFile, prefix: str) -> View:
    """A frame as the file holds it: inputs that a flag rules out are zeros there."""
    asks = file[f"{prefix}.ray_mask"]
    rays = file.get(f"{prefix}.ray_map")
    flags = [file.get(f"{prefix}.{name}") for name in ("update", "reset")]
    return View(file[f"{prefix}.img"], rays, file[f"{prefix}.img_mask"], None if rays is None else asks, *flags)


def _places(frame: Frame, net: CUT3RNet) -> Tensor:
    return grid_positions(*net.grid(frame.view.size), frame.tokens.device).expand(frame.view.batch, -1, -1)


def _of_frame(frame: Frame, net: CUT3RNet) -> dict[str, Tensor]:
    depth = net.spec.depth
    return {
        "enc_tokens": frame.tokens,
        "pose_in": frame.pose_in,
        "dec_1": frame.images[1],
        "dec_hook_b": frame.images[2 * depth // 4],
        "dec_hook_c": frame.images[3 * depth // 4],
        "dec_last": frame.images[-1],
        "state_1": frame.states[1],
        "state_new": frame.states[-1],
        "state": frame.state.tokens,
        "mem_new": frame.memory,
        "mem": frame.state.memory,
        "pose_raw": net.downstream_head.pose_head(frame.images[-1][:, 0]),
    }


def _of_outputs(outputs: Outputs) -> dict[str, Tensor]:
    return {
        "pts3d_in_self_view": outputs.points,
        "conf_self": outputs.confidence,
        "pts3d_in_other_view": outputs.world_points,
        "conf": outputs.world_confidence,
        "rgb": outputs.rgb,
        "camera_pose": outputs.pose,
        "c2w": outputs.T_world_cam,
    }


def _extras(frame: Frame, net: CUT3RNet) -> dict[str, Tensor]:
    """Inside the encoder and the heads."""
    size, device, heads = frame.view.size, frame.tokens.device, net.downstream_head
    if frame.view.image is None or not isinstance(heads, DPTHeads):
        raise ConfigError(f"{net.spec.head} heads, or a first frame without a picture, have no `extras`; the configuration names them")
    patches = net.patch_embed(frame.view.image)
    found = {
        "extra.enc_patch": patches,
        "extra.enc_block_0": net.enc_blocks[0](patches, net.turn(size, net.spec.look_width // net.spec.look_heads, device)),
    }
    levels, pose = net.levels(frame), frame.images[-1][:, :1]
    turn, world = net.turn(size, net.spec.width // net.spec.heads, device), levels[-1]
    for i, block in enumerate(heads.final_transform):
        world = found[f"extra.final_transform_{i}"] = block(world, pose, turn)
    raw = heads(levels, pose, turn, net.grid(size))
    return found | {"extra.dpt_self_raw": raw.self_view, "extra.dpt_cross_raw": raw.world, "extra.dpt_rgb_raw": raw.rgb}


def _check_query(file: GoldenFile, net: CUT3RNet, state: State, tolerance: Tolerance) -> Iterator[Deviation]:
    view = View(ray_map=file["query.ray_map"])
    frame = next(net.walk([view], state, "recurrent"))
    yield file.compare("query.true_shape", torch.tensor([view.size] * view.batch), EXACT)
    ours = _of_frame(frame, net) | _of_outputs(net.query(file["query.ray_map"], state))
    yield from file.compare_known({f"query.{name}": tensor for name, tensor in ours.items()}, tolerance)


def check_aux(file: GoldenFile, net: CUT3RNet) -> Iterator[Deviation]:
    """Rotation, ray maps, poses, focal lengths, the loader, and single blocks on inputs of low variance."""
    tokens, points, (cx, cy) = file["rope.tokens"], file["focal.pts3d"], file["focal.pp"].unbind(-1)
    ours = {
        "rope.out": rotation(file["rope.positions"], tokens.shape[-1], net.spec.rope_base)(tokens),
        "pose.encoding": pose_encoding(file["pose.c2w"]),
        "pose.c2w_back": pose_matrix(file["pose.encoding"]),
        "focal.weiszfeld": focal_length(points, cx, cy),
        "focal.median": median_focal_length(points, cx, cy),
    }
    yield from file.compare_all(ours | _blocks(file, net), FULL)
    for found in file.matching(r"ray\.(\d+)\.ray_map"):
        K, T = (file[f"ray.{found[1]}.{name}"] for name in ("K", "c2w"))
        height, width = file[found.string].shape[:2]
        yield file.compare(found.string, ray_map(K, T, (height, width)), FULL)
    for found in file.matching(r"prep\.(\d+)\.image_u8"):
        pixels = load_picture(Image.fromarray(file[found.string].numpy()), int(file[f"prep.{found[1]}.size"]))
        levels = ((pixels * 0.5 + 0.5) * 255).round().long().permute(1, 2, 0)
        yield file.compare(f"prep.{found[1]}.out_u8", levels, EXACT)
        yield file.compare(f"prep.{found[1]}.true_shape", torch.tensor([levels.shape[:2]]), EXACT)


def _blocks(file: GoldenFile, net: CUT3RNet) -> dict[str, Tensor]:
    places_x, places_y = file["block.x_pos"], file["block.y_pos"]
    look, x, y, x_memory, y_memory = (file[f"block.{name}"] for name in ("x_enc", "x_dec", "y_dec", "x_mem", "y_mem"))
    spec, base = net.spec, net.spec.rope_base

    def turns(width: int, heads: int) -> tuple[Any, Any]:
        return rotation(places_x, width // heads, base), rotation(places_y, width // heads, base)

    image, state = turns(spec.width, spec.heads), turns(spec.width, spec.state_heads)
    retriever = net.pose_retriever
    return {
        "block.enc_blocks.0": net.enc_blocks[0](look, turns(spec.look_width, spec.look_heads)[0]),
        "block.enc_blocks_ray_map.0": net.enc_blocks_ray_map[0](look, turns(spec.look_width, spec.ray_heads)[0]),
        "block.enc_norm": net.enc_norm(look),
        "block.enc_norm_ray_map": net.enc_norm_ray_map(look),
        "block.dec_blocks.0": net.dec_blocks[0](x, y, *image),
        "block.dec_blocks_state.0": net.dec_blocks_state[0](x, y, *state),
        "block.dec_norm": net.dec_norm(x),
        "block.dec_norm_state": net.dec_norm_state(x),
        "block.final_transform.0": net.downstream_head.final_transform[0](x, file["block.mod"][:, None], image[0]),
        "block.read_blocks.0": retriever.read_blocks[0](x_memory, y_memory),
        "block.write_blocks.0": retriever.write_blocks[0](y_memory, x_memory),
    }
