"""Low-rank updates: what is handed on is what was trained, under the names of the plain model, with averages, shards and a resume between."""

from dataclasses import replace

import pytest
import torch
from micro_training import SETTINGS, MicroStream, micro_batch, micro_model, micro_run, micro_stage
from test_parallel import assert_alike, start

from praxia.errors import ConfigError
from praxia.models.lora import BASE, DOWN, UP, LoRA, inject, merged, remove
from praxia.stages.weights import load_state, owned_state, read_tensors, read_weights
from praxia.train import checkpoint
from praxia.train.loop import train
from praxia.train.trainable import set_training_mode

PROJECTIONS = LoRA(("backbone.*_proj",), rank=4, alpha=8.0)
STEPS = 12


def answer(model):
    batch = micro_batch(1)
    with torch.no_grad():
        return model.eval()(batch, model.draw(batch, torch.Generator().manual_seed(0))).heads["action"].prediction


def with_updates(spec=PROJECTIONS):
    """A model whose updates are not zero any more, and the plain one it was made of."""
    model = micro_model()
    inject(model, spec)
    torch.manual_seed(1)
    for name, parameter in model.named_parameters():
        if name.endswith(UP):
            torch.nn.init.normal_(parameter, std=0.3)
    return model


def test_an_update_starts_at_zero_and_merged_weights_answer_as_the_layers_with_updates_did():
    plain = micro_model()
    fresh = micro_model()
    inject(fresh, PROJECTIONS)
    torch.testing.assert_close(answer(fresh), answer(plain), rtol=1e-4, atol=1e-6)
    model = with_updates()
    before = answer(model)
    assert (before - answer(plain)).abs().max() > 1e-3
    weights = merged(owned_state(model))
    remove(model)
    assert list(owned_state(model)) == list(owned_state(plain)) and weights.keys() == owned_state(plain).keys()
    torch.testing.assert_close(answer(model), answer(plain), rtol=1e-4, atol=1e-6)
    load_state(model, weights, "merged")
    torch.testing.assert_close(answer(model), before, rtol=1e-4, atol=1e-5)


def test_weights_beside_an_update_stay_and_all_else_that_may_moves(tmp_path):
    stage = micro_stage(steps=STEPS, lora=PROJECTIONS, frozen=("backbone.model.model.vision_tower.*embed*",))
    folder = micro_run(tmp_path, stage).stage("robot")
    model = micro_model()
    train(model, stage, MicroStream(), folder, SETTINGS)
    trained = read_tensors(checkpoint.folders(folder.checkpoints)[-1] / "model.safetensors")
    fresh = micro_model().state_dict()
    bases = [name for name in trained if BASE in name]
    assert len(bases) > 10 and all(torch.equal(trained[name], fresh[name.replace(BASE, ".")]) for name in bases)
    assert all(trained[name].abs().max() > 0 for name in trained if name.endswith(UP))
    assert not torch.equal(trained["head.action_out_proj.weight"], fresh["head.action_out_proj.weight"])
    handed_on = read_weights(checkpoint.folders(folder.checkpoints)[-1])
    assert handed_on.keys() == owned_state(micro_model()).keys()
    assert all(torch.equal(tensor, handed_on[name]) for name, tensor in owned_state(model).items()), "averages, merged"
    again = micro_model(seed=3)
    train(again, stage, MicroStream(), folder, SETTINGS)
    assert all(torch.equal(tensor, handed_on[name]) for name, tensor in owned_state(again).items())


def test_dropout_of_an_update_is_active_in_training_alone(tmp_path):
    stage = micro_stage(steps=2, validate_every=0, lora=replace(PROJECTIONS, dropout=0.5))
    folder = micro_run(tmp_path, stage).stage("robot")
    model = micro_model()
    train(model, stage, MicroStream(), folder, replace(SETTINGS, workers=1))
    dropped = with_updates(replace(PROJECTIONS, dropout=0.5))
    assert torch.equal(answer(dropped), answer(dropped))
    set_training_mode(dropped)
    batch = micro_batch(1)
    draws = dropped.draw(batch, torch.Generator().manual_seed(0))
    assert not torch.equal(dropped(batch, draws).heads["action"].prediction, dropped(batch, draws).heads["action"].prediction)


def test_updates_averages_shards_and_a_resume_give_what_one_process_gives(tmp_path):
    start(tmp_path / "alone", 1, "--steps", str(STEPS), "--low-rank", "yes")
    root = tmp_path / "spread"
    start(root, 2, "--steps", str(STEPS), "--spread", "shard", "--low-rank", "yes")
    stage = root / "stages/robot"
    (stage / "done.json").unlink()
    for folder in checkpoint.folders(stage / "checkpoints")[1:]:
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    start(root, 1, "--steps", str(STEPS), "--low-rank", "yes")
    assert_alike(root, tmp_path / "alone")
    assert any(name.endswith(DOWN) for name in read_tensors(checkpoint.folders(stage / "checkpoints")[-1] / "model.safetensors"))


def test_layers_that_cannot_be_chosen_are_named(tmp_path):
    with pytest.raises(ConfigError, match=r"'backbone\.no\.\*' matches no linear layer"):
        inject(micro_model(), LoRA(("backbone.no.*",)))
    with pytest.raises(ConfigError, match="shares its weight"):
        inject(micro_model(), LoRA(("*lm_head",)))
    with pytest.raises(ConfigError, match="keeps 36 low-rank updates from learning"):
        stage = micro_stage(lora=PROJECTIONS, frozen=("backbone.*",))
        train(micro_model(), stage, MicroStream(), micro_run(tmp_path, stage).stage("robot"), SETTINGS)
    with pytest.raises(ConfigError, match="rank 0"):
        LoRA(rank=0)
    with pytest.raises(ConfigError, match="targets is empty"):
        LoRA(targets=())
