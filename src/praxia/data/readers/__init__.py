"""Readers of public datasets whose pictures nobody acts in. Unverified on real files: they are tested on small files made after the formats."""

from praxia.data.readers.bop import Bop
from praxia.data.readers.llava import Llava
from praxia.data.readers.omni3d import Omni3D

__all__ = ["Bop", "Llava", "Omni3D"]
