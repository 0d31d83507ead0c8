"""Things computed once per content: cache folders and content hashes of files."""

import fcntl
import hashlib
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from praxia.processes import check_not_importing_main

_BLOCK = 1 << 22
_seen: dict[tuple[str, int, int], bytes] = {}  # (path, size, mtime) -> digest: files are hashed once per process


def cache_folder(kind: str) -> Path:
    """`${XDG_CACHE_HOME:-~/.cache}/praxia/<kind>`, made if missing."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    path = Path(base) / "praxia" / kind
    path.mkdir(parents=True, exist_ok=True)
    return path


@contextmanager
def one_process(path: Path) -> Iterator[None]:
    """Only one process at a time works on `path`; the others wait. Released by the kernel if the process dies.

    Raises ConfigError in a worker that imports a script which works as it is imported.
    """
    check_not_importing_main()
    name = hashlib.blake2b(str(path.resolve()).encode(), digest_size=16).hexdigest()
    with (cache_folder("locks") / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def file_digest(path: Path) -> bytes:
    """BLAKE2b of a file's bytes."""
    stat = path.stat()
    key = (str(path.resolve()), stat.st_size, stat.st_mtime_ns)
    if key not in _seen:
        digest = hashlib.blake2b(digest_size=16)
        with path.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
        _seen[key] = digest.digest()
    return _seen[key]


def code_digest(folder: Path) -> str:
    """Hex name of the Python source below a folder: what an earlier version of it made is made again."""
    files = sorted(folder.rglob("*.py"))
    return hashlib.blake2b(b"".join(f.read_bytes() for f in files), digest_size=8).hexdigest()


def content_key(files: Iterable[Path], *settings: object) -> str:
    """Hex name for what was computed from these files (order matters, names do not) with these settings."""
    digest = hashlib.blake2b(repr(settings).encode(), digest_size=16)
    for path in files:
        digest.update(file_digest(path))
    return digest.hexdigest()
