"""The whole story on one machine: make demonstrations, train in stages, judge beside controls, write the report."""

from collections.abc import Sequence
from pathlib import Path

from praxia.evaluate.benchmarks import benchmark
from praxia.evaluate.evaluate import evaluate
from praxia.evaluate.factory import policy_folder
from praxia.recipes.base_vlm import QUICKSTART_TASKS
from praxia.recipes.load import load_recipe, override
from praxia.train.settings import TrainSettings
from praxia.workflows import summary
from praxia.workflows.films import filmed
from praxia.workflows.report import run_report
from praxia.workflows.train_recipe import train_recipe

EPISODES = 20  # a task; five tasks make one hundred held-out episodes
CONTROL_EPISODES = 10  # a task, the first of the same ones, for each control


def quickstart(
    root: Path | str,
    settings: TrainSettings,
    overrides: Sequence[str] = (),
    tasks: Sequence[str] = QUICKSTART_TASKS,
    episodes: int = EPISODES,
    restart: bool = False,
    show: bool = True,
) -> Path:
    """Run everything that is not finished yet; returns the path of report.html. Beside it: summary.json, policy/, eval/, stages/."""
    root = Path(root)
    recipe = override(load_recipe("pose_vla", "tiny"), overrides)
    with summary.Watch() as watch:
        trained = train_recipe(recipe, root, settings, restart=restart)
        assert trained.policy is not None
        judged = benchmark("tabletop", tasks, episodes)
        results = evaluate(judged, policy_folder(trained.policy), root / "eval", control_episodes=min(episodes, CONTROL_EPISODES), show=show)
    values = summary.judged(results) | {"wall_s": watch.seconds + trained.earlier_seconds, "peak_rss_gb": watch.peak_rss_gb}
    summary.add(root, values)
    return run_report(trained, results, tuple(filmed(judged, policy_folder(trained.policy), root / "eval")))
