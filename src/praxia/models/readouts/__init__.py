"""Modules that read prefix states for auxiliary objectives; nothing of them is needed to act. Importing this package registers all of them."""

from praxia.models.readouts.geometry_projector import GeometryProjector
from praxia.models.readouts.positions import Positions
from praxia.models.readouts.target_mask import TargetMaskDecoder

__all__ = ["GeometryProjector", "Positions", "TargetMaskDecoder"]
