"""Pictures as the camera took them: metric answers from one picture need its focal length (VIPA-VLA; open point 27)."""

import numpy as np

from praxia.data.sample import Sample
from praxia.data.supervision.supervision import picture_size
from praxia.errors import ConfigError


def check_as_taken(sample: Sample, supervision: str) -> None:
    """ConfigError if a sample transform has moved, cropped or turned a picture: things would look nearer, or right would be left."""
    for view in sample.views:
        if not np.array_equal(view.affine, np.eye(2, 3)) or picture_size(view) != view.image.shape[:2]:
            raise ConfigError(
                f"{supervision} asks for metres, but a sample transform has moved the picture of view {view.role!r}; leave crops, shifts and turns "
                "out of the source's transforms (ColourJitter may stay)"
            )
