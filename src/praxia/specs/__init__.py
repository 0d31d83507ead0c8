"""What the numbers mean: actions, states, cameras, images, datasets."""

from praxia.specs.dataset_card import DatasetCard, ViewKeys
from praxia.specs.dims import ActionSpec, Dim, StateSpec, check_identity
from praxia.specs.images import CameraSpec, ImageSpec
from praxia.specs.observing import Observing

__all__ = ["ActionSpec", "CameraSpec", "DatasetCard", "Dim", "ImageSpec", "Observing", "StateSpec", "ViewKeys", "check_identity"]
