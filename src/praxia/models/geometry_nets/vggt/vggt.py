"""VGGT (arXiv 2503.11651): depth, points and cameras of several views of one scene in one forward; lengths share an unknown scale.

Written from a description of what the public code computes, proven against its outputs (tests/golden/vggt). Tensor names are the published
ones. The tracking head is left out. Mean and standard deviation come in with the pixels (`image_spec`), not inside.
"""

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from praxia.errors import ConfigError
from praxia.models.backbones.backbone import check_grid
from praxia.models.checkpoint_file import fit, tensors_of
from praxia.models.geometry_nets.geometry_net import GeometryNet, Reconstruction, check_pixels, refuse_state
from praxia.models.geometry_nets.net_folder import WEIGHTS
from praxia.models.geometry_nets.poses import inverse
from praxia.models.geometry_nets.rope_2d import check_heads
from praxia.models.geometry_nets.transformer_blocks import first_weights, full_precision
from praxia.models.geometry_nets.vggt.aggregator import Aggregator
from praxia.models.geometry_nets.vggt.camera_head import CameraHead
from praxia.models.geometry_nets.vggt.cameras import decode
from praxia.models.geometry_nets.vggt.dense_head import DenseHead, depth_of, points_of
from praxia.models.geometry_nets.vggt.patch_embedder import PatchEmbedder
from praxia.models.published_config import agree, listed, section
from praxia.models.spec_checks import check_counts, check_four, check_positive, check_shared
from praxia.registry import register
from praxia.specs import ImageSpec

PUBLIC_FILES = ("model.safetensors", "model.pt", WEIGHTS)  # the last one is what training here leaves
TRACKS = "track_head."
HEADS = ("camera_head.", "depth_head.", "point_head.")


@register("geometry_net/vggt")
@dataclass(frozen=True)
class VGGT:
    """Sizes and options; defaults are the published VGGT-1B.

    image_size: of the square picture, and what the position table is made for; other multiples of a patch work. depth: pairs of blocks.
    head_levels: pairs whose outputs the dense heads read. heads_built: False = features only, a quarter fewer weights and no `reconstruct`.
    checkpoint: public name, folder or file that `load_checkpoint` reads; licence: of those weights, kept with every policy that holds them.
    """

    image_size: int = 518
    patch_size: int = 14
    width: int = 1024
    depth: int = 24
    heads: int = 16
    mlp_ratio: float = 4.0
    registers: int = 4
    rope_base: float = 100.0
    dino_depth: int = 24
    dino_heads: int = 16
    dino_mlp_ratio: float = 4.0
    dino_registers: int = 4
    camera_depth: int = 4
    camera_heads: int = 16
    camera_mlp_ratio: float = 4.0
    camera_steps: int = 4
    head_levels: tuple[int, ...] = (4, 11, 17, 23)
    head_widths: tuple[int, ...] = (256, 512, 1024, 1024)
    head_features: int = 256
    head_hidden: int = 32
    views_at_once: int = 8
    heads_built: bool = True
    checkpoint: str = ""
    licence: str = "cc-by-nc-4.0"

    def __post_init__(self) -> None:
        check_counts(self, "image_size", "patch_size", "width", "depth", "heads", "dino_depth", "dino_heads")
        check_counts(self, "registers", "dino_registers", least=0)
        check_positive(self, "mlp_ratio", "rope_base", "dino_mlp_ratio")
        check_grid("VGGT", self.image_size, self.patch_size)
        check_heads("VGGT", self.width, self.heads)
        check_shared(self, "dino_heads", self.width)
        if self.heads_built:
            self._check_dense_and_camera()

    def _check_dense_and_camera(self) -> None:
        check_counts(self, "camera_depth", "camera_heads", "camera_steps", "head_features", "head_hidden", "views_at_once")
        check_positive(self, "camera_mlp_ratio")
        check_shared(self, "camera_heads", 2 * self.width)
        check_four(self, "head_levels", least=0)
        if list(self.head_levels) != sorted(set(self.head_levels)) or self.head_levels[-1] >= self.depth:
            raise ConfigError(f"VGGT.head_levels is {self.head_levels}; expected increasing numbers of pairs, the last below depth {self.depth}")
        check_four(self, "head_widths")
        if any(width % 4 for width in (*self.head_widths, self.head_features // 2)):
            raise ConfigError(
                f"VGGT.head_widths are {self.head_widths} and head_features {self.head_features}; use multiples of 4, and of 8 for the features "
                "(sine and cosine of rows and columns)"
            )

    @classmethod
    def public(cls) -> "VGGT":
        """Published weights, not for commercial use."""
        return cls(checkpoint="facebook/VGGT-1B")

    @classmethod
    def commercial(cls) -> "VGGT":
        """The same network with weights that permit commercial use, within their licence's acceptable use; handed out on application."""
        return cls(checkpoint="facebook/VGGT-1B-Commercial", licence="VGGT License")

    @classmethod
    def from_config(cls, config: dict[str, Any], checkpoint: str = "") -> "VGGT":
        """From a reference folder's configuration. ConfigError where it asks for what this network does not compute."""
        trunk, dino, camera, dense = (section(config, k) for k in ("aggregator", "dino_patch_embed", "camera_head", "depth_head"))
        agree("aggregator", trunk, aa_order=["frame", "global"], aa_block_size=1, qk_norm=True, layer_norm_eps=1e-5, qk_norm_eps=1e-5)
        agree("dino_patch_embed", dino, embed_dim=trunk["embed_dim"], patch_size=trunk["patch_size"], qk_norm=False, ffn_layer="mlp")
        agree("dino_patch_embed", dino, img_size=trunk["img_size"], interpolate_antialias=True, interpolate_offset=0.0, layer_norm_eps=1e-6)
        agree("camera_head", camera, pose_encoding_type="absT_quaR_FoV", trans_act="linear", quat_act="linear", fl_act="relu", adaln_eps=1e-6)
        agree("depth_head", dense, pos_embed=True, down_ratio=1, fusion_align_corners=True, output_dim=2, activation="exp", conf_activation="expp1")
        own = {"output_dim": 4, "activation": "inv_log"}
        agree("point_head", section(config, "point_head"), **(dense | own))
        return cls(
            image_size=trunk["img_size"], patch_size=trunk["patch_size"], width=trunk["embed_dim"], depth=trunk["depth"],
            heads=trunk["num_heads"], mlp_ratio=trunk["mlp_ratio"], registers=trunk["num_register_tokens"], rope_base=trunk["rope_freq"],
            dino_depth=dino["depth"], dino_heads=dino["num_heads"], dino_mlp_ratio=dino["mlp_ratio"], dino_registers=dino["num_register_tokens"],
            camera_depth=camera["trunk_depth"], camera_heads=camera["num_heads"], camera_mlp_ratio=camera["mlp_ratio"],
            camera_steps=camera["num_iterations"], head_levels=tuple(listed("depth_head", dense, "intermediate_layer_idx")),
            head_widths=tuple(listed("depth_head", dense, "out_channels")),
            head_features=dense["features"], head_hidden=dense["head_features_2"], views_at_once=dense["frames_chunk_size"], checkpoint=checkpoint,
        )  # fmt: skip

    def build(self) -> "VGGTNet":
        """The module with random weights; `load_checkpoint` reads those of `checkpoint`."""
        return VGGTNet(self)


class VGGTNet(GeometryNet):
    """Features are the aggregator's last entry: 2 C channels, camera token and registers as special tokens."""

    def __init__(self, spec: VGGT):
        super().__init__()
        self.spec = spec
        self.image_spec = ImageSpec(spec.image_size, "letterbox", (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bicubic")
        self.width, self.licence = 2 * spec.width, spec.licence
        native = spec.image_size // spec.patch_size
        embedder = PatchEmbedder(native, spec.patch_size, spec.width, spec.dino_depth, spec.dino_heads, spec.dino_mlp_ratio, spec.dino_registers)
        self.aggregator = Aggregator(embedder, spec.width, spec.depth, spec.heads, spec.mlp_ratio, spec.registers, spec.rope_base)
        if spec.heads_built:
            self.camera_head = CameraHead(self.width, spec.camera_depth, spec.camera_heads, spec.camera_mlp_ratio, spec.camera_steps)
            self.point_head, self.depth_head = (
                DenseHead(self.width, spec.head_widths, spec.head_features, spec.head_hidden, channels, spec.patch_size, spec.views_at_once)
                for channels in (4, 2)
            )
        first_weights(self)

    def forward(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        check_pixels(pixels)
        last = self.spec.depth - 1
        tokens = self.aggregator(pixels, {last})[last]
        return tokens[:, :, self.aggregator.first_patch :].unflatten(2, self.grid(pixels)), tokens[:, :, : self.aggregator.first_patch]

    def grid(self, pixels: Tensor) -> tuple[int, int]:
        """(rows, columns) of patches."""
        return pixels.shape[-2] // self.spec.patch_size, pixels.shape[-1] // self.spec.patch_size

    def reconstruct(self, pixels: Tensor, state: Any = None) -> Reconstruction:
        """Every view at once: there is no memory, so `state` must be None.

        The network was trained to use the first camera's frame as its world. Points are taken as they come; poses are made relative to the first
        one, so that it is the identity.
        """
        if not self.spec.heads_built:
            raise ConfigError("VGGT.heads_built is False: this net gives features only; build it with its heads")
        refuse_state("vggt", state)
        check_pixels(pixels)
        entries = self.aggregator(pixels, {*self.spec.head_levels, self.spec.depth - 1})
        with full_precision(pixels.device):
            encoding = self.camera_head(entries[self.spec.depth - 1][:, :, 0].float())[-1]
            T_cam_world, K = decode(encoding, (pixels.shape[-2], pixels.shape[-1]))
            levels = [entries[i][:, :, self.aggregator.first_patch :].float() for i in self.spec.head_levels]
            depth, depth_confidence = depth_of(self.depth_head(levels, self.grid(pixels)))
            points, points_confidence = points_of(self.point_head(levels, self.grid(pixels)))
            T_first_cam = T_cam_world[:, :1] @ inverse(T_cam_world)
        return Reconstruction(depth, depth_confidence, points, points_confidence, T_first_cam, K)

    def load_checkpoint(self) -> None:
        """Read `spec.checkpoint`. Raises CheckpointError."""
        state = tensors_of(self.spec.checkpoint, "VGGT.checkpoint", PUBLIC_FILES)
        fit(self, state, f"VGGT.checkpoint {self.spec.checkpoint!r}", (TRACKS,) if self.spec.heads_built else (TRACKS, *HEADS))
