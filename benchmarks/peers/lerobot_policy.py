"""LeRobot's ACT and diffusion policy on a LeRobotDataset: trained for some minutes, or answering over a socket. Runs in lerobot's own environment.

    python lerobot_policy.py train act|diffusion DATASET OUT --minutes M [--batch 32] [--rate 3e-4] [--seed 0] [--threads 0]
    python lerobot_policy.py answer OUT SOCKET

Neither policy reads language: the words of the instruction are given as ones in `observation.environment_state`, a word a number.
Pictures are decoded before the clock starts. Widths are chosen for two cores; everything else is the library's default.
"""

import argparse
import json
import math
import re
import sys
import time
from multiprocessing.connection import Listener
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from lerobot.configs.types import FeatureType, PolicyFeature
from lerobot.datasets.lerobot_dataset import LeRobotDataset
from lerobot.policies.act.configuration_act import ACTConfig
from lerobot.policies.act.modeling_act import ACTPolicy
from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig
from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy
from lerobot.policies.factory import make_pre_post_processors
from safetensors.torch import load_file, save_file
from torch import Tensor

HORIZON = 16
WORDS, STATE, ACTION = "observation.environment_state", "observation.state", "action"


def words_of(text: str) -> list[str]:
    return re.findall(r"[a-z]+", text.lower())


def said(texts: list[str], vocabulary: list[str]) -> Tensor:
    """float32 [N, words]: 1 where a text has the word."""
    place = {word: i for i, word in enumerate(vocabulary)}
    rows = torch.zeros(len(texts), len(vocabulary))
    for row, text in zip(rows, texts, strict=True):
        row[[place[word] for word in words_of(text) if word in place]] = 1.0
    return rows


def pictures_of(dataset: LeRobotDataset, table: Any, key: str, rows: np.ndarray) -> np.ndarray:
    """uint8 [len(rows), H, W, 3]: every video is decoded once, from front to back."""
    episode, within = np.asarray(table["episode_index"]), np.asarray(table["frame_index"])
    starts = np.asarray(dataset.meta.episodes[f"videos/{key}/from_timestamp"])
    paths = [dataset.root / dataset.meta.get_video_file_path(number, key) for number in range(dataset.num_episodes)]
    places: dict[Path, dict[int, int]] = {}
    for slot, row in enumerate(rows):
        number = int(episode[row])
        places.setdefault(paths[number], {})[round(starts[number] * dataset.fps) + int(within[row])] = slot
    out = None
    for path, wanted in places.items():
        with av.open(str(path)) as file:
            for number, frame in enumerate(file.decode(video=0)):
                if number in wanted:
                    picture = frame.to_ndarray(format="rgb24")
                    out = np.empty((len(rows), *picture.shape), np.uint8) if out is None else out
                    out[wanted[number]] = picture
    assert out is not None
    return out


def policy_of(kind: str, sizes: dict[str, tuple[int, ...]]) -> ACTPolicy | DiffusionPolicy:
    """A fresh policy; sizes: shape of every input and of the action."""
    types = {WORDS: FeatureType.ENV, STATE: FeatureType.STATE}
    inputs = {key: PolicyFeature(types.get(key, FeatureType.VISUAL), tuple(shape)) for key, shape in sizes.items() if key != ACTION}
    common = {"input_features": inputs, "output_features": {ACTION: PolicyFeature(FeatureType.ACTION, tuple(sizes[ACTION]))}, "device": "cpu"}
    common |= {"n_obs_steps": 1, "push_to_hub": False, "pretrained_backbone_weights": None}
    if kind == "act":
        return ACTPolicy(ACTConfig(chunk_size=HORIZON, n_action_steps=HORIZON, dim_model=256, dim_feedforward=1024, **common))
    config = DiffusionConfig(
        horizon=HORIZON, n_action_steps=HORIZON, down_dims=(128, 256, 512), noise_scheduler_type="DDIM", num_inference_steps=10, **common
    )
    return DiffusionPolicy(config)


def train(options: argparse.Namespace) -> None:
    if options.threads:
        torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    dataset = LeRobotDataset("praxia/peer", root=options.dataset)
    table = dataset.hf_dataset.with_format("numpy")  # in its own form, a row at a time becomes tensors
    fresh = np.asarray(table["observation.fresh"], bool).ravel() if "observation.fresh" in table.column_names else np.ones(len(table), bool)
    rows = np.flatnonzero(fresh)
    last = np.asarray(dataset.meta.episodes["dataset_to_index"])[np.asarray(table["episode_index"])[rows]] - 1
    actions, states = (torch.as_tensor(np.asarray(table[key], np.float32)) for key in (ACTION, STATE))
    texts = [dataset.meta.tasks.index[int(i)] for i in np.asarray(table["task_index"])[rows]]
    vocabulary = sorted({word for text in set(texts) for word in words_of(text)})
    language = said(texts, vocabulary)
    views = {key: pictures_of(dataset, table, key, rows) for key in dataset.meta.camera_keys if key.startswith("observation.images.")}
    sizes = {key: (3, *array.shape[1:3]) for key, array in views.items()}
    sizes |= {STATE: (states.shape[1],), WORDS: (len(vocabulary),), ACTION: (actions.shape[1],)}
    stats = {key: {k: torch.as_tensor(v) for k, v in dataset.meta.stats[key].items()} for key in (ACTION, STATE)}
    for key, array in views.items():
        pixels = torch.from_numpy(array[::7].reshape(-1, 3)).float() / 255
        stats[key] = {"mean": pixels.mean(0).view(3, 1, 1), "std": pixels.std(0).view(3, 1, 1)}
    policy = policy_of(options.kind, sizes)
    before, after = make_pre_post_processors(policy.config, dataset_stats=stats)
    optimiser = torch.optim.AdamW(policy.parameters(), lr=options.rate, weight_decay=1e-4)
    rng, order = np.random.default_rng(options.seed), np.empty(0, int)
    began, steps, losses = time.monotonic(), 0, []
    policy.train()
    while (share := (time.monotonic() - began) / (60 * options.minutes)) < 1:
        if len(order) < options.batch:
            order = np.concatenate([order, rng.permutation(len(rows))])
        chosen, order = order[: options.batch], order[options.batch :]
        window = rows[chosen][:, None] + np.arange(HORIZON)
        end = last[chosen][:, None]
        batch = {key: torch.from_numpy(array[chosen]).permute(0, 3, 1, 2).float() / 255 for key, array in views.items()}
        batch |= {STATE: states[rows[chosen]], WORDS: language[chosen], ACTION: actions[np.minimum(window, end)]}
        batch = before(batch)
        batch["action_is_pad"] = torch.from_numpy(window > end)
        if options.kind == "diffusion":  # a time axis of one observation
            batch |= {key: batch[key].unsqueeze(1) for key in (STATE, WORDS)}
        loss, _ = policy(batch)
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(policy.parameters(), 10.0)
        for group in optimiser.param_groups:
            group["lr"] = options.rate * min(1.0, (steps + 1) / 100) * 0.5 * (1 + math.cos(math.pi * share))
        optimiser.step()
        losses.append(loss.item())
        steps += 1
        if steps % 20 == 0:
            print(
                f"{options.kind} step {steps}  loss {np.mean(losses[-20:]):.4g}  {share * options.minutes:.1f} of {options.minutes:g} min",
                file=sys.stderr,
            )
    out = Path(options.out)
    out.mkdir(parents=True, exist_ok=True)
    save_file(policy.state_dict(), out / "weights.safetensors")
    before.save_pretrained(out)
    after.save_pretrained(out)
    samples = steps * options.batch
    found = {"kind": options.kind, "steps": steps, "samples": samples, "seconds": time.monotonic() - began, "loss": float(np.mean(losses[-50:]))}
    found |= {"parameters": sum(p.numel() for p in policy.parameters()), "vocabulary": vocabulary, "sizes": sizes, "dataset": str(options.dataset)}
    found |= {name: getattr(options, name) for name in ("minutes", "seed", "threads")}
    (out / "peer.json").write_text(json.dumps(found, indent=1))
    print(json.dumps({k: found[k] for k in ("kind", "steps", "samples", "seconds", "loss", "parameters")}))


@torch.no_grad()
def answer(options: argparse.Namespace) -> None:
    """Observation in, chunk float32 [16, Da] out, until the other side closes."""
    out = Path(options.out)
    known = json.loads((out / "peer.json").read_text())
    policy = policy_of(known["kind"], known["sizes"]).eval()
    policy.load_state_dict(load_file(out / "weights.safetensors"))
    before, after = make_pre_post_processors(policy.config, pretrained_path=str(out))
    torch.set_num_threads(1)
    with Listener(options.socket, "AF_UNIX") as listener, listener.accept() as connection:
        while True:
            try:
                seen = connection.recv()
            except EOFError:
                return
            torch.manual_seed(seen["seed"])
            batch = {
                f"observation.images.{role}": torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255 for role, image in seen["images"].items()
            }
            batch |= {STATE: torch.from_numpy(seen["state"])[None].float(), WORDS: said([seen["instruction"]], known["vocabulary"])}
            batch = before(batch)
            if known["kind"] == "diffusion":
                policy.reset()
                stacked = torch.stack([batch[key] for key in policy.config.image_features], dim=1)
                shown = {STATE: batch[STATE], WORDS: batch[WORDS], "observation.images": stacked}
                chunk = policy.diffusion.generate_actions({key: value.unsqueeze(1) for key, value in shown.items()})
            else:
                chunk = policy.predict_action_chunk(batch)
            connection.send(after(chunk)[0].float().numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    trains = commands.add_parser("train")
    trains.add_argument("kind", choices=("act", "diffusion"))
    trains.add_argument("dataset")
    trains.add_argument("out")
    trains.add_argument("--minutes", type=float, required=True)
    trains.add_argument("--batch", type=int, default=32)
    trains.add_argument("--rate", type=float, default=3e-4)
    trains.add_argument("--seed", type=int, default=0)
    trains.add_argument("--threads", type=int, default=0)
    trains.set_defaults(run=train)
    answers = commands.add_parser("answer")
    answers.add_argument("out")
    answers.add_argument("socket")
    answers.set_defaults(run=answer)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
