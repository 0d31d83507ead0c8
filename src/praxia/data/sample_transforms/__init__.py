"""Sample transforms draw geometry first and apply it to labels; importing this package registers them."""

from praxia.data.sample_transforms.colour_jitter import ColourJitter
from praxia.data.sample_transforms.crops import AreaCrop, CentreCrop, PseudoViews, RandomCrop
from praxia.data.sample_transforms.shift import RandomShift
from praxia.data.sample_transforms.slots import Slots
from praxia.data.sample_transforms.tested import without_chance

__all__ = ["AreaCrop", "CentreCrop", "ColourJitter", "PseudoViews", "RandomCrop", "RandomShift", "Slots", "without_chance"]
