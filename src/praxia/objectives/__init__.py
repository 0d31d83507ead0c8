"""One loss a file; importing this package registers all of them."""

from praxia.objectives.flow_matching import FlowMatching
from praxia.objectives.geometry_alignment import GeometryAlignment
from praxia.objectives.grounding import Grounding
from praxia.objectives.guided_attention import GuidedAttention
from praxia.objectives.l1_chunk import L1Chunk
from praxia.objectives.latent_alignment import LatentAlignment
from praxia.objectives.next_token import NextToken
from praxia.objectives.position_regression import PositionRegression
from praxia.objectives.reconstruction import ReconstructionLoss
from praxia.objectives.target_mask import TargetMask

__all__ = [
    "FlowMatching",
    "GeometryAlignment",
    "Grounding",
    "GuidedAttention",
    "L1Chunk",
    "LatentAlignment",
    "NextToken",
    "PositionRegression",
    "ReconstructionLoss",
    "TargetMask",
]
