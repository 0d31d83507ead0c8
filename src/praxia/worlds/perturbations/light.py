"""Another light in a MuJoCo model: from elsewhere, less or more of it, coloured, or without what comes from everywhere."""

from typing import Any

import numpy as np

from praxia.worlds.perturbations.perturbation import Perturbation

_HUES = np.array([(1.00, 0.62, 0.32), (0.48, 0.68, 1.00), (0.60, 1.00, 0.62), (1.00, 0.55, 0.95)])  # warm, cold, green, violet
_LAMPS_GAIN = 0.5  # how much brighter the lamps are where no light comes from everywhere


def change_light(model: Any, found: Perturbation) -> None:
    """Change all lamps and the headlight of a mujoco.MjModel in place."""
    rng, strength, head = found.rng(), found.strength, model.vis.headlight
    if found.kind.name == "direction":
        tilt, side = np.radians(strength), rng.uniform(0, 2 * np.pi)
        model.light_dir[:] = [np.sin(tilt) * np.cos(side), np.sin(tilt) * np.sin(side), -np.cos(tilt)]
    elif found.kind.name == "ambient":
        head.ambient[:] = head.ambient * (1 - strength)
        model.light_diffuse[:] = model.light_diffuse * (1 + _LAMPS_GAIN * strength)
    else:
        hue = _HUES[int(rng.integers(len(_HUES)))]
        factor = {"dimmer": np.full(3, 1 - strength), "brighter": np.full(3, 1 + strength), "colour": 1 - strength * (1 - hue)}[found.kind.name]
        for part in (head.ambient, head.diffuse, head.specular, model.light_ambient, model.light_diffuse, model.light_specular):
            part[:] = part * factor
