"""Modules that read prefix states for auxiliary objectives; nothing of them is needed to act. Importing this package registers all of them."""

from praxia.models.readouts.geometry_projector import GeometryProjector
from praxia.models.readouts.patch_places import PatchPlaces
from praxia.models.readouts.patch_words import PatchWords
from praxia.models.readouts.positions import Positions
from praxia.models.readouts.sam_mask import SamMask
from praxia.models.readouts.target_mask import TargetMaskDecoder
from praxia.models.readouts.token_attention import TokenAttention

__all__ = ["GeometryProjector", "PatchPlaces", "PatchWords", "Positions", "SamMask", "TargetMaskDecoder", "TokenAttention"]
