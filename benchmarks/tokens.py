"""Round trip of poses through tokens: what is lost when poses that the pose stages say are written as tokens and read back.

    python benchmarks/tokens.py [--scenes 200] [--out docs/results/tokens.json]

Poses of objects (still scenes) and waypoints (demonstrations) of tabletop's pretrain split; edges are fitted on one half of the samples, the other
half is written and read. Published numbers of tokens, and those of `tiny`.
"""

import argparse
from pathlib import Path

import numpy as np

from praxia.data.demonstrations import Demonstrations
from praxia.data.source import examples_of
from praxia.data.supervision import ObjectPoses, Waypoints
from praxia.files import write_json
from praxia.geometry.rotations import angle_between, euler_to_matrix
from praxia.recipes.base_vlm import QUICKSTART_TASKS
from praxia.recipes.pose_vla import tiny_model
from praxia.tokens.pose_vocabulary import PoseTokens, PoseVocabulary
from praxia.tokens.quantity import Quantity

NEAR = 1.5  # metres along the optical axis: the target's range


def said(scenes: int) -> tuple[list[Quantity], list[Quantity]]:
    """Quantities of the targets: of every second sample, and of the others."""
    apart = {"world_args": {"split": "pretrain", "size": 64}}
    stills = Demonstrations("tabletop", QUICKSTART_TASKS, episodes=scenes, seed=3, steps=1, **apart).open()
    moves = Demonstrations("tabletop", QUICKSTART_TASKS, episodes=max(1, scenes // 10), seed=4, picture_every=3, **apart).open()
    told = [*examples_of(stills, range(len(stills)), ObjectPoses(negatives=0.0)), *examples_of(moves, range(len(moves)), Waypoints())]
    first, second = ([p for example in some for p in example.target or () if isinstance(p, Quantity)] for some in (told[::2], told[1::2]))
    return first, second


def lost(tokens: PoseTokens, quantities: list[Quantity]) -> dict[str, float]:
    """Median and 95th percentile of the errors: translation in mm (near things), rotation in degrees, sides in mm."""
    errors: dict[str, list[float]] = {"translation_mm": [], "rotation_deg": [], "size_mm": []}
    for quantity in quantities:
        true = np.array(quantity.values)
        found = tokens.numbers(tokens.text((quantity,)))
        match quantity.kind:
            case "translation" if true[2] < NEAR:
                # x and y share tokens, z has its own: one group of three
                errors["translation_mm"].append(1000 * float(np.linalg.norm(found["translation"][0] - true)))
            case "rotation":
                errors["rotation_deg"].append(float(np.degrees(angle_between(euler_to_matrix(found["rotation"][0]), euler_to_matrix(true)))))
            case "extent":
                errors["size_mm"].append(1000 * float(np.abs(found["extent"][0] - true).max()))
    shares = {"median": 50, "p95": 95}
    return {f"{name}_{word}": float(np.percentile(values, share)) for name, values in errors.items() for word, share in shares.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scenes", type=int, default=200, help="still scenes a task")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    fit, read = said(options.scenes)
    kinds = ("translation", "extent")
    values = {kind: np.array([q.values for q in fit if q.kind == kind]) for kind in kinds}
    weights = {kind: np.ones(len(rows)) for kind, rows in values.items()}
    published, small = PoseVocabulary(), tiny_model().vocabulary
    rows = [{"vocabulary": name, **lost(spec.fitted(values, weights), read)} for name, spec in (("published", published), ("tiny", small))]
    for row in rows:
        print("  ".join(f"{key} {value:.3g}" if isinstance(value, float) else str(value) for key, value in row.items()))
    if options.out:
        write_json(options.out, {"rows": rows, "poses": len(read)})


if __name__ == "__main__":
    main()
