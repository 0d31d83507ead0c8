"""Perturbations of episodes: seven categories, five levels, the same names in every world."""

from praxia.worlds.perturbations.perturbation import Perturbation, draw, split_name, table_hash
from praxia.worlds.perturbations.strengths import CATEGORIES, LEVELS, PUBLISHED_CAMERA, PUBLISHED_TASKS, STRENGTHS, Kind, Table

__all__ = [
    "CATEGORIES",
    "LEVELS",
    "PUBLISHED_CAMERA",
    "PUBLISHED_TASKS",
    "STRENGTHS",
    "Kind",
    "Perturbation",
    "Table",
    "draw",
    "split_name",
    "table_hash",
]
