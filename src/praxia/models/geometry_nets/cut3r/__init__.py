"""CUT3R, by parts: encoder, blocks and pose memory, heads and what they mean, loader, checkpoint."""

from praxia.models.geometry_nets.cut3r.cut3r import CUT3R, CUT3RNet

__all__ = ["CUT3R", "CUT3RNet"]
