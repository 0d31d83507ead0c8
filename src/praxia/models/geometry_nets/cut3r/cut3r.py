"""CUT3R (arXiv 2501.12387): metric points, depth and cameras of a video, frame by frame, with a state that goes from frame to frame.

Written from a description of what the public code computes, proven against its outputs (tests/golden/cut3r). Tensor names are the published
ones. Image stream and state stream read each other, each from the layer before; the image stream's first token becomes the camera's pose.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from praxia.errors import ConfigError, unknown
from praxia.models.backbones.backbone import check_grid
from praxia.models.checkpoint_file import fit
from praxia.models.geometry_nets.cut3r.blocks import EPS, DecoderBlock
from praxia.models.geometry_nets.cut3r.checkpoint import read_weights
from praxia.models.geometry_nets.cut3r.encoder import ViewEncoder
from praxia.models.geometry_nets.cut3r.heads import DPTHeads, LinearHeads
from praxia.models.geometry_nets.cut3r.outputs import Outputs, activate, focal_length, principal_point
from praxia.models.geometry_nets.cut3r.pose_memory import PoseMemory
from praxia.models.geometry_nets.cut3r.views import State, View
from praxia.models.geometry_nets.geometry_net import Reconstruction, check_pixels
from praxia.models.geometry_nets.poses import intrinsics, inverse, transform
from praxia.models.geometry_nets.rope_2d import Rotation, check_heads, grid_positions, rotation
from praxia.models.geometry_nets.transformer_blocks import first_weights, full_precision
from praxia.models.published_config import agree, listed
from praxia.models.spec_checks import check_choice, check_counts, check_four, check_positive
from praxia.registry import register
from praxia.specs import ImageSpec

EncodingPath = Literal["batch", "recurrent"]
StatePlaces = Literal["2d", "1d", "none"]
Head = Literal["dpt", "linear", "none"]
HEADS = ("downstream_head.",)


@register("geometry_net/cut3r")
@dataclass(frozen=True)
class CUT3R:
    """Sizes and options; defaults are the published 512 px model with DPT heads, at the 432 px of VLM-3R (arXiv 2505.20279).

    look_width, look_depth, look_heads: of the encoder; ray_*: of its branch for ray maps; width, depth, heads: of the decoder's image stream.
    state_places: how state tokens are turned: on a grid, on its diagonal, or not. head: dense heads, `none` = features only.
    half_rotation: queries and keys of the image encoder are rounded to float16 around their rotation, as the public code does on GPUs.
    checkpoint: file, folder or public name (OWNER/NAME/FILE) that `load_checkpoint` reads; licence: of those weights, not for commercial use.
    """

    image_size: int = 432
    patch_size: int = 16
    look_width: int = 1024
    look_depth: int = 24
    look_heads: int = 16
    ray_depth: int = 2
    ray_heads: int = 16
    width: int = 768
    depth: int = 12
    heads: int = 12
    mlp_ratio: float = 4.0
    rope_base: float = 100.0
    state_tokens: int = 768
    state_heads: int = 16
    state_places: StatePlaces = "2d"
    memory_slots: int = 256
    memory_depth: int = 2
    head: Head = "dpt"
    transform_depth: int = 2
    dpt_widths: tuple[int, ...] = (96, 192, 384, 768)
    dpt_features: int = 256
    dpt_hidden: int = 128
    half_rotation: bool = False
    checkpoint: str = ""
    licence: str = "cc-by-nc-sa-4.0"

    def __post_init__(self) -> None:
        check_counts(self, "image_size", "patch_size", "look_width", "look_depth", "look_heads", "ray_depth", "ray_heads", "width", "depth", "heads")
        check_counts(self, "state_tokens", "state_heads", "memory_slots", "memory_depth", "transform_depth")
        check_positive(self, "mlp_ratio", "rope_base")
        check_choice(self, "state_places", get_args(StatePlaces))
        check_choice(self, "head", get_args(Head))
        if self.head == "dpt":
            check_four(self, "dpt_widths")
            check_counts(self, "dpt_features", least=2)
            check_counts(self, "dpt_hidden")
        check_grid("CUT3R", self.image_size, self.patch_size)
        check_heads("CUT3R.look_heads", self.look_width, self.look_heads)
        check_heads("CUT3R.ray_heads", self.look_width, self.ray_heads)
        check_heads("CUT3R.heads", self.width, self.heads)
        check_heads("CUT3R.state_heads", self.width, self.state_heads)
        if self.head == "dpt" and self.patch_size != 16:
            raise ConfigError(
                f"CUT3R.patch_size is {self.patch_size}, but DPT heads make 16 x 16 pixels of a patch; use 16, or head 'linear' or 'none'"
            )

    @classmethod
    def linear_224(cls) -> "CUT3R":
        """The published 224 px model."""
        return cls(image_size=224, head="linear")

    @classmethod
    def from_config(cls, config: dict[str, Any], checkpoint: str = "") -> "CUT3R":
        """From the `config` of a reference folder. ConfigError where it asks for what this network does not compute."""
        agree("config", config, pos_embed="RoPE100", layer_norm_eps=1e-6, rgb_head=True, pose_head=True, output_mode="pts3d+pose")
        agree("config", config, depth_mode=["exp", "-inf", "inf"], conf_mode=["exp", 1, "inf"], pose_mode=["exp", "-inf", "inf"])
        dpt = {}
        if config["head_type"] not in ("dpt", "linear"):
            raise ConfigError(f"config.head_type is {config['head_type']!r}; this network computes 'dpt' and 'linear' only")
        if config["head_type"] == "dpt":
            dpt = {
                "dpt_widths": tuple(listed("config", config, "dpt_layer_dims")),
                "dpt_features": config["dpt_feature_dim"],
                "dpt_hidden": config["dpt_last_dim"],
            }
        if len(size := listed("config", config, "img_size")) != 2:
            raise ConfigError(f"config.img_size is {size}; expected a height and a width")
        return cls(
            image_size=size[0], patch_size=config["patch_size"], look_width=config["enc_embed_dim"], look_depth=config["enc_depth"],
            look_heads=config["enc_num_heads"], ray_depth=config["ray_enc_depth"], ray_heads=config["ray_enc_num_heads"],
            width=config["dec_embed_dim"], depth=config["dec_depth"], heads=config["dec_num_heads"], mlp_ratio=config["mlp_ratio"],
            rope_base=config.get("rope_base", 100.0), state_tokens=config["state_size"], state_heads=config["state_dec_num_heads"],
            state_places=config["state_pe"], memory_slots=config["local_mem_size"], memory_depth=config["pose_retriever_depth"],
            head=config["head_type"], transform_depth=config["final_transform_depth"], checkpoint=checkpoint, **dpt,
        )  # fmt: skip

    def build(self) -> "CUT3RNet":
        """The module with random weights; `load_checkpoint` reads those of `checkpoint`."""
        return CUT3RNet(self)


@dataclass(frozen=True)
class Frame:
    """What one step computed. tokens: [B, N, E] of the encoder. pose_in: [B, 1, D], where the camera was expected.

    images: the image stream [B, 1 + N, D] before the decoder and after each layer, pose token first, the last one normalised; states: the state
    stream likewise [B, S, D]. memory: [B, M, 2 D] as this frame would leave it. state: what goes on, after the view's flags.
    """

    view: View
    tokens: Tensor
    pose_in: Tensor
    images: tuple[Tensor, ...]
    states: tuple[Tensor, ...]
    memory: Tensor
    state: State


class CUT3RNet(ViewEncoder):
    """Features are the normalised last image stream: its patch tokens, and its pose token as the special token."""

    metric = True
    memory = True

    def __init__(self, spec: CUT3R):
        super().__init__(
            spec.patch_size, spec.look_width, spec.look_depth, spec.look_heads, spec.ray_depth, spec.ray_heads, spec.mlp_ratio, spec.rope_base,
            spec.half_rotation,
        )  # fmt: skip
        self.spec = spec
        self.image_spec = ImageSpec(spec.image_size, "stretch", (0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
        self.width, self.licence = spec.width, spec.licence
        self.pose_token = nn.Parameter(torch.randn(1, 1, spec.width) * 0.02)
        self.register_tokens = nn.Embedding(spec.state_tokens, spec.look_width)
        self.decoder_embed, self.decoder_embed_state = (nn.Linear(spec.look_width, spec.width) for _ in range(2))
        self.dec_blocks, self.dec_blocks_state = (
            nn.ModuleList(DecoderBlock(spec.width, heads, spec.mlp_ratio) for _ in range(spec.depth)) for heads in (spec.heads, spec.state_heads)
        )
        self.dec_norm, self.dec_norm_state = (nn.LayerNorm(spec.width, eps=EPS) for _ in range(2))
        self.pose_retriever = PoseMemory(spec.memory_slots, spec.look_width, spec.width, spec.memory_depth, spec.heads, spec.mlp_ratio)
        shared = (spec.width, spec.heads, spec.mlp_ratio, spec.transform_depth)
        if spec.head == "dpt":
            self.downstream_head = DPTHeads(spec.look_width, *shared, spec.dpt_widths, spec.dpt_features, spec.dpt_hidden)
        elif spec.head == "linear":
            self.downstream_head = LinearHeads(*shared, spec.patch_size)
        first_weights(self)
        nn.init.normal_(self.register_tokens.weight, std=0.02)

    # --- frame by frame -----------------------------------------------------------------------------------------------------------

    def initial(self, batch: int) -> State:
        """The state before any frame."""
        tokens = self.decoder_embed_state(self.register_tokens.weight).to(self.pose_token.dtype)
        unknown = torch.full((batch, 4, 4), torch.nan, device=tokens.device)
        return State(tokens.expand(batch, -1, -1), self.pose_retriever.mem.expand(batch, -1, -1), unknown)

    def state_positions(self) -> Tensor:
        """(row, column) of the state tokens, int64 [1, S, 2]; the side of their grid is even."""
        i = torch.arange(self.spec.state_tokens, device=self.pose_token.device)
        if self.spec.state_places == "2d":
            side = int(self.spec.state_tokens**0.5)
            side += side % 2
            return torch.stack((i // side, i % side), dim=-1)[None]
        return (torch.stack((i, i), dim=-1) * (self.spec.state_places == "1d"))[None]

    def walk(self, views: Sequence[View], state: State | None = None, path: EncodingPath = "batch") -> Iterator[Frame]:
        """Frames in order, from `state` or from none. The last frame's `state` goes on.

        path: `batch` encodes all views together and fills in mask tokens, `recurrent` one after the other; the same for pictures alone.
        """
        if path not in get_args(EncodingPath):
            raise ConfigError(unknown("path of CUT3R", path, get_args(EncodingPath)))
        together = self.encode(views, masked=True) if path == "batch" else [None] * len(views)
        for view, tokens in zip(views, together):
            state = self.initial(view.batch) if state is None else state
            if len(state.tokens) != view.batch:
                raise ConfigError(f"CUT3R was given {view.batch} sequences and the state of {len(state.tokens)}; go on with the same ones")
            frame = self._step(view, self.encode([view], masked=False)[0] if tokens is None else tokens, state)
            state = frame.state
            yield frame

    def query(self, ray_map: Tensor, state: State) -> Outputs:
        """What the state says a camera would see along a ray map [B, H, W, 6] (`outputs.ray_map`). Nothing is written."""
        return self.dense(next(self.walk([View(ray_map=ray_map)], state, "recurrent")))

    def levels(self, frame: Frame) -> tuple[Tensor, ...]:
        """Patch tokens [B, N, E or D] that the heads read: the encoder's, and the image stream half way, at three quarters and at the end."""
        depth = self.spec.depth
        return frame.tokens, *(frame.images[i][:, 1:] for i in (2 * depth // 4, 3 * depth // 4, depth))

    def dense(self, frame: Frame) -> Outputs:
        """Points, confidences, colour and pose of a frame; float32 whatever autocast says."""
        self._need_heads()
        device = frame.tokens.device
        with full_precision(device):
            levels, pose = [level.float() for level in self.levels(frame)], frame.images[-1][:, :1].float()
            turn = self.turn(frame.view.size, self.spec.width // self.spec.heads, device)
            return activate(self.downstream_head(levels, pose, turn, self.grid(frame.view.size)))

    def _need_heads(self) -> None:
        if self.spec.head == "none":
            raise ConfigError("CUT3R.head is 'none': this net gives features only; build it with head 'dpt' or 'linear'")

    def _step(self, view: View, tokens: Tensor, state: State) -> Frame:
        look = tokens.mean(1, keepdim=True)
        pose_in = self.pose_retriever.read(state.memory, look) if state.frames else self.pose_token.expand(view.batch, -1, -1)
        images = [torch.cat([pose_in, self.decoder_embed(tokens).to(tokens.dtype)], dim=1)]
        states = [state.tokens]
        image_turns = self._turns(view.size, self.spec.heads, tokens.device)
        state_turns = self._turns(view.size, self.spec.state_heads, tokens.device)[::-1]
        for image_block, state_block in zip(self.dec_blocks, self.dec_blocks_state, strict=True):
            image, known = images[-1], states[-1]  # both read the layer before, so neither sees the other's update
            images.append(image_block(image, known, *image_turns))
            states.append(state_block(known, image, *state_turns))
        images[-1], states[-1] = self.dec_norm(images[-1]), self.dec_norm_state(states[-1])
        memory = self.pose_retriever.write(state.memory, look, images[-1][:, :1])
        return Frame(view, tokens, pose_in, tuple(images), tuple(states), memory, self._committed(view, state, states[-1], memory))

    def _turns(self, size: tuple[int, int], heads: int, device: torch.device) -> tuple[Rotation, Rotation]:
        """Rotations of image stream and state stream in so many heads. The pose token sits at (-1, -1)."""
        patches = grid_positions(*self.grid(size), device)
        image = torch.cat([patches.new_full((1, 1, 2), -1), patches], dim=1)
        of_image, of_state = (rotation(places, self.spec.width // heads, self.rope_base) for places in (image, self.state_positions()))
        return of_image, of_state

    def _committed(self, view: View, old: State, tokens: Tensor, memory: Tensor) -> State:
        """The state that goes on: new where the view commits, then anew where it resets."""
        commits = view.commits()[:, None, None]
        new = State(torch.where(commits, tokens, old.tokens), torch.where(commits, memory, old.memory), old.T_first_world, old.frames + 1)
        if view.reset is None:
            return new
        fresh, resets = self.initial(view.batch), view.resets()[:, None, None]
        pairs = ((fresh.tokens, new.tokens), (fresh.memory, new.memory), (fresh.T_first_world, new.T_first_world))
        tokens, memory, T_first_world = (torch.where(resets, start, kept) for start, kept in pairs)
        return State(tokens, memory, T_first_world, new.frames)

    # --- as a GeometryNet ---------------------------------------------------------------------------------------------------------

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        """The views of a sample are frames in order, from an empty state."""
        check_pixels(pixels)
        views = [View(image=p) for p in pixels.unbind(1)]
        last = torch.stack([frame.images[-1] for frame in self.walk(views)], dim=1)
        return last[:, :, 1:].unflatten(2, self.grid(views[0].size)), last[:, :, :1]

    def reconstruct(self, pixels: Tensor, state: State | None = None) -> Reconstruction:
        check_pixels(pixels)
        return self.reconstruct_views([View(image=p) for p in pixels.unbind(1)], state)

    def reconstruct_views(self, views: Sequence[View], state: State | None = None, path: EncodingPath = "batch") -> Reconstruction:
        """As `reconstruct`, for views with ray maps and flags. The first picture is the first one since the state began or was reset.

        Points are the self-view ones moved by the predicted pose, as in the public demo; the second prediction, in the world, is left to `dense`.
        """
        self._need_heads()
        if not views:
            raise ConfigError("CUT3R was given no view; give at least one")
        state = self.initial(views[0].batch) if state is None else state
        origin, found, origins = state.T_first_world, [], []
        for frame in self.walk(views, state, path):
            found.append(self.dense(frame))
            state = frame.state
        with full_precision(origin.device):
            for view, seen in zip(views, found, strict=True):
                origins.append(torch.where(origin.isnan(), inverse(seen.T_world_cam), origin))
                origin = torch.where(view.resets()[:, None, None], torch.nan, origins[-1])
            points, confidence = (torch.stack(x, dim=1) for x in zip(*((s.points, s.confidence) for s in found), strict=True))
            T_first_cam = torch.stack(origins, dim=1) @ torch.stack([s.T_world_cam for s in found], dim=1)
            cx, cy = principal_point(views[0].size)
            focal = focal_length(points.flatten(0, 1), cx, cy).view(points.shape[:2])
            moved, K = transform(T_first_cam, points), intrinsics(focal, focal, cx, cy)
        state = replace(state, T_first_world=origin)
        return Reconstruction(points[..., 2], confidence, moved, confidence, T_first_cam, K, state)

    def load_checkpoint(self) -> None:
        """Read `spec.checkpoint`. Raises CheckpointError."""
        state = read_weights(self.spec.checkpoint)
        fit(self, state, f"CUT3R.checkpoint {self.spec.checkpoint!r}", HEADS if self.spec.head == "none" else ())
