"""How often the scripted experts of LIBERO succeed, from the benchmark's init states, without noise; goes on where it was stopped.

    python benchmarks/libero_experts.py --suites libero_object libero_spatial [--tasks 0 3] [--starts 50] [--out FILE]

One line an episode, with the code of the world that ran it: lines of other code are run again. At the end, and with --summary alone, a table with
Wilson intervals. No pictures are drawn: 2 to 5 s of one core an episode. Starts are interleaved over tasks: a part of a run says something of each.
"""

import argparse
import json
import time
from collections import defaultdict
from pathlib import Path

import praxia.worlds.libero
from praxia.data.cache import code_digest
from praxia.errors import ConfigError
from praxia.evaluate.intervals import wilson
from praxia.worlds.libero import STARTS, SUITES, Libero
from praxia.worlds.libero.environment import python
from praxia.worlds.libero.experts import can
from praxia.worlds.world import Episode

CODE = code_digest(Path(str(praxia.worlds.libero.__file__)).parent)  # all that an expert sees and does


def attempt(world: Libero, task: str, start: int) -> dict[str, object]:
    """One episode of the expert."""
    began = time.perf_counter()
    world.reset(Episode(task, start))
    success, steps = False, 0
    if can(world.now.scene):
        while not success and steps < world.max_steps(task):
            success = world.step(world.expert()).success
            steps += 1
    return {"success": success, "steps": steps, "seconds": round(time.perf_counter() - began, 2)}


def read(path: Path) -> dict[tuple[str, str, int], dict[str, object]]:
    """What was run so far with this code."""
    rows = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    found = {(row["suite"], row["task"], row["start"]): row for row in rows if row.get("code") == CODE}
    if others := sum(row.get("code") != CODE for row in rows):
        print(f"{path}: {others} of {len(rows)} lines are of other code and count for nothing")
    return found


def table(rows: dict[tuple[str, str, int], dict[str, object]]) -> None:
    """Success by task."""
    tasks = defaultdict(list)
    for (suite, task, _), row in rows.items():
        tasks[suite, task].append(bool(row["success"]))
    for (suite, task), found in sorted(tasks.items(), key=lambda item: (item[0][0], SUITES[item[0][0]].index(item[0][1]))):
        rate = wilson(sum(found), len(found))
        print(f"{suite} {SUITES[suite].index(task)} {task}: {sum(found)}/{len(found)} ({rate.low:.2f} to {rate.high:.2f})")


def main() -> None:
    """Run what is missing, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suites", nargs="+", default=["libero_object", "libero_spatial"], choices=SUITES)
    parser.add_argument("--tasks", nargs="+", type=int, default=list(range(10)))
    parser.add_argument("--starts", type=int, default=STARTS)
    parser.add_argument("--out", type=Path, default=Path("runs/libero_experts.jsonl"))
    parser.add_argument("--summary", action="store_true", help="only print what is there")
    options = parser.parse_args()
    for suite in options.suites:
        if beyond := [number for number in options.tasks if not 0 <= number < len(SUITES[suite])]:
            parser.error(f"--tasks {beyond}: {suite} has 0 to {len(SUITES[suite]) - 1}")
    if not 1 <= options.starts <= STARTS:
        parser.error(f"--starts {options.starts}: expected 1 to {STARTS}")
    if not options.summary:
        try:
            python()
        except ConfigError as error:
            parser.error(str(error))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    rows = read(options.out)
    for start in range(0 if options.summary else options.starts):
        for suite in options.suites:
            world = Libero(suite)
            try:
                for task in (SUITES[suite][number] for number in options.tasks):
                    if (suite, task, start) in rows:
                        continue
                    row = {"suite": suite, "task": task, "start": start, **attempt(world, task, start), "code": CODE}
                    rows[suite, task, start] = row
                    with options.out.open("a") as file:
                        file.write(json.dumps(row) + "\n")
            finally:
                world.close()
    table(rows)


if __name__ == "__main__":
    main()
