"""What kept features of a teacher are worth: a step of an alignment stage with the net looking at each picture, and with its features from disk.

    python benchmarks/feature_cache.py [--net runs/tabletop_geometry/geometry] [--batch 32] [--steps 15] [--out docs/results/feature_cache.json]

The robot stage of `pose_vla`'s `tiny` with a geometry projector and the alignment loss; without --net the teacher has random weights, which take as
long. Parity gate: on pictures as stored, features from disk equal the net's own in the same batch to the last bit; in bfloat16 a
batch of another size may round otherwise, which is printed. Steps of the three forms alternate.
"""

import argparse
import json
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from training import batch_of, spec

from praxia.annotate.feature_cache import CachedFeatures
from praxia.data.mixture import MicroBatch
from praxia.models.geometry_nets.geometry_net import frozen, pretrained
from praxia.models.geometry_nets.tabletop_geometry import TabletopGeometry
from praxia.models.precision import compute, resolved
from praxia.models.readouts import GeometryProjector
from praxia.models.vla import PARTS, VLA
from praxia.objectives import GeometryAlignment
from praxia.policy.net_catalogue import net_spec
from praxia.recipes.pose_vla import tiny
from praxia.stages.recipe import Weighted
from praxia.train.checkpoint import Trainee
from praxia.train.guard import NanGuard
from praxia.train.settings import TrainSettings
from praxia.train.stream import prepare, split
from praxia.train.trainable import apply_trainable
from praxia.train.update import Update
from praxia.workflows.summary import machine

CPU = torch.device("cpu")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", default="")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--steps", type=int, default=15)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    net_is = net_spec(options.net) if options.net else TabletopGeometry()
    net = pretrained(net_is) if options.net else frozen(net_is.build())
    stage = next(s for s in tiny().stages if s.name == "robot")
    aligned = replace(stage, objectives=(*stage.objectives, Weighted(GeometryAlignment())))
    model_is = spec(2)
    model = VLA(replace(model_is, readouts=model_is.readouts | {"geometry": GeometryProjector(width=net.width)}), PARTS, {})
    parameters = apply_trainable(model, ("*",), ())
    batches = [batch_of(options.batch, 64, "action_chunk", seed) for seed in range(4)]
    settings = TrainSettings(quiet=True)
    with tempfile.TemporaryDirectory() as folder:
        cache = CachedFeatures(net, net_is, resolved("auto", CPU), Path(folder))
        alone = 0.0  # largest difference to a look at each sample by itself, for which other sums may be rounded
        for batch in batches:
            with torch.no_grad(), compute(CPU, "auto"):
                cache.features(batch)
                cached = cache.features(batch).patches
                assert torch.equal(cached, net.features(batch).patches), "features from disk are not the net's own"
                singly = torch.cat([net.features(part).patches for part in split(batch, batch.size, batch.size)])
                alone = max(alone, float((cached.float() - singly.float()).abs().max()))
        forms = {"no teacher": (stage, {}), "online": (aligned, {"geometry": net}), "cached": (aligned, {"geometry": cache})}
        updates = {
            name: Update(model, form, Trainee(model, parameters, form.optimiser.build(parameters), None), NanGuard(CPU), teachers, settings)
            for name, (form, teachers) in forms.items()
        }
        times: dict[str, list[float]] = {name: [] for name in forms}
        for number in range(options.steps + 2):
            for name, update in updates.items():
                micros = prepare(model, [MicroBatch(batches[number % len(batches)], "action_chunk")], update.workers, False, number)
                start = time.perf_counter()
                update(micros, number, 1e-4, number)
                if number >= 2:
                    times[name].append(time.perf_counter() - start)
        size = cache.counts.bytes / (cache.counts.hits + cache.counts.misses)
    median = {name: statistics.median(values) for name, values in times.items()}
    found = {
        "ms_per_step": {name: round(1e3 * seconds, 1) for name, seconds in median.items()},
        "cached / online": median["cached"] / median["online"],
        "teacher's share online": 1 - median["no teacher"] / median["online"],
        "teacher's share cached": 1 - median["no teacher"] / median["cached"],
        "largest difference, the same batch": 0.0,
        "largest difference, one sample at a time": alone,
        "kilobytes_per_sample": size / 1e3,
        "batch": options.batch,
        "machine": machine(),
    }
    print(json.dumps(found, indent=1))
    if options.out:
        options.out.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
