"""Where training begins: decoders as strong as their width asks for, positions near the scene."""

from dataclasses import replace

import pytest
import torch
from tests.models import compositions as micro

from praxia.errors import ConfigError
from praxia.models.readouts import PatchWords, Positions
from praxia.models.states import Outputs
from praxia.models.vla import VLA


@pytest.mark.parametrize("width", [32, 128])
def test_decoder_weights_follow_their_width(width):
    torch.manual_seed(0)
    spec = replace(micro.composition("pose_vla").model.backbone, text_width=width)
    layer = spec.build().language.layers[0]
    for weight in (layer.self_attn.q_proj.weight, layer.mlp.gate_proj.weight):
        assert weight.std().item() == pytest.approx(width**-0.5, rel=0.1)


def test_positions_begin_where_the_scene_is_and_move_in_its_scale():
    recipe = micro.composition("pose_vla")
    recipe = replace(recipe, model=replace(recipe.model, readouts={"positions": Positions("registers", distance=(0.7,), scale=0.05)}))
    model, batch = micro.build(recipe, recipe.stages[-1]), micro.batch(recipe, recipe.stages[-1])
    with torch.no_grad():
        outputs = model(batch, micro.draws(model, batch))
    linear = model.readouts["positions"].linear
    expected = torch.tensor([0.0, 0.0, 0.7]) + 0.05 * linear(outputs.prefix.group("registers"))
    torch.testing.assert_close(outputs.readouts["positions"], expected)


def test_a_start_for_all_positions_or_one_for_each():
    recipe = micro.composition("pose_vla")
    recipe = replace(recipe, model=replace(recipe.model, readouts={"positions": Positions("registers", distance=(1.0, 0.2, 0.2, 0.2, 0.2))}))
    model, batch = micro.build(recipe, recipe.stages[-1]), micro.batch(recipe, recipe.stages[-1])
    with pytest.raises(ConfigError, match=r"distance has 5 entries, group 'registers' has \d tokens"):
        model(batch, micro.draws(model, batch))


def test_before_training_no_word_fits_any_picture():
    recipe = micro.composition("pose_vla")
    recipe = replace(recipe, model=replace(recipe.model, readouts={"words": PatchWords(bias=-6.0)}))
    torch.manual_seed(0)
    model, batch = VLA(recipe.model, recipe.stages[0].stage.parts), micro.batch(recipe, recipe.stages[0])
    model.backbone.resize_vocabulary(len(micro.tokenizer("pose_vla")))
    with torch.no_grad():
        outputs: Outputs = model(batch, micro.draws(model, batch))
    assert outputs.readouts["words"].max() < 0
