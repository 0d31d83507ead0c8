"""Compute dtype: bfloat16 where the hardware multiplies it, float32 where it would be emulated (a hundred times slower on such CPUs)."""

from contextlib import AbstractContextManager
from typing import Any, Literal

import torch

Precision = Literal["auto", "bf16", "fp32"]


def multiplies_bf16(device: torch.device) -> bool:
    """Whether the device has bfloat16 matrix products of its own."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    # torch knows what the CPU has, under names that are not public yet; without them float32 is the safe answer
    probes = [getattr(torch.cpu, name, None) for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported")]
    return any(probe is not None and probe() for probe in probes)


def resolved(precision: Precision, device: torch.device) -> Literal["bf16", "fp32"]:
    """`auto` as this device does it."""
    if precision == "auto":
        return "bf16" if multiplies_bf16(device) else "fp32"
    return precision


def compute(device: torch.device, precision: Precision) -> AbstractContextManager[Any]:
    """Autocast context of a forward: float32 parameters, matrix products in the compute dtype."""
    return torch.autocast(device.type, dtype=torch.bfloat16, enabled=resolved(precision, device) == "bf16")
