"""All parts a ModelSpec can name; importing this module registers them, so that a policy folder loads without recipe code."""

from praxia.models.backbones.internvl import InternVL
from praxia.models.backbones.paligemma import PaliGemma
from praxia.models.backbones.prismatic import Prismatic
from praxia.models.backbones.qwen3_vl import Qwen3VL
from praxia.models.conditioners.action_encoder import ActionEncoder
from praxia.models.conditioners.latent_query import LatentQuery
from praxia.models.geometry_nets.cut3r import CUT3R
from praxia.models.geometry_nets.tabletop_geometry import TabletopGeometry
from praxia.models.geometry_nets.vggt import VGGT
from praxia.models.geometry_nets.vit_geometry import ViTGeometry
from praxia.models.heads.bridge_l1 import BridgeL1
from praxia.models.heads.cross_attention_l1 import CrossAttentionL1
from praxia.models.heads.dit_flow import DiTFlow
from praxia.models.heads.joint_flow import JointFlow
from praxia.models.heads.prior_decoder import PriorDecoder
from praxia.models.readouts.geometry_projector import GeometryProjector
from praxia.models.readouts.patch_places import PatchPlaces
from praxia.models.readouts.patch_words import PatchWords
from praxia.models.readouts.positions import Positions
from praxia.models.readouts.sam_mask import SamMask
from praxia.models.readouts.target_mask import TargetMaskDecoder
from praxia.models.readouts.token_attention import TokenAttention
from praxia.models.vision.geometry_fusion import GeometryFusion
from praxia.models.vision.ray_depth import RayDepth

__all__ = [
    "CUT3R",
    "VGGT",
    "ActionEncoder",
    "BridgeL1",
    "CrossAttentionL1",
    "DiTFlow",
    "GeometryFusion",
    "GeometryProjector",
    "InternVL",
    "JointFlow",
    "LatentQuery",
    "PaliGemma",
    "PatchPlaces",
    "PatchWords",
    "Positions",
    "PriorDecoder",
    "Prismatic",
    "Qwen3VL",
    "RayDepth",
    "SamMask",
    "TabletopGeometry",
    "TargetMaskDecoder",
    "TokenAttention",
    "ViTGeometry",
]
