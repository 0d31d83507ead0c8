"""Scripted experts for LIBERO's tasks, from privileged state through the benchmark's own controller."""

from praxia.worlds.libero.experts.expert import Expert, can

__all__ = ["Expert", "can"]
