"""PokeVLA as a recipe: what its presets are made of, and the published numbers among them."""

import re
from dataclasses import replace

import pytest
import torch

from praxia.models.heads.cross_attention_l1 import CrossAttentionL1
from praxia.models.vla import PARTS, VLA
from praxia.objectives import GeometryAlignment, L1Chunk, NextToken, TargetMask
from praxia.recipes.load import PRESETS, load_recipe
from praxia.recipes.poke_vla import paper, tiny
from praxia.registry import from_json, to_json
from praxia.workflows.describe import describe


@pytest.fixture(scope="module")
def facts():
    return describe(paper())


def weights(stage):
    return {type(w.objective): w.weight(0) for w in stage.objectives}


def test_paper_has_the_published_shapes_losses_and_schedules(facts):
    recipe = paper()
    assert 1.205e9 < facts["parameters"]["by_module"]["backbone"] < 1.24e9  # 1,209 M without the last block of each tower, which is never used
    assert facts["added_tokens"]["tokens"] == ["<SEG>"] and re.search(r"queries +64 tokens", facts["layout"]["robot"])
    asked, robot = recipe.stages
    published = [(s.steps, s.batch, s.optimiser.lr, s.optimiser.warmup) for s in recipe.stages]
    assert published == [(37_860, 128, 2e-5, 1136), (150_000, 64, 1e-4, 15_000)]
    assert sum(source.weight for source in asked.sources) == 2423 and abs(2 * 2_423_000 / 128 - asked.steps) < 4  # two epochs of 2.423 M samples
    assert weights(asked) == {NextToken: 1.0} and weights(robot) == {L1Chunk: 1.0, TargetMask: 0.2, GeometryAlignment: 0.4}
    assert (robot.lora.rank, robot.lora.alpha) == (64, 128.0)
    assert [(s.optimiser.betas, s.optimiser.weight_decay) for s in recipe.stages] == [((0.9, 0.999), 0.1), ((0.9, 0.999), 0.01)]
    moving = {row["module"]: row["trainable"] for row in facts["stages"][0]["by_module"]}
    assert moving["backbone.dino"] == moving["backbone.siglip"] == 0, "towers are frozen"
    assert facts["trainable_by_stage"]["embodied_vqa"] == moving["backbone.llm"] + moving["backbone.projector"]


def test_beside_low_rank_updates_the_towers_and_the_language_model_stand_still(facts):
    rows = {row["module"]: row for row in facts["stages"][1]["by_module"]}
    whole = {name for name, row in rows.items() if row["trainable"] == row["total"] and "lora_" not in name}
    read = {name for name in whole if name.startswith("readouts.")}
    assert whole - read == {"backbone.projector", "head", "tokens"}, "the embedding table stands still, <SEG> has a vector of its own"
    sam = "readouts.target_mask"
    assert {"readouts.geometry", f"{sam}.prompt", f"{sam}.sam.mask_decoder.transformer", f"{sam}.fine.mask_decoder.transformer"} <= read
    assert rows[f"{sam}.sam.vision_encoder"]["trainable"] == 0 and not any("prompt_encoder" in name for name in read)


def test_the_mask_decoder_of_paper_is_sam_s_smallest_and_counted_where_masks_are_learnt(facts):
    """A picture of 1024 px takes 0.98 TFLOP forward, a policy of two views 1.26; `info` counts three forwards a sample."""
    assert facts["parameters"]["by_module"]["readouts"] / 1e6 == pytest.approx(93.7 + 4.06 + 1.03 + 6.03, abs=0.1)
    assert facts["flops_per_sample"]["robot"] / 1e12 == pytest.approx(3 * (2 * 0.98 + 1.26), rel=0.05)
    assert "facebook/sam-vit-base" not in dict(paper().licences), "its spec says it"
    assert facts["licences"]["facebook/sam-vit-base"] == "Apache-2.0"
    backbone = paper().model.backbone
    assert {backbone.checkpoint, backbone.dino_checkpoint, backbone.siglip_checkpoint} < facts["licences"].keys()


def test_the_backbone_is_counted_part_by_part(facts):
    """The specification's breakdown, without the last block of each tower (12.6 and 15.2 M), which is never used and not built."""
    parts = {name: count / 1e6 for name, count in facts["parameters"]["by_part_of_backbone"].items()}
    assert parts == pytest.approx({"llm": 494.0, "dino": 290.6, "siglip": 396.7, "projector": 27.6}, rel=0.002)


def test_tiny_with_a_small_sam_has_the_two_passes_of_paper():
    recipe = load_recipe("examples/poke_vla_with_sam.py:my_recipe")
    rows = {row["module"]: row for row in describe(recipe)["stages"][-1]["by_module"]}
    sam = {name.removeprefix("readouts.target_mask."): row for name, row in rows.items() if name.startswith("readouts.target_mask.")}
    learns = {name for name, row in sam.items() if row["trainable"]}
    assert {"sam.vision_encoder", "sam.mask_decoder.transformer", "fine.mask_decoder.transformer", "prompt"} <= learns
    assert sam["sam.shared_image_embedding"]["trainable"] == 0 and sum(row["total"] for row in sam.values()) < 0.8e6


def test_tiny_has_the_parts_of_paper_in_other_sizes():
    small, large = tiny(), paper()
    for preset in PRESETS:
        recipe = load_recipe("poke_vla", preset)
        assert from_json(to_json(recipe)) == recipe, "it is data"
    assert type(small.model.backbone) is type(large.model.backbone) and isinstance(small.model.head, CrossAttentionL1)
    assert set(large.model.readouts) < set(small.model.readouts)
    of_small, of_large = weights(small.stages[-1]), weights(large.stages[-1])
    assert of_large.items() <= of_small.items(), "tiny learns places beside, and nothing is weighed otherwise"
    assert [t.name for t in large.model.tokens] == [t.name for t in small.model.tokens if t.name != "registers"]
    with torch.device("meta"):
        head, backbone = replace(small.model.head, action_width=7, state_width=14), replace(small.model.backbone, vocabulary=900)
        model = VLA(replace(small.model, head=head, backbone=backbone), PARTS, {"<SEG>": 0})
    assert sum(p.numel() for p in model.parameters()) < 5e6
