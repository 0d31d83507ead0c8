"""Doors over one policy: today the openpi websocket protocol; `client` is the far end of one."""

from pathlib import Path

from praxia.serve.openpi import OpenpiServer, ServeOptions, in_background, serve_openpi
from praxia.serve.servable import Servable, ServableSession

__all__ = ["OpenpiServer", "Servable", "ServableSession", "ServeOptions", "in_background", "serve", "serve_openpi"]


def serve(
    policy: Servable,
    host: str = "127.0.0.1",
    port: int = 8000,
    *,
    api_key: str | None = None,
    max_request_mb: float = 64.0,
    seed: int = 0,
    record: Path | None = None,
    record_every: int = 1,
) -> None:
    """Serve one policy to openpi clients until SIGINT or SIGTERM; the fields are those of ServeOptions."""
    serve_openpi(policy, ServeOptions(host, port, api_key, max_request_mb, seed, record, record_every))
