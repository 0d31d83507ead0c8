# MuJoCo's names come from compiled modules without stubs; without this file the type checker sees none of them.
from typing import Any

def __getattr__(name: str) -> Any: ...
