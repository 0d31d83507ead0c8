"""All randomness of training is a function of (seed, stage, purpose, step, micro-batch): a resumed run draws what an uninterrupted one draws."""

import hashlib

import torch


def derived_seed(*key: int | str) -> int:
    """63-bit seed of a key; different keys give independent seeds on any machine."""
    return int.from_bytes(hashlib.blake2b(repr(key).encode(), digest_size=8).digest(), "little") >> 1


def generator(*key: int | str) -> torch.Generator:
    """CPU generator of a key. Draws are made on the CPU, so that they are the same for any device."""
    return torch.Generator().manual_seed(derived_seed(*key))
