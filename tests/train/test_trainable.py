import pytest
import torch
from micro_training import micro_model

from praxia.errors import ConfigError
from praxia.train.trainable import apply_trainable, frozen_hashes, set_training_mode, trainable_table


def test_frozen_wins_over_trainable_and_the_table_adds_up():
    model = micro_model()
    chosen = apply_trainable(model, ("backbone.*", "head.dit.*"), ("*.vision_tower.*",))
    assert chosen and all(n.startswith(("backbone.", "head.dit.")) and "vision_tower" not in n for n in chosen)
    assert all(p.requires_grad == (n in chosen) for n, p in model.named_parameters())
    rows = {row.module: row for row in trainable_table(model)}
    assert sum(r.total for r in rows.values()) == sum(p.numel() for p in model.parameters())
    assert sum(r.trainable for r in rows.values()) == sum(p.numel() for p in chosen.values())
    assert rows["backbone.model.model.vision_tower"].trainable == 0
    assert rows["head.dit"].trainable == rows["head.dit"].total


def test_a_pattern_that_matches_nothing_names_the_nearest():
    with pytest.raises(ConfigError, match=r"Stage.frozen: pattern 'backbone.model.model.vision_towr.\*' .*vision_tower\.\*"):
        apply_trainable(micro_model(), ("*",), ("backbone.model.model.vision_towr.*",))
    with pytest.raises(ConfigError, match=r"Stage.trainable: pattern 'head' .*head\.\*"):
        apply_trainable(micro_model(), ("head",), ())
    with pytest.raises(ConfigError, match="leaves nothing to train"):
        apply_trainable(micro_model(), ("head.*",), ("*",))


def test_trainable_parameters_become_float32_masters():
    model = micro_model().to(torch.bfloat16)
    chosen = apply_trainable(model, ("head.*",), ())
    assert {p.dtype for p in chosen.values()} == {torch.float32}
    assert {p.dtype for n, p in model.named_parameters() if n not in chosen} == {torch.bfloat16}


def test_frozen_modules_are_in_eval_mode_and_their_buffers_are_hashed():
    model = torch.nn.ModuleDict({"moves": torch.nn.Linear(2, 2), "stays": torch.nn.BatchNorm1d(2)})
    apply_trainable(model, ("moves.*",), ())
    set_training_mode(model)
    assert model["moves"].training and not model["stays"].training
    before = frozen_hashes(model)
    model["stays"](torch.randn(4, 2))
    assert frozen_hashes(model) == before and "stays.running_mean" in before
    model["stays"].running_mean += 1
    assert {n for n, h in frozen_hashes(model).items() if h != before[n]} == {"stays.running_mean"}
