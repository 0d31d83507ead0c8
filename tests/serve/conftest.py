"""A policy behind a door on a free port, and a plain websocket client."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from arm_policy import ArmPolicy
from websockets.sync.client import ClientConnection, connect

from praxia.serve import OpenpiServer, ServeOptions, in_background
from praxia.serve.codec import unpack


@pytest.fixture(scope="session")
def openpi_python() -> str:
    """The python of the environment that holds the real openpi-client."""
    build = Path(__file__).parents[2] / "scripts" / "oracles"
    built = subprocess.run([build, "openpi-client"], capture_output=True, text=True, env=os.environ | {"PRAXIA_PYTHON": sys.executable})
    if built.returncode:
        pytest.skip(f"the environment of openpi-client cannot be made here: {built.stderr.strip()[-300:]}")
    return built.stdout.strip()


@pytest.fixture
def policy() -> ArmPolicy:
    return ArmPolicy()


@pytest.fixture
def server(policy: ArmPolicy) -> Iterator[OpenpiServer]:
    with in_background(policy, ServeOptions(port=0, max_request_mb=1)) as server:
        yield server


@pytest.fixture
def dial(server: OpenpiServer) -> Iterator[Callable[[], ClientConnection]]:
    """Connect and read the metadata, as openpi's client does."""
    with ExitStack() as stack:

        def dial() -> ClientConnection:
            connection = stack.enter_context(connect(f"ws://127.0.0.1:{server.port}", compression=None, max_size=None))
            assert unpack(bytes(connection.recv(5)))["recipe"] == "pose_vla"
            return connection

        yield dial
