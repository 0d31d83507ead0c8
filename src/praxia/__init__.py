"""praxia: staged pretraining with spatial and motion priors for vision-language-action policies."""

import os
import sys

__version__ = "0.1.0"

if sys.platform == "linux":
    os.environ.setdefault("MUJOCO_GL", "egl")  # worlds draw without a screen; MuJoCo reads it when it is first imported, here or in a worker
