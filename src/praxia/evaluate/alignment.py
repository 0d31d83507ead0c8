"""How near projected visual states come to a geometry net's features, apart from what all pictures have in common."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor


@dataclass
class Mean:
    """Mean of the teacher's features as unit vectors, for every view and token: what can be said without looking."""

    total: Tensor | None = None  # [V, P, C]
    count: Tensor | None = None  # [V]

    def add(self, target: Tensor, valid: Tensor) -> None:
        """Features [B, V, P, C] of views that are there, bool [B, V]."""
        units = F.normalize(target.float(), dim=-1) * valid[..., None, None]
        total, count = units.sum(0), valid.sum(0)
        self.total = total if self.total is None else self.total + total
        self.count = count if self.count is None else self.count + count

    @property
    def value(self) -> Tensor:
        """[V, P, C]."""
        if self.total is None or self.count is None:
            raise RuntimeError("the mean of no features was asked for; add some first")
        return self.total / self.count.clamp_min(1)[:, None, None]


@dataclass
class Alignment:
    """Sums over held-out pictures. mean: [V, P, C] of training features (`Mean`)."""

    mean: Tensor
    sums: dict[str, Tensor] = field(default_factory=dict)
    views: Tensor | None = None

    def add(self, student: Tensor, target: Tensor, valid: Tensor) -> None:
        """Projected states and features, both [B, V, P, C]; valid: bool [B, V]."""
        ours, theirs = F.normalize(student.float(), dim=-1), F.normalize(target.float(), dim=-1)
        mean = self.mean.expand_as(theirs)
        terms = {
            "cosine": (ours * theirs).sum(-1),
            "blind_cosine": F.cosine_similarity(mean, theirs, dim=-1),
            "centred_cosine": F.cosine_similarity(ours - mean, theirs - mean, dim=-1),
            # a unit vector too, as ours: what is left of it points where features of narrow spread lie, so it does not score exactly 0
            "blind_centred_cosine": F.cosine_similarity(F.normalize(mean, dim=-1) - mean, theirs - mean, dim=-1),
        }
        for name, term in terms.items():
            total = (term.mean(-1) * valid).sum(0)
            self.sums[name] = self.sums[name] + total if name in self.sums else total
        self.views = valid.sum(0) if self.views is None else self.views + valid.sum(0)

    def scores(self, roles: Sequence[str]) -> dict[str, float]:
        """ROLE/NAME -> number, means over tokens and pictures of every view that was there.

        cosine: between projected state and feature; centred_cosine: after the training mean has been taken from both; both with `blind_` in front: of
        the training mean itself, all that a projector which does not look can have learnt.
        """
        assert self.views is not None
        seen = [(slot, role) for slot, role in enumerate(roles) if self.views[slot] > 0]
        return {f"{role}/{name}": float(total[slot] / self.views[slot]) for name, total in self.sums.items() for slot, role in seen}
