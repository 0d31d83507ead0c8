"""What importing the package does, in a Python of its own."""

import os
import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere MuJoCo draws without being told how")
@pytest.mark.parametrize(("set_before", "found"), [(None, "egl"), ("osmesa", "osmesa")])
def test_worlds_draw_without_a_screen_unless_told_how(set_before, found):
    environment = {k: v for k, v in os.environ.items() if k != "MUJOCO_GL"} | ({"MUJOCO_GL": set_before} if set_before else {})
    code = "import os, praxia; print(os.environ['MUJOCO_GL'])"
    assert subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True).stdout.strip() == found
