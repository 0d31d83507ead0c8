"""praxia serve: one policy behind the openpi websocket door."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from praxia.cli.arguments import parse
from praxia.cli.train import resolve_device
from praxia.policy import Policy
from praxia.policy.folder import read_config
from praxia.serve import serve


@dataclass(frozen=True)
class Serve:
    """Options."""

    policy: Annotated[Path, tyro.conf.Positional]
    """Policy folder (runs/<name>/policy)."""
    host: str = "127.0.0.1"
    """0.0.0.0 lets other machines in."""
    port: int = 8000
    """0 = the system chooses."""
    api_key: str | None = None
    """Clients then need the header `Authorization: Api-Key KEY`."""
    max_request_mb: float = 64.0
    """Larger messages are refused."""
    record: Path | None = None
    """Folder that gets observations and replies as .npz."""
    record_every: int = 1
    """Every n-th of them."""
    embodiment: str = ""
    """Robot to drive, if the policy knows several."""
    device: str = "auto"
    """auto, cpu, cuda ..."""


def main(arguments: Sequence[str]) -> None:
    """Parse, load, serve until interrupted."""
    o = parse(Serve, "serve", arguments, "Serve a policy to robots and simulators (openpi websocket protocol).")
    read_config(o.policy).check_acts()
    policy = Policy.load(o.policy, resolve_device(o.device), o.embodiment)
    serve(policy, o.host, o.port, api_key=o.api_key, max_request_mb=o.max_request_mb, record=o.record, record_every=o.record_every)
