"""A real VLA of micro size on synthetic tensors; run as a script it trains one stage (what the resume tests kill and start again).

python micro_training.py ROOT [--steps N] [--minutes M] [--spread replicate|shard] [--frozen PATTERN,...] [--words yes] [--low-rank yes] [--bits 8]

words: the model has a readout that nothing scores, with parameters that are single numbers. low-rank: LoRA, and recomputed activations.
bits: of the optimiser's moments, of all tensors of a block or more.
"""

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from praxia.data.batch import Batch, Chunk, Tokens, ViewBatch
from praxia.data.mixture import MicroBatch
from praxia.models.backbones.paligemma import PaliGemma
from praxia.models.heads.joint_flow import JointFlow
from praxia.models.lora import LoRA
from praxia.models.readouts import PatchWords
from praxia.models.spec import ModelSpec
from praxia.models.vla import VLA
from praxia.objectives import FlowMatching, NextToken
from praxia.stages.recipe import LinearDecay, Recipe, Stage, Weighted
from praxia.stages.run_directory import RunDirectory
from praxia.stages.weights import read_tensors
from praxia.train import adamw_8bit, checkpoint
from praxia.train.loop import train
from praxia.train.optimiser import AdamW
from praxia.train.parallel import process_group, ranks
from praxia.train.settings import TrainSettings

SIZE, STORED, HORIZON, WIDTH, VOCABULARY = 16, 24, 4, 3, 40


def micro_model_spec() -> ModelSpec:
    backbone = PaliGemma(
        image_size=SIZE, patch_size=8, vision_width=16, vision_layers=1, vision_heads=2, vision_mlp=32, text_width=24, text_layers=2, text_heads=2,
        text_kv_heads=1, text_head_dim=12, text_mlp=32, vocabulary=VOCABULARY, attention="plain",
    )  # fmt: skip
    head = JointFlow(horizon=HORIZON, action_width=WIDTH, state_width=2, width=16, mlp=32, draws=2, steps=4, attention="plain")
    return ModelSpec(backbone=backbone, head=head)


def micro_model(seed: int = 0) -> VLA:
    torch.manual_seed(seed)
    return VLA(micro_model_spec())


def micro_batch(seed: int, size: int = 6, kinds: int = 4) -> Batch:
    """Samples of a few kinds: picture brightness, prompt, target and action all follow the kind, so that it can be learnt."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(kinds, size=size)
    picture = torch.from_numpy((kind[:, None, None, None] * 60 + rng.integers(0, 20, (size, STORED, STORED, 3))).astype(np.uint8))
    eye = torch.eye(2, 3).expand(size, 1, 2, 3).contiguous()
    views = ViewBatch(
        roles=("head",), images=(picture,), affine=eye, size=torch.full((size, 1, 2), float(STORED)), valid=torch.ones(size, 1, dtype=torch.bool),
        K=torch.full((size, 1, 3, 3), torch.nan), T_base_cam=torch.full((size, 1, 4, 4), torch.nan), time=torch.zeros(size, 1),
    )  # fmt: skip
    ids = torch.from_numpy(np.stack([np.full(size, 1), kind + 10, np.full(size, 2)], 1))
    length = torch.from_numpy(rng.integers(1, HORIZON + 1, size))
    actions = torch.from_numpy(np.sin(kind[:, None, None] + np.arange(HORIZON)[None, :, None] + np.arange(WIDTH))).float()
    valid = torch.arange(HORIZON)[None] < length[:, None]
    target = torch.from_numpy(np.stack([kind + 20, kind + 21, np.full(size, 3)], 1))
    target_valid = torch.ones_like(target, dtype=torch.bool)
    target_valid[:, 2] = torch.from_numpy(rng.random(size) < 0.5)
    return Batch(
        size=size, views=views, prompt=Tokens(ids, torch.ones_like(ids, dtype=torch.bool)), target=Tokens(target, target_valid),
        state=torch.from_numpy(rng.normal(size=(size, 2))).float(), future=Chunk(torch.zeros(size, HORIZON, 2), actions, valid),
        sample_index=torch.arange(size) + 100 * seed,
    )  # fmt: skip


class MicroStream:
    """Two micro-batches a step: actions and answers."""

    def __init__(self, distinct: int = 1000):
        self.distinct = distinct
        self.bad: dict[str, str] = {}

    def step(self, step: int) -> list[MicroBatch]:
        seed = step % self.distinct
        answers = replace(micro_batch(5000 + seed, 4), future=None, state=None)
        return [MicroBatch(replace(micro_batch(seed), target=None), "action_chunk"), MicroBatch(answers, "questions")]

    def met(self, bad) -> None:
        self.bad.update(bad)

    def validation(self) -> list[MicroBatch]:
        return self.step(999_999)


def micro_stage(**changes) -> Stage:
    objectives = (Weighted(FlowMatching()), Weighted(NextToken(), LinearDecay(200, 0.5)))
    stage = Stage("robot", (), objectives, steps=30, batch=10, optimiser=AdamW(lr=3e-3, warmup=5), ema=0.9, validate_every=10, trainable=("*",))
    return replace(stage, **changes)


def micro_run(root: Path, stage: Stage, name: str = "micro", **changes) -> RunDirectory:
    return RunDirectory.open(root, Recipe(name, micro_model_spec(), (stage,), replan=HORIZON), **changes)


SETTINGS = TrainSettings(precision="fp32", threads=1, log_every=4, checkpoint_every=7, quiet=True)


def main() -> None:
    options = dict(zip(sys.argv[2::2], sys.argv[3::2], strict=True))
    frozen = tuple(filter(None, options.get("--frozen", "").split(",")))
    stage = micro_stage(steps=int(options.get("--steps", 60)), minutes=float(options.get("--minutes", 0)), frozen=frozen)
    if "--low-rank" in options:
        stage = replace(stage, lora=LoRA(("backbone.*_proj",), rank=4), recompute=("*.mlp", "*encoder.layers.*"))
    if "--bits" in options:
        adamw_8bit.LEAST = adamw_8bit.BLOCK  # tensors here are small
        stage = replace(stage, optimiser=replace(stage.optimiser, bits=int(options["--bits"])))
    settings = replace(SETTINGS, spread=options.get("--spread", "replicate"))
    with process_group("cpu"):
        with ranks().main_first():
            folder = micro_run(Path(sys.argv[1]), stage).stage("robot")
        torch.manual_seed(0)
        spec = micro_model_spec()
        train(VLA(replace(spec, readouts={"words": PatchWords()} if "--words" in options else {})), stage, MicroStream(), folder, settings)


def whole_and_resumed(root: Path, stage: Stage) -> list[dict[str, torch.Tensor]]:
    """Weights after the stage as it is, and after one whose last checkpoint was lost and which was started again."""
    finals = []
    for name in ("whole", "resumed"):
        folder = micro_run(root / name, stage).stage("robot")
        train(micro_model(), stage, MicroStream(), folder, SETTINGS)
        if name == "resumed":
            (folder.path / "done.json").unlink()
            shutil.rmtree(checkpoint.folders(folder.checkpoints)[-1])
            train(micro_model(), stage, MicroStream(), folder, SETTINGS)
        finals.append(read_tensors(checkpoint.folders(folder.checkpoints)[-1] / "model.safetensors"))
    return finals


if __name__ == "__main__":
    main()
