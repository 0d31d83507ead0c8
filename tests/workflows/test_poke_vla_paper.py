"""PokeVLA's `paper` robot stage, micro-sized: SAM and teacher from files, low-rank updates, a hand-off, two rates; what is missing is said first."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import SamModel

from praxia.data.recorded import Recorded
from praxia.data.sample_transforms import CentreCrop
from praxia.errors import CheckpointError, ConfigError, DataError
from praxia.models.geometry_nets.tabletop_geometry import TabletopGeometry
from praxia.models.readouts import GeometryProjector
from praxia.models.readouts.sam_mask import SamMask
from praxia.policy import Policy
from praxia.policy.net_folder import save_net
from praxia.recipes.embodied_vqa import vqa_words
from praxia.recipes.poke_vla import CHAT_WORDS, PROMPT, paper
from praxia.stages.recipe import Teacher
from praxia.stages.weights import read_weights
from praxia.tokens.local_tokenizer import LocalTokenizer
from praxia.train.settings import TrainSettings
from praxia.workflows.train_recipe import train_recipe

QUIET = TrainSettings(quiet=True, threads=1)
NET = TabletopGeometry(image_size=32, width=16, layers=1, heads=2, mlp_ratio=1.5)
SAM = SamMask(
    image_size=64, vision_width=16, vision_layers=1, vision_heads=2, window=2, global_layers=(), width=16, mask_channels=8, decoder_heads=2,
    decoder_mlp=24,
)  # fmt: skip


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Of SAM, of the teacher and of conversations: about pictures of a red square, one about none."""
    root = tmp_path_factory.mktemp("public")
    records = []
    for number in range(10):
        picture, x = np.zeros((30, 60, 3), np.uint8), 5 * number
        picture[10:20, x : x + 10, 0] = 255
        Image.fromarray(picture).save(root / f"{number}.png")
        where, there = ("Point to the red box.", f"[({(x + 5) / 60:.3f}, 0.500)]"), ("Is there a red box?", "yes")
        talk = (*where, *there) if number % 2 else (*there, *where)
        turns = [{"from": ("human", "gpt")[i % 2], "value": said} for i, said in enumerate(talk)]
        records.append({"id": number, "conversations": turns} | ({"image": f"{number}.png"} if number else {}))
    (root / "talk.json").write_text(json.dumps(records))
    torch.manual_seed(0)
    SamModel(SAM.hf_config()).save_pretrained(root / "sam")
    save_net(root / "teacher", NET, NET.build(), {"licences": ()})
    return root


def micro(data, folders):
    """`paper` with other sizes, weights and data."""
    recipe, recorded = paper(), Recorded(str(data))
    model = recipe.model
    backbone = replace(
        model.backbone, image_size=56, dino_width=16, dino_layers=2, dino_heads=2, siglip_width=16, siglip_layers=2, siglip_heads=2, siglip_mlp=32,
        text_width=32, text_layers=2, text_heads=2, text_kv_heads=1, text_mlp=32, vocabulary=0, checkpoint="",
    )  # fmt: skip
    asked, robot = recipe.stages
    talk = replace(asked.sources[0].data, annotations=(str(folders / "talk.json"),), root=str(folders), side=56)
    asked = replace(asked, sources=(replace(asked.sources[0], data=talk),), steps=2, batch=4, validate_every=0)
    robot = replace(
        robot,
        sources=(replace(robot.sources[0], data=recorded),),
        lora=replace(robot.lora, rank=2),
        teachers=(Teacher("geometry", replace(NET, checkpoint=str(folders / "teacher")), cached=False),),
        steps=2,
        batch=4,
        optimiser=replace(robot.optimiser, lr=1e-3),
        validate_every=2,
        validation_batches=1,
    )
    readouts = {"target_mask": replace(SAM, checkpoint=str(folders / "sam")), "geometry": GeometryProjector(width=NET.width)}
    head = replace(model.head, width=16, layers=1, heads=2)
    queries = tuple(replace(group, count=4) if group.name == "queries" else group for group in model.tokens)
    return replace(
        recipe,
        model=replace(model, backbone=backbone, head=head, readouts=readouts, tokens=queries),
        tokenizer=LocalTokenizer((*vqa_words(), *CHAT_WORDS)),
        stages=(asked, robot),
        precision="fp32",
    )


def test_what_stands_still_stands_still_to_the_bit_and_what_is_to_learn_moves(tabletop_data, folders, tmp_path):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("praxia.workflows.train_recipe.LOOKED_AT", 4)
        trained = train_recipe(micro(tabletop_data, folders), tmp_path / "run", QUIET)
    asked, robot = (read_weights(trained.run.finished_checkpoint(name)) for name in ("embodied_vqa", "robot"))
    public = SamModel.from_pretrained(folders / "sam").state_dict()

    def moved(name, origin):
        return not torch.equal(robot[name], origin)

    still = [name for name in asked if "norm" in name or "lambda1" in name or ".embeddings." in name or "embed_tokens" in name]
    assert len(still) > 15 and not [name for name in still if moved(name, asked[name])]
    assert moved("tokens.special.seg", torch.zeros(32))
    layers = [name for name in asked if name.endswith("proj.weight") and ".layers." in name]
    assert len(layers) > 7 and all(moved(name, asked[name]) for name in layers), "merged updates"
    sam = "readouts.target_mask.sam."
    frozen = [name for name in public if name.startswith(("vision_encoder.", "prompt_encoder.")) and sam + name in robot]  # tied names once
    assert len(frozen) > 20 and not [name for name in frozen if moved(sam + name, public[name])]
    weight = "mask_decoder.transformer.layers.0.mlp.lin1.weight"
    coarse, fine = (robot[f"readouts.target_mask.{place}.{weight}"] - public[weight] for place in ("sam", "fine"))
    assert 0 < coarse.abs().max() < 0.2 * fine.abs().max(), "a tenth of the rate"
    said = trained.results[0].metrics
    assert said["question_answer/talk/asked"] > 0 and "question_answer/talk/score/blank" in said
    metrics = trained.results[-1].metrics
    assert metrics["action_chunk/target_focal"] > 0 and metrics["action_chunk/geometry_alignment"] > 0
    policy = Policy.load(trained.policy)
    assert policy.config.prompt == PROMPT and policy.config.sees == (CentreCrop(0.9),)
    assert not policy.config.model.readouts and torch.equal(policy.model.tokens.special["seg"], robot["tokens.special.seg"])
    assert {str(folders / "sam"): "Apache-2.0"}.items() <= dict(policy.config.licences).items()


def test_nets_without_weights_and_absent_packages_are_said_before_data_is_made(folders, tmp_path, monkeypatch):
    recipe = micro(tmp_path / "no such dataset", folders)
    robot = recipe.stages[-1]

    def starts(**changes):
        readouts = recipe.model.readouts | {"target_mask": replace(SAM, **changes.pop("sam", {"checkpoint": str(folders / "sam")}))}
        stages = (recipe.stages[0], replace(robot, **changes))
        train_recipe(replace(recipe, model=replace(recipe.model, readouts=readouts), stages=stages), tmp_path / "run", QUIET)

    with pytest.raises(ConfigError, match=r"stage 'robot': sam.vision_encoder of readout 'target_mask' \(SamMask\) would have random weights"):
        starts(sam={})
    with pytest.raises(DataError, match="no such dataset"):  # one that learns may start at random
        starts(sam={}, frozen=tuple(p for p in robot.frozen if "vision_encoder" not in p))
    with pytest.raises(CheckpointError, match=r"SamMask\.checkpoint '.*nowhere' cannot be read"):
        starts(sam={"checkpoint": str(tmp_path / "nowhere")})
    with pytest.raises(CheckpointError, match="window_size is 2, the spec says 3"):
        starts(sam={"checkpoint": str(folders / "sam"), "window": 3})
    with pytest.raises(CheckpointError, match=r"TabletopGeometry\.checkpoint '.*nowhere' does not exist"):
        starts(teachers=(Teacher("geometry", replace(NET, checkpoint=str(tmp_path / "nowhere"))),))
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(ConfigError, match=r"needs the package peft\n  fix: pip install -e '.\[lora\]'"):
        starts()
    assert not (tmp_path / "run").exists()
