"""What the annotation engine says of clips of hands beside the exact truth of the world that they come from (VIPA-VLA §3.2).

    python benchmarks/hand_annotation.py --net runs/hand_geometry/geometry [--clips 12] [--zoom 1.4] [--out docs/results/hand_annotation.json]

Three rows: recorded depth; the depth of a small geometry net, calibrated with the hands; the same without calibration. Every moment that a question
could be asked about is scored, not only those that were drawn. Columns: mean and median distance error (|length - true length|), direction accuracy
(share of the three axes whose word, or none, is right) and share of answers with all words right, on what all rows have in common; "own": on all
that the row itself says, which for the last one is more: what calibration rejects is there too.

--zoom: the middle of every picture, as a lens of that much more focal length sees it. A net ties size to depth by the lens that it learnt with, so
that its cloud then has another scale; with 1 the net is as metric as it has learnt to be, and the hands have nothing to correct.

Truth of a relation: from the palm to the median of what the camera sees of the object (its mask, exact depth); "centre": to the middle of its box,
which no picture shows. Truth of a task: the wrist's way to where the recorded contact begins.
"""

import argparse
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from praxia.annotate.hands import HandRules
from praxia.annotate.hands.annotate_clip import Place, annotate_clip
from praxia.annotate.hands.clouds import DepthSource, GivenDepth, NetDepth, cloud
from praxia.data.demonstrations import Demonstrations
from praxia.data.hand_clips import RecordedClips
from praxia.data.hand_clips.clip import Clip, ClipSet
from praxia.data.hand_clips.recorded_clips import RecordedClipSet
from praxia.data.hand_clips.tables import CLIPS, QUESTIONS
from praxia.data.lerobot.reader import Want
from praxia.files import write_json
from praxia.geometry.directions import directions
from praxia.geometry.hands import palm
from praxia.geometry.image_transform import apply_to_view, crop
from praxia.geometry.scene import View
from praxia.geometry.se3 import apply, invert
from praxia.models.geometry_nets.geometry_net import pretrained
from praxia.policy.net_catalogue import net_spec
from praxia.specs.hands import SIDES, TIPS, WRIST
from praxia.workflows.summary import machine

TASKS = ("reach", "grasp", "move", "bring", "pour")
ALL = 10_000  # questions a clip: every moment
NEAR = 0.06  # m between a fingertip and the middle of an object that it touches
Key = tuple[str, int, int, str, str]  # category, clip, step, hand, object


def said(clips: ClipSet, depth: DepthSource, rules: HandRules) -> tuple[dict[Key, np.ndarray], list[dict[str, Any]]]:
    """Vectors [3] of all moments that the engine has something to say of, and its rows about clips."""
    vectors: dict[Key, np.ndarray] = {}
    rows = []
    for number in range(len(clips)):
        made = annotate_clip(clips, Place(number, "train", False), depth, None, rules)
        rows += made[CLIPS]
        for q in made[QUESTIONS]:
            if q["category"] in ("task_completion", "spatial_relationship"):
                vectors[(q["category"], number, q["frames"][-1], q["hand"], q["object"])] = np.array(q["vector"])
    return vectors, rows


class Zoomed:
    """Clips seen through a longer lens: the middle of every picture (`ClipSet`)."""

    def __init__(self, clips: RecordedClipSet, zoom: float):
        self._clips, self._zoom = clips, zoom
        self.name, self.licence, self.depth, self.masks = clips.name, clips.licence, clips.depth, clips.masks
        self.size = self.view(0, 0).image.shape[:2]

    def __len__(self) -> int:
        return len(self._clips)

    def content(self) -> str:
        """Of the files and the lens."""
        return f"{self._clips.content()} zoom {self._zoom}"

    def label(self, number: int) -> tuple[str, str]:
        """As it is."""
        return self._clips.label(number)

    def clip(self, number: int) -> Clip:
        """As it is."""
        return self._clips.clip(number)

    def view(self, number: int, step: int, depth: bool = False, masks: bool = False) -> View:
        """The middle of the picture."""
        view = self._clips.view(number, step, depth, masks)
        side = round(view.image.shape[0] / self._zoom)
        corner = (view.image.shape[0] - side) // 2
        part = (slice(corner, corner + side),) * 2
        cut = apply_to_view(view, crop(view.image.shape[:2], corner, corner, side, side))
        pictures = {name: None if (p := getattr(view, name)) is None else p[part] for name in ("image", "depth", "mask")}
        return replace(cut, affine=np.eye(2, 3), size=(side, side), **pictures)


class Truth:
    """Exact vectors of the world's recording."""

    def __init__(self, recorded: RecordedClipSet, clips: ClipSet):
        self._recorded, self._clips = recorded, clips
        self._known: dict[int, Clip] = {i: clips.clip(i) for i in range(len(clips))}
        self._surface: dict[tuple[int, int, str], np.ndarray] = {}

    def relation(self, key: Key, centre: bool) -> np.ndarray:
        """From the palm to the object, in the camera frame of the step."""
        _, number, step, hand, name = key
        clip = self._known[number]
        to_camera = invert(clip.T_base_cam[step])
        at = palm(apply(to_camera, clip.hands.joints[step, SIDES.index(hand)]))
        if centre:
            row = self._recorded.source.episodes[number].start + step
            things = self._recorded.source.sample_at(row, Want(horizon=0, roles=(), objects=True)).objects
            return apply(to_camera, next(o for o in things if o.name == name).T_base_object[:3, 3]) - at
        if (number, step, name) not in self._surface:
            view = self._clips.view(number, step, depth=True, masks=True)
            assert view.camera is not None and view.depth is not None and view.mask is not None
            shown = cloud(view.depth.astype(np.float64), view.camera.K)[view.mask == clip.instances[clip.objects.index(name)]]
            self._surface[number, step, name] = np.median(shown, axis=0)
        return self._surface[number, step, name] - at

    def task(self, key: Key) -> np.ndarray:
        """The wrist's way from the step to the first recorded contact near the object, or to where the fingers are nearest to its middle."""
        _, number, step, hand, _ = key
        clip, side = self._known[number], SIDES.index(hand)
        ahead = apply(invert(clip.T_base_cam[step]), clip.hands.joints[step:, side].reshape(-1, 3)).reshape(-1, 21, 3)
        middle = self.relation(key, centre=True) + palm(ahead[0])
        near = np.linalg.norm(ahead[:, list(TIPS)] - middle, axis=-1).min(1)
        touched = np.flatnonzero(clip.hands.contact[step:, side] & (near < NEAR))
        then = int(touched[0]) if len(touched) else int(np.argmin(near))
        return ahead[then, WRIST] - ahead[0, WRIST]


def scores(vectors: dict[Key, np.ndarray], keys: list[Key], truth: Callable[[Key], np.ndarray], gamma: float) -> dict[str, float]:
    """Errors of the vectors of some keys."""
    pairs = [(vectors[k], t) for k in keys if np.linalg.norm(t := truth(k)) >= 0.02]
    off = np.array([abs(np.linalg.norm(v) - np.linalg.norm(t)) for v, t in pairs])
    place = np.array([np.linalg.norm(v - t) for v, t in pairs])
    words = [(set(directions(v, gamma)), set(directions(t, gamma))) for v, t in pairs]
    wrong = [len({AXIS[w] for w in a ^ b}) for a, b in words]
    return {
        "moments": len(pairs),
        "distance_mean_m": float(off.mean()),
        "distance_median_m": float(np.median(off)),
        "place_median_m": float(np.median(place)),
        "direction": 1 - float(np.mean(wrong)) / 3,
        "all_words": float(np.mean([a == b for a, b in words])),
    }


AXIS = {"left": 0, "right": 0, "up": 1, "down": 1, "forward": 2, "backward": 2}


def main() -> None:
    """Make clips, annotate them three times, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--net", required=True, help="folder of a geometry net trained here, or a public name")
    parser.add_argument("--clips", type=int, default=12, help="of each of the five tasks")
    parser.add_argument("--scenes", default="pretrain", help="tabletop split of objects and table tops")
    parser.add_argument("--size", type=int, default=128, help="side of the pictures in pixels")
    parser.add_argument("--together", type=int, default=1, help="frames that the net is shown at once; hand_geometry learns from single ones")
    parser.add_argument("--zoom", type=float, default=1.0, help="how much longer the lens is")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    look = {"size": options.size, "split": options.scenes}
    made = Demonstrations("hands", TASKS, options.clips, 7, look, picture_every=3, depth=True, masks=True).made()
    recorded = RecordedClips(str(made.root)).open()
    clips: ClipSet = Zoomed(recorded, options.zoom) if options.zoom != 1 else recorded
    rules = HandRules(questions=ALL)
    net = NetDepth(pretrained(net_spec(options.net)), options.together)
    ways = {
        "recorded depth": (GivenDepth(), rules),
        "small net, calibrated": (net, rules),
        "small net, not calibrated": (net, replace(rules, calibrate=False)),
    }
    found = {name: said(clips, depth, how) for name, (depth, how) in ways.items()}
    common = sorted(set.intersection(*(set(vectors) for vectors, _ in found.values())))
    truth, table = Truth(recorded, clips), {}
    for name, (vectors, rows) in found.items():
        of = lambda category: [k for k in common if k[0] == category]  # noqa: E731
        known = [row["scale"] for row in rows if row["scale"] is not None]
        table[name] = {
            "relation": scores(vectors, of("spatial_relationship"), lambda k: truth.relation(k, False), rules.gamma),
            "relation_own": scores(vectors, [k for k in vectors if k[0] == "spatial_relationship"], lambda k: truth.relation(k, False), rules.gamma),
            "relation_centre": scores(vectors, of("spatial_relationship"), lambda k: truth.relation(k, True), rules.gamma),
            "task": scores(vectors, of("task_completion"), truth.task, rules.gamma),
            "clips": len(rows),
            "clips_rejected": len(rows) - len(known),
            "said": len(vectors),
            "scale_median": float(np.median(known)),
            "scale_range": [float(min(known)), float(max(known))],
        }
    for part in ("relation", "relation_own", "relation_centre", "task"):
        print(f"\n{part}")
        print(f"{'':28}{'moments':>9}{'mean cm':>9}{'median cm':>11}{'place cm':>10}{'direction':>11}{'all words':>11}{'scale':>8}{'rejected':>10}")
        for name, row in table.items():
            s = row[part]
            numbers = f"{100 * s['distance_mean_m']:9.1f}{100 * s['distance_median_m']:11.1f}{100 * s['place_median_m']:10.1f}"
            print(
                f"{name:28}{s['moments']:9d}{numbers}{s['direction']:11.1%}{s['all_words']:11.1%}{row['scale_median']:8.3f}{row['clips_rejected']:10d}"
            )
    if options.out:
        write_json(options.out, {"machine": machine(), "net": options.net, "options": {k: str(v) for k, v in vars(options).items()}, "rows": table})


if __name__ == "__main__":
    main()
