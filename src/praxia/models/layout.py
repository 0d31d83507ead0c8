"""TokenLayout: ordered named token groups -> order, padding, positions and every attention mask.

Each group has a block. Rows of one block see each other (a causal group only what stands before it in the block),
later blocks see earlier ones, never the other way round. Pose-VLA, for example, is block 0 = all views + prompt,
block 1 = target, causal. Padding is right inside each group, masked as key and skipped by positions.
"""

from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor

from praxia.errors import ConfigError, unknown


@dataclass(frozen=True)
class Group:
    """A run of tokens with one name, e.g. `view:head`, `prompt`, `target`, `seg`, `queries`, `state`, `action`."""

    name: str
    length: int
    block: int
    causal: bool = False


@dataclass(frozen=True)
class TokenLayout:
    """Groups in sequence order with their validity.

    valid: bool [B, N], N = sum of the group lengths; False = padding or a masked view.
    """

    groups: tuple[Group, ...]
    valid: Tensor

    def __post_init__(self) -> None:
        names = [g.name for g in self.groups]
        if len(set(names)) != len(names):
            raise ConfigError(f"token groups must have different names, got {names}")
        if self.valid.shape[1] != self.length:
            raise ConfigError(f"validity has {self.valid.shape[1]} columns, the groups {names} have {self.length} tokens")

    @property
    def length(self) -> int:
        """Tokens in the sequence."""
        return sum(g.length for g in self.groups)

    @property
    def names(self) -> tuple[str, ...]:
        """Group names in order."""
        return tuple(g.name for g in self.groups)

    @property
    def views(self) -> tuple[str, ...]:
        """Names of the view groups in slot order."""
        return tuple(n for n in self.names if n.startswith("view:"))

    def __contains__(self, name: str) -> bool:
        return name in self.names

    def slice(self, name: str) -> slice:
        """Rows of a group."""
        start = 0
        for group in self.groups:
            if group.name == name:
                return slice(start, start + group.length)
            start += group.length
        raise ConfigError(unknown("token group", name, self.names))

    def rows(self, names: tuple[str, ...]) -> Tensor:
        """Indices int64 of the rows of several groups, in the given order."""
        parts = [torch.arange(s.start, s.stop) for s in map(self.slice, names)]
        return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.long)

    def extended(self, groups: tuple[Group, ...], valid: Tensor) -> "TokenLayout":
        """The same layout with further groups behind it (a head's own rows); valid: bool [B, sum of their lengths]."""
        return TokenLayout(self.groups + groups, torch.cat([self.valid, valid], dim=1))

    def hiding(self, name: str) -> "TokenLayout":
        """The same layout with one group marked as not there (unchanged if it has no such group)."""
        if name not in self:
            return self
        valid = self.valid.clone()
        valid[:, self.slice(name)] = False
        return replace(self, valid=valid)

    def repeated(self, times: int) -> "TokenLayout":
        """Every sample `times` times in a row (several flow draws for one prefix)."""
        return replace(self, valid=self.valid.repeat_interleave(times, dim=0))

    def positions(self, first: int = 0) -> Tensor:
        """int64 [B, N]: index among the valid tokens, starting at `first`; padding repeats the position before it."""
        return (self.valid.long().cumsum(1) - 1).clamp_min(0) + first

    def next_position(self, first: int = 0) -> Tensor:
        """int64 [B]: position of the next token after the sequence."""
        return self.valid.long().sum(1) + first

    def mask(self, queries: tuple[str, ...] | None = None) -> Tensor:
        """bool [B, 1, Q, N]: True where a query row may look at a key column. queries: group names (all if None).

        A row always sees itself, so padded rows stay finite; nobody else sees them.
        """
        allowed = _structure(self.groups).to(self.valid.device)
        own = torch.eye(self.length, dtype=torch.bool, device=self.valid.device)
        if queries is not None:
            rows = self.rows(queries).to(self.valid.device)
            allowed, own = allowed[rows], own[rows]
        return ((allowed & self.valid[:, None, :]) | own)[:, None]

    def describe(self) -> str:
        """The layout as the papers draw it: one row per group, what it sees."""
        width = max(len(g.name) for g in self.groups)
        lines = []
        for i, group in enumerate(self.groups):
            beside = self.groups[:i] if group.causal else self.groups[:i] + self.groups[i + 1 :]
            seen = [o.name for o in self.groups if o.block < group.block or (o.block == group.block and o in beside)]
            inside = "causal" if group.causal else "bidirectional"
            lines.append(f"{group.name:<{width}}  {group.length:>4} tokens  block {group.block}  {inside:<13}  sees {', '.join(seen) or 'itself'}")
        return "\n".join(lines)


@lru_cache(maxsize=256)
def _structure(groups: tuple[Group, ...]) -> Tensor:
    """bool [N, N]: who may see whom if nothing were padded."""
    block = torch.cat([torch.full((g.length,), g.block) for g in groups])
    causal = torch.cat([torch.full((g.length,), g.causal, dtype=torch.bool) for g in groups])
    index = torch.arange(len(block))
    earlier_block = block[None, :] < block[:, None]
    same_block = block[None, :] == block[:, None]
    before = index[None, :] <= index[:, None]
    return earlier_block | (same_block & (before | ~causal[:, None]))
