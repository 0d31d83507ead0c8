"""Muon for matrices beside AdamW for everything else: steps of equal size in every direction of a matrix.

K. Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks": the momentum of a matrix is made nearly orthogonal by five
Newton-Schulz steps, whose coefficients are from there. Unlike there, a small embedding table may be a matrix like others: rows of rare words then
move as far as those of common ones (docs/log.md).
"""

from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from praxia.models.precision import multiplies_bf16

MOMENTUM = 0.95
_QUINTIC = (3.4445, -4.7750, 2.0315)
_STEPS, _EPS = 5, 1e-7
_LEAST, _MOST = 16, 8192  # rows or columns: fewer have no directions to tell apart, more are the vocabulary of a public model


def matrices(parameters: Mapping[str, nn.Parameter], tables: bool) -> set[str]:
    """Names of those that Muon is for: no vectors, convolutions, a few rows or columns, or large vocabularies; embedding tables where asked for."""
    fit = {name for name, p in parameters.items() if p.ndim == 2 and min(p.shape) >= _LEAST and max(p.shape) <= _MOST}
    return fit if tables else {name for name in fit if "embed" not in name}


class MuonAdamW(torch.optim.Optimizer):
    """AdamW; groups with `muon` hold matrices for Muon. Decay is decoupled: a group's `weight_decay` times its rate.

    grad_scale, found_inf: as the fused AdamW takes them: what gradients are divided by, and 1 where nothing is to be done.
    """

    grad_scale: Tensor | None = None
    found_inf: Tensor | None = None

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float, betas: tuple[float, float], eps: float):
        super().__init__(groups, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0, "muon": False})
        plain = [group for group in self.param_groups if not group["muon"]]
        self._adamw = torch.optim.AdamW(plain, lr=lr, betas=betas, eps=eps, fused=True) if plain else None
        if self._adamw is not None:
            self._adamw.param_groups = plain  # the very same groups and moments: rates and checkpoints reach them through this optimiser
            self._adamw.state = self.state

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every parameter with a gradient."""
        if self._adamw is not None:
            self._adamw.grad_scale, self._adamw.found_inf = self.grad_scale, self.found_inf  # type: ignore[attr-defined]
            self._adamw.step()
        for group in self.param_groups:
            alike: dict[torch.Size, list[nn.Parameter]] = {}
            for parameter in group["params"] if group["muon"] else ():
                if parameter.grad is not None:
                    alike.setdefault(parameter.shape, []).append(parameter)
            for some in alike.values():
                self._update(some, group)

    def _update(self, some: list[nn.Parameter], group: dict[str, Any]) -> None:
        """Of matrices of one shape, beside each other."""
        gradients = torch.stack([p.grad for p in some if p.grad is not None])
        if self.grad_scale is not None:
            gradients = gradients / self.grad_scale
        before = torch.stack([self.state[p].setdefault("momentum_buffer", torch.zeros_like(p)) for p in some])
        after = before.lerp(gradients, 1 - MOMENTUM)
        ahead = gradients.lerp(after, MOMENTUM)  # Nesterov's
        rows, columns = ahead.shape[-2:]
        change = orthogonal(ahead) * max(1.0, rows / columns) ** 0.5
        keep = 1 - group["lr"] * group["weight_decay"]
        for i, parameter in enumerate(some):
            new = (parameter * keep - group["lr"] * change[i], after[i])
            for now, old in zip(new, (parameter, self.state[parameter]["momentum_buffer"]), strict=True):
                # where nothing is to be done, numbers may be NaN: chosen, not multiplied
                old.copy_(now if self.found_inf is None else torch.where(self.found_inf > 0, old, now))


def orthogonal(stack: Tensor) -> Tensor:
    """Matrices [N, A, B] with all singular values brought to about 1 (0.7 to 1.2), float32; the steps run in bf16 where the device has it."""
    tall = stack.shape[-2] > stack.shape[-1]
    x = (stack.mT if tall else stack).to(torch.bfloat16 if multiplies_bf16(stack.device) else torch.float32)
    x = x / x.flatten(1).norm(dim=1).clamp_min(_EPS)[:, None, None]
    a, b, c = _QUINTIC
    for _ in range(_STEPS):
        gram = x @ x.mT
        x = torch.baddbmm(x, torch.baddbmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return (x.mT if tall else x).float()
