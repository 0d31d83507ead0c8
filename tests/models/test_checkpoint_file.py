"""Public weight files: read as they are, converted once, refused if they hold more than tensors and known settings."""

import argparse
import os
import shutil
import sys
import types
from collections import OrderedDict
from dataclasses import replace
from pathlib import Path
from unittest.mock import Mock

import pytest
import torch
from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError, RepositoryNotFoundError
from safetensors.torch import load_file, save_file
from torch import nn

from praxia.errors import CheckpointError
from praxia.models.checkpoint_file import check_found, fit, found, found_here, tensors_of
from praxia.models.geometry_nets.cut3r.checkpoint import ALIAS, read_weights
from praxia.models.geometry_nets.vggt import VGGT

GOLDEN = Path(__file__).parents[1] / "golden"
TENSORS = {"a.weight": torch.arange(6.0).view(2, 3), "b": torch.ones(2)}


def read(source: Path | str, **options) -> dict:
    return tensors_of(str(source), "Net.checkpoint", ("model.safetensors", "model.pt"), **options)


def refused(kind: type[HfHubHTTPError], status: int) -> HfHubHTTPError:
    """An answer of the hub."""
    return kind("no", response=Mock(status_code=status, headers={}))


class Evil:
    """Runs when it is unpickled."""

    def __reduce__(self):
        return (Path.touch, (Path("owned"),))


class EvilNamespace(argparse.Namespace):
    """As evil, in the guise of settings."""

    def __reduce__(self):
        return (os.system, ("touch owned",))


class EvilSettings:
    """As evil, through a module that a test counts as settings."""

    def __reduce__(self):
        return (shutil.copyfile, (__file__, "owned"))


class EvilEval:
    """As evil, by the interpreter itself."""

    def __reduce__(self):
        return (eval, ("open('owned', 'w')",))


@pytest.mark.parametrize("content", [TENSORS, OrderedDict(TENSORS), {"model": TENSORS, "epoch": 3}, {"state_dict": TENSORS}])
def test_a_pickle_is_converted_once(tmp_path, content):
    source = tmp_path / "model.pt"
    torch.save(content, source)
    for _ in range(2):
        state = read(tmp_path)
        assert state.keys() == TENSORS.keys() and all(torch.equal(state[k], TENSORS[k]) for k in TENSORS)
        source.write_bytes(b"older than its conversion, so not read again")
        os.utime(source, (0, 0))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["model.pt", "model.safetensors"]


def test_a_newer_pickle_is_converted_again(tmp_path):
    torch.save(TENSORS, tmp_path / "model.pt")
    assert read(tmp_path / "model.pt").keys() == TENSORS.keys()
    os.utime(tmp_path / "model.safetensors", (0, 0))
    torch.save({"c": torch.ones(1)}, tmp_path / "model.pt")
    assert read(tmp_path / "model.pt").keys() == {"c"}


def test_known_settings_are_thrown_away_unread(tmp_path):
    settings = argparse.Namespace(model="ARCroco3DStereo(ARCroco3DStereoConfig(...))", lr=1e-4, nested=argparse.Namespace(x=[1, 2]))
    torch.save({"args": settings, "model": {f"module.{k}": v for k, v in TENSORS.items()}}, tmp_path / "public.pth")
    state = read(tmp_path / "public.pth", settings=("argparse.Namespace",))
    assert state.keys() == TENSORS.keys()
    torch.save({"args": settings, "model": TENSORS}, tmp_path / "strict.pth")
    with pytest.raises(CheckpointError, match="holds more than tensors"):
        read(tmp_path / "strict.pth")


@pytest.mark.parametrize("settings", [(), ("argparse.Namespace",)])
def test_nothing_in_a_file_is_run(tmp_path, monkeypatch, settings):
    monkeypatch.chdir(tmp_path)
    for content in ({"model": TENSORS, "args": Evil()}, {"model": {"a": Evil()}}, {"model": TENSORS, "args": EvilNamespace()}):
        torch.save(content, tmp_path / "evil.pt")
        with pytest.raises(CheckpointError, match="holds more than tensors"):
            read(tmp_path / "evil.pt", settings=settings)
        assert not (tmp_path / "owned").exists() and not (tmp_path / "evil.safetensors").exists()


def test_even_what_counts_as_settings_is_never_called(tmp_path, monkeypatch):
    """An inert object stands in for everything of a module that is named: the class's own code is not even imported."""
    monkeypatch.chdir(tmp_path)
    torch.save({"model": TENSORS, "args": EvilSettings()}, tmp_path / "evil.pt")
    with pytest.raises(CheckpointError, match="holds more than tensors"):
        read(tmp_path / "evil.pt")
    assert read(tmp_path / "evil.pt", settings=("shutil.",)).keys() == TENSORS.keys()
    assert not (tmp_path / "owned").exists()


def test_settings_of_a_package_that_is_not_installed(tmp_path, monkeypatch):
    """As hydra leaves them: nested containers with state, of classes nobody has here."""
    package = types.ModuleType("omegaconf")
    package.DictConfig = type("DictConfig", (), {"__module__": "omegaconf", "__getstate__": lambda self: {"content": [1, self.inner]}, "inner": None})
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "omegaconf", package)
        outer = package.DictConfig()
        outer.inner = package.DictConfig()
        torch.save({"args": outer, "model": load_file(GOLDEN / "cut3r" / "linear_tiny_weights.safetensors")}, tmp_path / "cut3r.pth")
    assert "omegaconf" not in sys.modules
    assert len(read_weights(str(tmp_path / "cut3r.pth"))) == 288
    torch.save({"args": EvilEval(), "model": TENSORS}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match="is no CUT3R checkpoint: it holds more than tensors"):
        read_weights(str(tmp_path / "evil.pth"))


def test_what_is_no_checkpoint_is_named(tmp_path):
    torch.save({"model": {"a": 3}}, tmp_path / "numbers.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    (tmp_path / "noise.pt").write_bytes(b"not a pickle at all")
    (tmp_path / "torn.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("numbers.pt", "is no state dict: no dictionary of tensors"),
        ("list.pt", "no dictionary of tensors"),
        ("noise.pt", "noise.pt is no state dict"),
        ("torn.safetensors", "cannot be read"),
        ("gone.pth", "does not exist"),
        ("empty", "folder without model.safetensors or model.pt"),
    ):
        with pytest.raises(CheckpointError, match=message):
            read(tmp_path / name)
    with pytest.raises(CheckpointError, match="nothing to load"):
        read("")


def test_public_names_try_their_files_in_order(monkeypatch):
    asked = []

    def ask(url, timeout):
        asked.append(tuple(url.removeprefix("https://huggingface.co/").split("/resolve/main/")))
        if "model.pt" not in url:
            raise EntryNotFoundError("404")

    monkeypatch.setattr("praxia.models.checkpoint_file.get_hf_file_metadata", ask)
    monkeypatch.setattr("praxia.models.checkpoint_file.hf_hub_download", lambda name, file: f"/cache/{file}")
    assert found("owner/net", "Net.checkpoint", ("model.safetensors", "model.pt")) == Path("/cache/model.pt")
    assert asked == [("owner/net", "model.safetensors"), ("owner/net", "model.pt")]
    with pytest.raises(CheckpointError, match=r"OWNER/NAME/FILE"):
        found("owner/net/weights/other.pth", "Net.checkpoint", ("model.pt",))
    assert asked[-1] == ("owner/net", "weights/other.pth")


def test_whether_weights_can_be_had_is_asked_without_fetching_them(tmp_path, monkeypatch):
    def ask(url, timeout):
        if "model.pt" not in url:
            raise EntryNotFoundError("404")

    def fetch(name, file):
        raise AssertionError("fetched")

    monkeypatch.setattr("praxia.models.checkpoint_file.get_hf_file_metadata", ask)
    monkeypatch.setattr("praxia.models.checkpoint_file.hf_hub_download", fetch)
    check_found("owner/net", "Net.checkpoint", ("model.safetensors", "model.pt"))
    save_file(TENSORS, tmp_path / "model.safetensors")
    check_found(str(tmp_path), "Net.checkpoint", ("model.safetensors",))
    for source, message in (("owner/net", "names no file of owner/net"), (str(tmp_path), "is a folder without other.pth"), ("", "nothing to load")):
        with pytest.raises(CheckpointError, match=message):
            check_found(source, "Net.checkpoint", ("other.pth",))


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (refused(GatedRepoError, 403), r"is gated: request access on the page of owner/net, log in with `hf auth login`, or name a local file"),
        (refused(RepositoryNotFoundError, 401), r"log in with `hf auth login`"),
        (refused(HfHubHTTPError, 403), r"cannot be fetched \(no\): connect to the network, or name a local file"),
        (LocalEntryNotFoundError("offline"), r"cannot be fetched \(offline\)"),
        (RuntimeError("Name or\nservice not known"), r"is not on this machine and cannot be fetched \(Name or service not known\)"),
    ],
)
def test_a_repository_that_cannot_be_had_is_asked_once_and_says_what_to_do(monkeypatch, error, message):
    asked = []

    def ask(url, timeout):
        asked.append(url)
        raise error

    monkeypatch.setattr("praxia.models.checkpoint_file.get_hf_file_metadata", ask)
    with pytest.raises(CheckpointError, match=rf"Net\.checkpoint 'owner/net' .*{message}"):
        found("owner/net", "Net.checkpoint", ("model.safetensors", "model.pt"))
    assert len(asked) == 1


def test_a_busy_hub_is_left_to_the_download_which_waits(monkeypatch):
    def ask(url, timeout):
        raise refused(HfHubHTTPError, 503)

    monkeypatch.setattr("praxia.models.checkpoint_file.get_hf_file_metadata", ask)
    monkeypatch.setattr("praxia.models.checkpoint_file.hf_hub_download", lambda name, file: f"/cache/{file}")
    assert found("owner/net", "Net.checkpoint", ("model.pt",)) == Path("/cache/model.pt")


@pytest.fixture
def no_network(monkeypatch):
    def ask(*_, **__):
        raise AssertionError("asked the network")

    for name in ("get_hf_file_metadata", "hf_hub_download"):
        monkeypatch.setattr(f"praxia.models.checkpoint_file.{name}", ask)


def test_what_is_here_is_found_without_the_network(tmp_path, monkeypatch, no_network):
    (tmp_path / "weights.safetensors").touch()
    (tmp_path / "empty").mkdir()
    assert found_here(str(tmp_path / "weights.safetensors"), ()) == tmp_path / "weights.safetensors"
    assert found_here(str(tmp_path), ("model.pt", "weights.pt")) == tmp_path / "weights.safetensors", "converted before"
    assert found_here(str(tmp_path / "empty"), ("model.pt",)) is None
    cache = {("owner/net", "model.pt"): str(tmp_path / "model.pt"), ("owner/net", "other.pth"): str(tmp_path / "other.pth")}
    absent = object()  # what the library returns for a file that is known not to exist
    monkeypatch.setattr("praxia.models.checkpoint_file.try_to_load_from_cache", lambda name, file: cache.get((name, file), absent))
    files = ("model.safetensors", "model.pt")
    assert found_here("owner/net", files) == tmp_path / "model.pt" == found("owner/net", "Net.checkpoint", files)
    assert found_here("owner/net/other.pth", files) == tmp_path / "other.pth"
    assert found_here("owner/other", files) is None and found_here("owner/net/model.safetensors", files) is None


@pytest.mark.parametrize(
    "source",
    ["", "gone.pth", "./a/b", "/a/b", "~nobody-of-this-name/a", "a b/c", "a//b", "a/b/../../c", "-a/b", "a/" + "b" * 5000, "a\0/b", "a/b/c\0"],
)
def test_malformed_names_are_not_here(source, no_network):
    assert found_here(source, ("model.pt",)) is None


def test_a_missing_cut3r_file_says_where_it_is_had(tmp_path, no_network):
    for source in ("cut3r_512_dpt_4_64.pth", str(tmp_path)):
        with pytest.raises(CheckpointError, match=r"CUT3R\.checkpoint .*; the public file is linked from the README of github\.com/CUT3R/CUT3R"):
            read_weights(source)
    with pytest.raises(CheckpointError, match=r"does not exist; name a file, a folder or a public name \(OWNER/NAME or OWNER/NAME/FILE\)"):
        read_weights("cut3r_512_dpt_4_64.pth")


def test_fit_names_every_difference():
    module = nn.Linear(3, 2)
    for state, message in (
        ({"weight": torch.zeros(2, 3)}, r"missing \['bias'\]"),
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "more": torch.zeros(1)}, r"left over \['more'\]"),
        ({"weight": torch.zeros(2, 4), "bias": torch.zeros(2)}, r"weight is \(2, 4\), expected \(2, 3\)"),
    ):
        with pytest.raises(CheckpointError, match=message):
            fit(module, state, "a test")
    fit(module, {"weight": torch.zeros(2, 3), "bias": torch.ones(2), "spare.x": torch.zeros(1)}, "a test", ("spare.",))
    assert module.bias.tolist() == [1, 1]


# --- the two networks -------------------------------------------------------------------------------------------------------------


def test_a_public_cut3r_pickle_loads_with_prefix_settings_and_second_names(tmp_path):
    state = load_file(GOLDEN / "cut3r" / "tiny_weights.safetensors")
    path = tmp_path / "cut3r_512_dpt_4_64.pth"
    torch.save({"args": argparse.Namespace(model="..."), "model": {f"module.{k}": v for k, v in state.items()}, "epoch": 9}, path)
    for source in (path, tmp_path):
        found_state = read_weights(str(source))
        assert found_state.keys() == state.keys() and all(torch.equal(found_state[k], state[k]) for k in state)
    assert not any(ALIAS in k for k in load_file(path.with_suffix(".safetensors"))), "second names are not stored"


def test_second_names_may_be_absent_but_not_another_tensor(tmp_path):
    state = load_file(GOLDEN / "cut3r" / "tiny_weights.safetensors")
    save_file({k: v for k, v in state.items() if ALIAS not in k}, tmp_path / "once.safetensors")
    assert read_weights(str(tmp_path / "once.safetensors")).keys() == state.keys()
    damaged = state | {"downstream_head.dpt_rgb.scratch.layer2_rn.weight": state["downstream_head.dpt_rgb.scratch.layer2_rn.weight"] + 1e-3}
    save_file(damaged, tmp_path / "damaged.safetensors")
    with pytest.raises(CheckpointError, match=r"layer_rn\.1\.weight and .*layer2_rn\.weight are one tensor, but differ"):
        read_weights(str(tmp_path / "damaged.safetensors"))


def test_a_vggt_file_may_hold_the_tracking_head(tmp_path):
    spec = VGGT(image_size=28, width=16, heads=2, depth=4, dino_depth=1, dino_heads=2, heads_built=False, head_levels=(0, 1, 2, 3))
    state = {k: torch.ones(v.shape) for k, v in spec.build().state_dict().items()}
    save_file(state | {"track_head.x": torch.ones(1), "depth_head.norm.weight": torch.ones(3)}, tmp_path / "model.safetensors")
    for name in ("model.safetensors", "weights.safetensors"):  # the second one is what training here leaves
        (tmp_path / "model.safetensors").rename(tmp_path / name)
        net = replace(spec, checkpoint=str(tmp_path)).build()
        net.load_checkpoint()
        assert all((p == 1).all() for p in net.parameters())
    with pytest.raises(CheckpointError, match=r"VGGT\.checkpoint .*missing \['camera_head"):
        replace(spec, checkpoint=str(tmp_path), heads_built=True, head_widths=(4, 4, 4, 4), head_features=8).build().load_checkpoint()
