"""MuJoCo without a screen: what to say when no GL works."""

import os

from praxia.errors import RenderError


def no_gl(error: BaseException) -> RenderError:
    """The error a user meets, whatever the GL library raised."""
    return RenderError(
        f"no working GL for headless rendering with MUJOCO_GL={os.environ.get('MUJOCO_GL', '(unset)')!r} ({type(error).__name__}: {error}); "
        "fix: install software GL (Debian or Ubuntu: apt-get install libegl1 libgl1-mesa-dri) and set MUJOCO_GL=egl before Python starts, "
        "or install libosmesa6 and set MUJOCO_GL=osmesa"
    )


def import_mujoco() -> None:
    """Import MuJoCo, which loads the GL library that MUJOCO_GL names. Raises RenderError if that library cannot be loaded."""
    try:
        import mujoco  # noqa: F401
    except Exception as error:  # each GL loader raises its own kind
        raise no_gl(error) from error


def backend() -> str:
    """Name of the GL backend MuJoCo was imported with, e.g. "egl"; "none" if GL is switched off."""
    import mujoco

    context = getattr(mujoco, "GLContext", None)
    return "none" if context is None else context.__module__.rpartition(".")[2]
