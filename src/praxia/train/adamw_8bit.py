"""AdamW whose moments take 8 bits a number (Dettmers et al., arXiv 2110.02861): a code a number, a float32 scale a block."""

from collections.abc import Iterable
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

BLOCK = 256  # numbers that share a scale
LEAST = 4096  # smaller tensors keep float32 moments: they are cheap and often sensitive (norms, biases)
_MOMENTS = ("exp_avg", "exp_avg_sq")
_AT_ONCE = BLOCK * 2**16  # numbers
_CPU = torch.device("cpu")


@cache
def code_book(signed: bool, device: torch.device = _CPU) -> Tensor:
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
    return torch.cat([*([-positive] if signed else []), torch.tensor([0.0, 1.0]), positive]).sort().values.to(device)


@cache
def _borders(signed: bool, device: torch.device) -> Tensor:
    """Middles between neighbours of the code book."""
    book = code_book(signed, device)
    return (book[1:] + book[:-1]) / 2


def encode(values: Tensor, signed: bool) -> tuple[Tensor, Tensor]:
    """float32 of any shape -> codes uint8 [blocks, 256] and the blocks' scales float32 [blocks]: their numbers of largest magnitude, sign and all,
    which are coded as exactly 1, so that what was decoded is encoded to the same codes."""
    flat = values.flatten()
    blocks = nn.functional.pad(flat, (0, -len(flat) % BLOCK)).view(-1, BLOCK)
    scales = blocks.gather(1, blocks.abs().argmax(1, keepdim=True))[:, 0]
    shares = blocks / torch.where(scales == 0, 1.0, scales)[:, None]
    return torch.bucketize(shares, _borders(signed, values.device), out_int32=True).to(torch.uint8), scales


def decode(codes: Tensor, scales: Tensor, count: int, signed: bool) -> Tensor:
    """The first `count` numbers that codes and scales stand for, float32 [count]."""
    return (code_book(signed, codes.device)[codes.int()] * scales[:, None]).flatten()[:count]


class AdamW8bit(torch.optim.Optimizer):
    """As `torch.optim.AdamW(fused=True)`, with `grad_scale` (gradients are divided by it) and `found_inf` (nothing is done where it is set), without
    waiting for the device. Large tensors are updated a piece at a time, so that little stands in float32 at once."""

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
        if not state:
            return {}
        pieces = [_moments(state, start, size) for start, size in _pieces(parameter)]
        found = {name: torch.cat([piece[i] for piece in pieces]).view_as(parameter) for i, name in enumerate(_MOMENTS)}
        return {"step": state["step"], **found}

    def set_moments(self, parameter: nn.Parameter, moments: dict[str, Tensor]) -> None:
        """Go on from moments that `moments` gave: equal to the last bit, since decoded numbers are encoded to the same codes."""
        state = self._fresh(parameter)
        state["step"].copy_(moments["step"])
        first, second = (moments[name].to(parameter.device).flatten() for name in _MOMENTS)
        for start, size in _pieces(parameter):
            _keep(state, start, first[start : start + size], second[start : start + size])

    def _fresh(self, parameter: nn.Parameter) -> dict[str, Tensor]:
        """Moments of zero."""
        state, device, count = self.state[parameter], parameter.device, parameter.numel()
        state["step"] = torch.zeros((), device=device)
        for name in _MOMENTS:
            if count < LEAST:
                state[name] = torch.zeros(count, device=device)
            else:
                state[f"{name}_codes"] = torch.zeros(-(-count // BLOCK), BLOCK, dtype=torch.uint8, device=device)
                state[f"{name}_scales"] = torch.zeros(-(-count // BLOCK), device=device)
        return state

    def _update(self, parameter: nn.Parameter, group: dict[str, Any]) -> None:
        assert parameter.grad is not None
        state = self.state[parameter] or self._fresh(parameter)
        slow, square = group["betas"]
        done = torch.ones((), device=parameter.device) if self.found_inf is None else 1 - self.found_inf.float()
        state["step"] += done
        step = state["step"].clamp_min(1)
        rate, root = group["lr"] / (1 - slow**step), (1 - square**step).sqrt()
        weights, gradients = parameter.view(-1), parameter.grad.reshape(-1)
        for start, size in _pieces(parameter):
            before = _moments(state, start, size)
            gradient = gradients[start : start + size]
            if self.grad_scale is not None:
                gradient = gradient / self.grad_scale
            first, second = before[0].lerp(gradient, 1 - slow), before[1].lerp(gradient.square(), 1 - square)
            weight = weights[start : start + size]
            new = weight * (1 - group["lr"] * group["weight_decay"]) - rate * first / (second.sqrt() / root + group["eps"])
            # where nothing is to be done, numbers may be NaN: chosen, not multiplied
            weight.copy_(torch.where(done > 0, new, weight))
            _keep(state, start, *(torch.where(done > 0, now, old) for now, old in zip((first, second), before, strict=True)))


def _pieces(parameter: nn.Parameter) -> list[tuple[int, int]]:
    """(start, size) of a tensor's pieces: whole blocks, the last one as it comes."""
    return [(start, min(_AT_ONCE, parameter.numel() - start)) for start in range(0, parameter.numel(), _AT_ONCE)]


def _moments(state: dict[str, Tensor], start: int, size: int) -> tuple[Tensor, Tensor]:
    """Both moments of a piece, float32 [size]."""
    if "exp_avg" in state:
        return state["exp_avg"][start : start + size], state["exp_avg_sq"][start : start + size]
    rows = slice(start // BLOCK, -(-(start + size) // BLOCK))
    first, root = (decode(state[f"{n}_codes"][rows], state[f"{n}_scales"][rows], size, signed=n == "exp_avg") for n in _MOMENTS)
    return first, root.square()


def _keep(state: dict[str, Tensor], start: int, first: Tensor, second: Tensor) -> None:
    """Keep both moments of a piece.

    Of the second one the root is coded, which has the range of the first: a square that is rounded to zero beside a first moment that is not would
    make a step of any size.
    """
    if "exp_avg" in state:
        state["exp_avg"][start : start + len(first)] = first
        state["exp_avg_sq"][start : start + len(first)] = second
        return
    rows = slice(start // BLOCK, -(-(start + len(first)) // BLOCK))
    for name, values in zip(_MOMENTS, (first, second.sqrt()), strict=True):
        state[f"{name}_codes"][rows], state[f"{name}_scales"][rows] = encode(values, signed=name == "exp_avg")
