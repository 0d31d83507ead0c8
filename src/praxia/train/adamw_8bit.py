"""AdamW whose moments take 8 bits a number (Dettmers et al., arXiv 2110.02861): a code a number, a float32 scale a block."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

BLOCK = 256  # numbers that share a scale
LEAST = 4096  # smaller tensors keep float32 moments: they are cheap and often sensitive (norms, biases)
_MOMENTS = ("exp_avg", "exp_avg_sq")


@cache
def code_book(signed: bool) -> Tensor:
    """The 256 numbers of [-1, 1] or [0, 1] that codes stand for, ascending: dynamic tree quantisation.

    A code has a sign (if signed), i zeros, a one, and what is left as a linear fraction of [0.1, 1] x 10^-i: small numbers keep about as many
    digits as large ones. 0 and 1 are numbers of their own.
    """
    bits = 6 if signed else 7
    parts = []
    for zeros in range(7):
        edges = torch.linspace(0.1, 1.0, 2 ** (bits - zeros) + 1)
        parts.append((edges[:-1] + edges[1:]) / 2 * 10.0**-zeros)
    positive = torch.cat(parts)
    return torch.cat([*([-positive] if signed else []), torch.tensor([0.0, 1.0]), positive]).sort().values


def encode(values: Tensor, signed: bool) -> tuple[Tensor, Tensor]:
    """float32 of any shape -> codes uint8 [blocks, 256] and the blocks' scales float32 [blocks]: their numbers of largest magnitude, sign and all,
    which are coded as exactly 1, so that what was decoded is encoded to the same codes."""
    flat = values.flatten()
    blocks = nn.functional.pad(flat, (0, -len(flat) % BLOCK)).view(-1, BLOCK)
    scales = blocks.gather(1, blocks.abs().argmax(1, keepdim=True))[:, 0]
    book = code_book(signed).to(values.device)
    shares = blocks / torch.where(scales == 0, 1.0, scales)[:, None]
    return torch.bucketize(shares, (book[1:] + book[:-1]) / 2).to(torch.uint8), scales


def decode(codes: Tensor, scales: Tensor, shape: torch.Size, signed: bool) -> Tensor:
    """The numbers that codes and scales stand for, float32 of `shape`."""
    values = code_book(signed).to(codes.device)[codes.int()] * scales[:, None]
    return values.flatten()[: shape.numel()].view(shape)


class AdamW8bit(torch.optim.Optimizer):
    """As `torch.optim.AdamW(fused=True)`, with `grad_scale` (gradients are divided by it) and `found_inf` (nothing is done where it is set), without
    waiting for the device."""

    grad_scale: Tensor | None = None
    found_inf: Tensor | None = None

    def __init__(self, groups: Iterable[dict[str, Any]], lr: float, betas: tuple[float, float], eps: float):
        super().__init__(groups, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every parameter with a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)

    def moments(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        """`step`, `exp_avg`, `exp_avg_sq` of a parameter as float32; {} before its first update."""
        state = self.state.get(parameter, {})
        return {"step": state["step"], **{name: self._moment(state, name, parameter) for name in _MOMENTS}} if state else {}

    def set_moments(self, parameter: nn.Parameter, moments: dict[str, Tensor]) -> None:
        """Go on from moments that `moments` gave: equal to the last bit, since decoded numbers are encoded to the same codes."""
        state = self.state[parameter]
        state["step"] = moments["step"].to(parameter.device)
        for name in _MOMENTS:
            self._keep(state, name, moments[name].to(parameter.device), parameter)

    def _update(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        assert parameter.grad is not None
        if not self.state[parameter]:
            zeros = torch.zeros_like(parameter)
            self.set_moments(parameter, {"step": torch.zeros(()), **dict.fromkeys(_MOMENTS, zeros)})
        state, (slow, square) = self.state[parameter], group["betas"]
        off = torch.zeros((), dtype=torch.bool, device=parameter.device) if self.found_inf is None else self.found_inf.bool()
        gradient = parameter.grad if self.grad_scale is None else parameter.grad / self.grad_scale
        first = self._moment(state, "exp_avg", parameter).lerp(gradient, 1 - slow)
        second = self._moment(state, "exp_avg_sq", parameter).lerp(gradient.square(), 1 - square)
        step = state["step"] + 1
        size = group["lr"] / (1 - slow**step)
        change = first / ((second / (1 - square**step)).sqrt() + group["eps"])
        parameter.copy_(torch.where(off, parameter, parameter * (1 - group["lr"] * group["weight_decay"]) - size * change))
        state["step"] = torch.where(off, state["step"], step)
        for name, value in zip(_MOMENTS, (first, second), strict=True):
            self._keep(state, name, torch.where(off, self._moment(state, name, parameter), value), parameter)

    @staticmethod
    def _moment(state: dict[str, Tensor], name: str, parameter: nn.Parameter) -> Tensor:
        if name in state:
            return state[name]
        value = decode(state[f"{name}_codes"], state[f"{name}_scales"], parameter.shape, signed=name == "exp_avg")
        return value if name == "exp_avg" else value.square()

    @staticmethod
    def _keep(state: dict[str, Tensor], name: str, value: Tensor, parameter: nn.Parameter) -> None:
        if parameter.numel() < LEAST:
            state[name] = value
        else:
            # The root of the second moment has the range of the first: a square that is rounded to zero beside a first moment that is not
            # would make a step of any size.
            rooted = value if name == "exp_avg" else value.sqrt()
            state[f"{name}_codes"], state[f"{name}_scales"] = encode(rooted, signed=name == "exp_avg")
