import pytest
import torch
from torch import nn

from praxia.errors import CheckpointError
from praxia.files import write_json
from praxia.stages.handoff import hand_off
from praxia.stages.recipe import InitFrom
from praxia.stages.weights import load_state, owned_state, read_weights, write_tensors


class Model(nn.Module):
    def __init__(self, width: int = 4, head: bool = True, tied: bool = True):
        super().__init__()
        self.backbone = nn.ModuleDict({"embed": nn.Embedding(6, width), "layer": nn.Linear(width, width), "out": nn.Linear(width, 6, bias=False)})
        if tied:
            self.backbone["out"].weight = self.backbone["embed"].weight  # type: ignore[assignment]
        if head:
            self.head = nn.Linear(width, 2)


@pytest.fixture
def source(tmp_path):
    torch.manual_seed(1)
    model = Model(head=False)
    write_tensors(tmp_path / "model.safetensors", owned_state(model))
    write_json(tmp_path / "state.json", {"identity": {"recipe": "base", "stage": "words", "fingerprint": "1", "vocabulary": "abc"}})
    return tmp_path, model


def test_allowed_misses_are_listed_and_everything_else_is_copied(source):
    folder, theirs = source
    model = Model()
    head = model.head.weight.clone()
    report = hand_off(model, InitFrom(missing=("head.*",)), folder)
    assert report.missing == ("head.weight", "head.bias") and len(report.copied) == 3
    assert torch.equal(model.backbone["layer"].weight, theirs.backbone["layer"].weight) and torch.equal(model.head.weight, head)
    assert model.backbone["out"].weight is model.backbone["embed"].weight
    assert "left as initialised: head.weight, head.bias" in str(report)


def test_misses_left_overs_and_other_shapes_are_listed_and_nothing_is_copied(source):
    model = Model()
    before = {n: t.detach().clone() for n, t in owned_state(model).items()}
    with pytest.raises(CheckpointError, match=r"missing there: head.weight, head.bias"):
        hand_off(model, InitFrom(), source[0])
    assert all(torch.equal(t, before[n]) for n, t in owned_state(model).items())
    with pytest.raises(CheckpointError, match=r"left over: backbone.layer.bias, backbone.layer.weight"):
        hand_off(nn.ModuleDict({"backbone": nn.ModuleDict({"embed": nn.Embedding(6, 4)})}), InitFrom(), source[0])
    with pytest.raises(CheckpointError, match=r"backbone.layer.weight: \(4, 4\) there, \(5, 5\) here"):
        hand_off(Model(5, head=False), InitFrom(), source[0])


def test_a_part_can_go_to_another_place(source):
    folder, theirs = source
    model = nn.ModuleDict({"encoder": nn.Linear(4, 4)})
    hand_off(model, InitFrom(parts=(("backbone.layer", "encoder"),)), folder)
    assert torch.equal(model["encoder"].weight, theirs.backbone["layer"].weight)
    with pytest.raises(CheckpointError, match=r"source has no part.*unknown part 'backbone.lyer'; did you mean 'backbone.layer'"):
        hand_off(model, InitFrom(parts=(("backbone.lyer", "encoder"),)), folder)


def test_text_weights_of_another_vocabulary_are_refused_with_both_names(source):
    with pytest.raises(CheckpointError, match=r"stage 'words'\): its vocabulary is abc, this run's is xyz"):
        hand_off(Model(head=False), InitFrom(), source[0], vocabulary="xyz")
    hand_off(Model(head=False), InitFrom(), source[0], vocabulary="abc")


def test_averaged_weights_are_handed_on_where_a_stage_keeps_them(source):
    folder, _ = source
    write_tensors(folder / "ema.safetensors", {"backbone.layer.weight": torch.full((4, 4), 7.0)})
    model = Model(head=False)
    hand_off(model, InitFrom(), folder)
    assert (model.backbone["layer"].weight == 7).all()
    with pytest.raises(CheckpointError, match="holds neither"):
        read_weights(folder / "nowhere")


def test_tied_weights_are_stored_once_and_loading_is_strict(source):
    assert "backbone.out.weight" not in read_weights(source[0])
    with pytest.raises(CheckpointError, match=r"missing backbone.out.weight"):
        load_state(Model(head=False, tied=False), read_weights(source[0]), "checkpoint x")
