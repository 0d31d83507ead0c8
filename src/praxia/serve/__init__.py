"""Doors over one policy: today the openpi websocket protocol."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from praxia.serve.openpi import OpenpiServer, ServeOptions, in_background, serve_openpi
from praxia.serve.servable import Servable, ServableSession

__all__ = ["OpenpiServer", "Servable", "ServableSession", "ServeOptions", "in_background", "serve"]


