"""Sample transforms draw geometry first and apply it to labels; importing this package registers them."""

from praxia.data.sample_transforms.colour_jitter import ColourJitter
from praxia.data.sample_transforms.crops import AreaCrop, CentreCrop, PseudoViews, RandomCrop
from praxia.data.sample_transforms.shift import RandomShift

__all__ = ["AreaCrop", "CentreCrop", "ColourJitter", "PseudoViews", "RandomCrop", "RandomShift"]
