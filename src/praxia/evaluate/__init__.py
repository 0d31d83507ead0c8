"""Judging policies: plans fixed beforehand, closed-loop episodes, controls, intervals."""

from praxia.evaluate.benchmarks import Benchmark, benchmark, benchmark_names
from praxia.evaluate.evaluate import compare_categories, compare_folders, evaluate
from praxia.evaluate.factory import Factory, policy_folder
from praxia.evaluate.plan import EpisodePlan
from praxia.evaluate.rollout import Record, Rules, Trial, rollout

__all__ = [
    "Benchmark",
    "EpisodePlan",
    "Factory",
    "Record",
    "Rules",
    "Trial",
    "benchmark",
    "benchmark_names",
    "compare_categories",
    "compare_folders",
    "evaluate",
    "policy_folder",
    "rollout",
]
