"""VGGT, by parts: patch embedder, aggregator, camera and dense heads, cameras, loader."""

from praxia.models.geometry_nets.vggt.vggt import VGGT, VGGTNet

__all__ = ["VGGT", "VGGTNet"]
