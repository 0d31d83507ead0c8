"""Which pictures of LIBERO a policy is judged on: those that it was trained on, unless told otherwise."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from praxia.errors import ConfigError
from praxia.specs import CameraSpec


def libero_pictures(policy: Path | str, cameras: Sequence[CameraSpec], size: int | None, orientation: str | None) -> tuple[dict[str, Any], str]:
    """Keywords of the world (size, orientation) for a policy that looks at these cameras, and what its user should know ("" if nothing).

    policy: folder or address, for messages. size: the policy's own side if None; orientation: the policy's own if None. Raises ConfigError where a
    policy that learnt from calibrated, so true, pictures is to see mirrored ones, or learnt from both kinds.
    """
    calibrated, mirrored = ([c.role for c in cameras if getattr(c, name)] for name in ("calibrated", "mirrored"))
    if mirrored and len(mirrored) < len(cameras):
        raise ConfigError(
            f"the policy in {policy} was trained on pictures of which only {', '.join(mirrored)} are mirrored, and LIBERO gives all alike; "
            "fix: set `mirrored` alike for all views of the dataset's card, or leave views out, and train again"
        )
    if orientation == "mirrored" and calibrated:
        raise ConfigError(
            f"--orientation mirrored: the policy in {policy} was trained on pictures with calibration ({', '.join(calibrated)}), which mirrored ones "
            "cannot have; fix: leave it out, or train on mirrored pictures (praxia data make libero --orientation mirrored)"
        )
    side = size or max((max(camera.height, camera.width) for camera in cameras), default=0)
    note = ""
    if mirrored and orientation == "true":
        note = f"{policy} was trained on mirrored pictures and is judged on true ones, as --orientation true says"
    elif not (calibrated or mirrored or orientation):
        note = (
            f"{policy} was trained on pictures without calibration, as those that are mirrored left to right (most public data); "
            "it is judged on true ones: --orientation mirrored gives the others, --orientation true ends this note"
        )
    orientation = orientation or ("mirrored" if mirrored else None)
    return ({"size": side} if side else {}) | ({"orientation": orientation} if orientation else {}), note
