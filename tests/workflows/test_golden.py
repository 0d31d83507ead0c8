"""Our networks equal the public code on every reference tensor, and whatever damages a network or a folder is noticed."""

import json
from collections import Counter
from dataclasses import replace
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from praxia.errors import CheckpointError, DataError
from praxia.models.geometry_nets.cut3r import CUT3R
from praxia.models.geometry_nets.dpt import ResidualConvUnit
from praxia.models.geometry_nets.vggt import VGGT
from praxia.workflows.golden import cut3r, prismatic, verify, vggt, worst_first
from praxia.workflows.golden.compare import EXACT, GoldenFile, Tolerance, deviation, published_shapes, read_config

GOLDEN = Path(__file__).parents[1] / "golden"
SCRIPT = Path(__file__).parents[2] / "scripts" / "verify_golden"
COMPARED = {  # tensors that are compared, of all that the folders hold
    "vggt": {"case_1": 20, "case_2": 20, "case_3": 20, "case_4": 20, "case_5": 19, "ops": 36, "vggt_1b_state_dict": 1},
    "cut3r": {"case_0": 31, "case_1": 66, "case_1_half": 66, "case_2": 45, "case_3": 108, "case_4": 87, "case_5": 97, "linear_case_0": 45,
              "cut3r_512_dpt_state_dict": 1, "cut3r_224_linear_state_dict": 1},
    "prismatic": {"case_3": 12, "pos_embed": 3, "full_state_dict": 1, "prompts": 6},
}  # fmt: skip


@pytest.mark.parametrize("folder", COMPARED)
def test_every_reference_tensor(folder):
    kind, found = verify(GOLDEN / folder)
    assert kind == folder
    assert [one for one in found if not one.fits] == []
    counts = Counter(one.case for one in found)
    assert {case: counts[case] for case in COMPARED[folder]} == COMPARED[folder]
    assert [one.case for one in worst_first(found)] == list(counts)


# --- damage -----------------------------------------------------------------------------------------------------------------------


def copy_of(source: Path, folder: Path, without: str = "") -> Path:
    """A reference folder in which single files can be replaced."""
    folder.mkdir(exist_ok=True)
    for path in source.iterdir():
        if path.name != without:
            (folder / path.name).symlink_to(path)
    return folder


def rewritten(path: Path, change) -> None:
    """Replace a link to a safetensors file by the file with its tensors changed."""
    tensors = load_file(path)
    change(tensors)
    path.unlink()
    save_file(tensors, path)


def nudge(name: str, by: float = 0.05):
    def change(tensors: dict) -> None:
        generator = torch.Generator().manual_seed(0)
        tensors[name] = tensors[name] + by * torch.randn(tensors[name].shape, generator=generator)

    return change


WEIGHTS = {
    "vggt": ("aggregator.patch_embed.register_tokens", "aggregator.global_blocks.3.attn.k_norm.bias", "point_head.scratch.refinenet4.out_conv.bias",
             "camera_head.empty_pose_tokens"),
    "cut3r": ("masked_ray_map_token", "dec_blocks_state.3.cross_attn.projv.bias", "pose_retriever.masked_token",
              "downstream_head.final_transform.1.norm2.mlp.1.bias"),
}  # fmt: skip


@pytest.mark.parametrize(("folder", "name"), [(folder, name) for folder, names in WEIGHTS.items() for name in names])
@torch.no_grad()
def test_a_changed_weight_is_noticed(tmp_path, folder, name):
    copy = copy_of(GOLDEN / folder, tmp_path / folder)
    rewritten(copy / "tiny_weights.safetensors", nudge(name))
    config = json.loads((copy / "tiny_config.json").read_text())
    if folder == "vggt":
        net, case, check = VGGT.from_config(config, str(copy / "tiny_weights.safetensors")).build().eval(), "case_2", vggt.check_case
        arguments = ()
    else:
        net = CUT3R.from_config(config["config"], str(copy / "tiny_weights.safetensors")).build().eval()
        case, check, arguments = "case_4", cut3r.check_case, (config["cases"]["case_4"], cut3r.FULL)
    net.load_checkpoint()
    found = list(check(GoldenFile(copy, f"{case}.safetensors"), net, *arguments))
    assert max(one.share for one in found) > 10


@pytest.mark.parametrize(
    ("file", "tensor"),
    [("case_3", "depth"), ("ops", "dpt_pos.out_c32_map3x5_img42x70"), ("preprocess", "crop.wide.full_u8")],
)
def test_a_changed_reference_fails_the_script(tmp_path, monkeypatch, capsys, file, tensor):
    copy = copy_of(GOLDEN / "vggt", tmp_path / "vggt")

    def change(tensors: dict) -> None:
        tensors[tensor].view(-1)[7] += 1

    rewritten(copy / f"{file}.safetensors", change)
    assert script(monkeypatch, str(copy)) == 1
    printed = capsys.readouterr().out
    assert tensor in printed and "outside" in printed and "1 outside their tolerance" in printed


def test_the_script_says_how_far_and_passes(monkeypatch, capsys):
    assert script(monkeypatch, str(GOLDEN / "prismatic"), "--all") == 0
    printed = capsys.readouterr().out
    assert "prismatic: 84 tensors" in printed and "multi_layer_hidden_states" in printed and "all within their tolerance" in printed


def script(monkeypatch, *arguments: str) -> int:
    """Exit status of scripts/verify_golden, run in this process."""
    loader = SourceFileLoader("verify_golden", str(SCRIPT))
    module = module_from_spec(spec_from_loader("verify_golden", loader))
    loader.exec_module(module)
    monkeypatch.setattr("sys.argv", ["verify_golden", *arguments])
    return module.main()


def test_what_is_missing_or_unexplained_is_an_error(tmp_path, monkeypatch, capsys):
    source = GOLDEN / "vggt"
    for missing, message in (
        ("tiny_config.json", "tiny_config.json cannot be read"),
        ("tiny_weights.safetensors", "tiny_weights.safetensors' does not exist"),
        ("case_4.safetensors", "has no case_4.safetensors"),
        ("ops.safetensors", "has no ops.safetensors"),
    ):
        with pytest.raises((DataError, CheckpointError), match=message):
            verify(copy_of(source, tmp_path / missing, missing))
    assert script(monkeypatch, str(tmp_path / "case_4.safetensors")) == 2
    assert "verify_golden: " in capsys.readouterr().err
    stray = copy_of(source, tmp_path / "stray")
    save_file({"a": torch.ones(1)}, stray / "case_6.safetensors")
    with pytest.raises(DataError, match=r"nothing here explains: case_6\.safetensors"):
        verify(stray)
    for name, change, message in (
        ("more", lambda t: t.update(depth_of_thought=torch.ones(1)), "nothing here explains: depth_of_thought"),
        ("less", lambda t: t.pop("depth_conf"), "has no tensor 'depth_conf'"),
    ):
        copy = copy_of(source, tmp_path / name)
        rewritten(copy / "case_1.safetensors", change)
        with pytest.raises(DataError, match=message):
            verify(copy)
    other = tmp_path / "other"
    other.mkdir()
    (other / "tiny_config.json").write_text('{"layers": 3}')
    with pytest.raises(DataError, match="describes none of vggt, cut3r, prismatic"):
        verify(other)


def edited(path: Path, change) -> None:
    """Replace a link to a JSON file by the file changed; a change that is no function replaces all of it."""
    content = json.loads(path.read_text())
    if callable(change):
        change(content)
    else:
        content = change
    path.unlink()
    path.write_text(json.dumps(content))


def put(*path):
    """A change that sets the entry at a path of names to the last argument."""

    def change(content) -> None:
        *names, last, value = path
        for name in names:
            content = content[name]
        content[last] = value

    return change


def drop(*path):
    def change(content) -> None:
        *names, last = path
        for name in names:
            content = content[name]
        del content[last]

    return change


def tensor(name: str, make):
    def change(tensors: dict) -> None:
        tensors[name] = make(tensors[name]).contiguous()

    return change


TINY = "tiny_config.json"
DAMAGE = [  # folder, file, change, what the message says after the file's path
    ("vggt", TINY, [1], "holds a list, expected an object"),
    ("vggt", TINY, put("camera_head", 3), "camera_head is 3; expected names and values"),
    ("vggt", TINY, put("cases", 3), "config.cases is 3; expected a list"),
    ("vggt", TINY, put("cases", ["a"]), "an entry of cases is 'a'; expected names and values"),
    ("vggt", TINY, put("aggregator", "num_heads", 7), "width 64 in 7 heads"),
    ("vggt", TINY, drop("aggregator", "num_heads"), "has no entry 'num_heads'"),
    ("vggt", "vggt_1b_state_dict.json", put("tensors", {"a": [3, "float32"]}), "tensors.a is [3, 'float32']; expected [shape, type]"),
    ("vggt", "case_1.safetensors", tensor("images", lambda t: t[0]), "cannot be used (RuntimeError"),
    ("vggt", "case_1.safetensors", tensor("images", lambda t: t.double()), "cannot be used (RuntimeError"),
    ("vggt", "case_1.safetensors", tensor("images", lambda t: t[:, :0]), "cannot be used (RuntimeError"),
    ("vggt", "ops.safetensors", tensor("pose.out_intrinsic", lambda t: t.flatten()[:1]), "cannot be used (IndexError"),
    ("vggt", "preprocess.safetensors", tensor("raw.wide", lambda t: t.float()), "cannot be used (TypeError"),
    ("cut3r", TINY, put("config", "head_type", "none"), "config.head_type is 'none'"),
    ("cut3r", TINY, put("config", "state_pe", "3d"), "CUT3R.state_places is '3d'"),
    ("cut3r", TINY, put("cases", "case_0", "num_views", 0), "cases.case_0.num_views is 0; expected a whole number of at least 1"),
    ("cut3r", TINY, put("cases", "case_0", "path", "both"), "cases.case_0.path is 'both'; expected one of batch, recurrent"),
    ("cut3r", TINY, put("weights_file", 3), "config.weights_file is 3; expected the name of a file"),
    ("cut3r", "linear_tiny_config.json", put("config", []), "config is []; expected names and values"),
    ("cut3r", "case_0.safetensors", tensor("in.0.img_mask", lambda t: t.float()), "cannot be used (IndexError"),
    ("cut3r", "aux_cases.safetensors", tensor("prep.0.size", lambda t: t * 0), "cannot be used (ValueError"),
    ("cut3r", "cut3r_512_dpt_state_dict.json", put("config", 3), "config is 3; expected names and values"),
    ("prismatic", TINY, put("vision", 3), "vision is 3; expected names and values"),
    ("prismatic", TINY, put("patch_size", 0), "cannot be used (ZeroDivisionError"),
    ("prismatic", "tiny_checkpoint.safetensors", drop("vision_backbone.dino_featurizer.cls_token"), "has no entry"),
    ("prismatic", "case_1.safetensors", tensor("input_ids", lambda t: t.float()), "cannot be used (RuntimeError"),
    ("prismatic", "full_state_dict.json", put("tensors", {}), "has no entry 'pos_embed'"),
]  # fmt: skip


@pytest.mark.parametrize(("folder", "file", "change", "message"), DAMAGE)
def test_a_damaged_file_is_named(tmp_path, monkeypatch, capsys, folder, file, change, message):
    copy = copy_of(GOLDEN / folder, tmp_path / folder)
    (edited if file.endswith(".json") else rewritten)(copy / file, change)
    assert script(monkeypatch, str(copy)) == 2
    printed = capsys.readouterr().err
    assert str(copy / file) in printed and message in printed


@pytest.mark.parametrize("name", ["llm_backbone.llm.lm_head.weight", "vision_backbone.siglip_featurizer.strange"])
def test_names_and_shapes_of_the_published_prismatic_are_compared(name):
    shapes = published_shapes(read_config(GOLDEN / "prismatic", "full_state_dict.json"), "tensors")
    with torch.device("meta"):
        assert prismatic.check_names("c", shapes).fits
        assert not prismatic.check_names("c", shapes | {name: (1, 2)}).fits


def test_prompts_are_compared_word_by_word(tmp_path):
    folder = copy_of(GOLDEN / "prismatic", tmp_path / "changed", without="prompts.json")
    (folder / "prompts.json").write_text((GOLDEN / "prismatic" / "prompts.json").read_text().replace("You are Qwen", "You are Gwen"))
    wrong = [one for one in verify(folder)[1] if not one.fits]
    assert wrong and {one.case for one in wrong} == {"prompts"}


def test_linear_heads_are_optional_in_a_cut3r_folder(tmp_path):
    copy = copy_of(GOLDEN / "cut3r", tmp_path / "cut3r", "linear_tiny_config.json")
    with pytest.raises(DataError, match=r"nothing here explains: linear_case_0\.safetensors, linear_tiny_weights\.safetensors"):
        verify(copy)
    for name in ("linear_tiny_weights.safetensors", "linear_case_0.safetensors"):
        (copy / name).unlink()
    found = verify(copy)[1]
    assert all(one.fits for one in found) and "linear_case_0" not in {one.case for one in found}


@pytest.mark.parametrize("folder", ["vggt", "cut3r", "prismatic"])
def test_a_folder_may_name_its_weights_or_not(tmp_path, folder):
    weights = "tiny_checkpoint.safetensors" if folder == "prismatic" else "tiny_weights.safetensors"
    copy = copy_of(GOLDEN / folder, tmp_path / folder)
    edited(copy / TINY, lambda config: config.pop("weights_file", None))
    assert all(one.fits for one in verify(copy)[1])
    (copy / weights).rename(copy / "other.safetensors")
    edited(copy / TINY, put("weights_file", "other.safetensors"))
    assert all(one.fits for one in verify(copy)[1])


# --- the reference data notices mistakes that somebody could make ------------------------------------------------------------------


def _raw_skip(net):
    for unit in (m for m in net.modules() if isinstance(m, ResidualConvUnit)):
        unit.rectified_skip = False


def _views_alike(net):
    net.aggregator.camera_token[:, 1:] = net.aggregator.camera_token[:, :1]


def _rows_for_columns(net):
    plain = net.aggregator.positions
    net.aggregator.positions = lambda *a: plain(*a).flip(-1)


def _eps(net):
    for module in net.modules():
        if isinstance(module, nn.LayerNorm):
            module.eps = 1e-6 if module.eps == 1e-5 else 1e-5


@pytest.mark.parametrize("mistake", [_raw_skip, _views_alike, _rows_for_columns, _eps])
@torch.no_grad()
def test_mistakes_in_vggt_are_noticed(mistake):
    config = json.loads((GOLDEN / "vggt" / "tiny_config.json").read_text())
    net = VGGT.from_config(config, str(GOLDEN / "vggt" / "tiny_weights.safetensors")).build().eval()
    net.load_checkpoint()
    mistake(net)
    checks = (
        vggt.check_case(GoldenFile(GOLDEN / "vggt", "case_3.safetensors"), net),
        vggt.check_operations(GoldenFile(GOLDEN / "vggt", "ops.safetensors"), net),
    )
    assert max(one.share for check in checks for one in check) > 10


@pytest.mark.parametrize(
    "change", [{"state_heads": 5}, {"ray_heads": 4}, {"state_places": "1d"}, {"rope_base": 10000.0}, {"half_rotation": True}, {"path": "batch"}]
)
@torch.no_grad()
def test_mistakes_in_cut3r_are_noticed(change):
    config = json.loads((GOLDEN / "cut3r" / "tiny_config.json").read_text())
    case = config["cases"]["case_5"] | {k: v for k, v in change.items() if k == "path"}
    spec = CUT3R.from_config(config["config"], str(GOLDEN / "cut3r" / "tiny_weights.safetensors"))
    net = replace(spec, **{k: v for k, v in change.items() if k != "path"}).build().eval()
    net.load_checkpoint()
    found = list(cut3r.check_case(GoldenFile(GOLDEN / "cut3r", "case_5.safetensors"), net, case, cut3r.FULL))
    assert max(one.share for one in found) > 5


# --- comparing --------------------------------------------------------------------------------------------------------------------


def test_a_deviation_is_measured_against_its_tolerance():
    theirs = torch.tensor([1.0, -10.0, 0.0])
    one = deviation("c", "t", theirs + torch.tensor([0.0, 0.55, 0.05]), theirs, Tolerance(0.1, 0.1))
    assert one.fits and one.largest == pytest.approx(0.55) and one.share == pytest.approx(0.5)
    assert not deviation("c", "t", theirs + 0.11, theirs, Tolerance(0.1)).fits
    assert deviation("c", "t", theirs + 0.11, theirs, Tolerance(of_largest=0.02)).fits


@pytest.mark.parametrize("tolerance", [EXACT, Tolerance(1e9, 1e9, 1e9)])
def test_what_is_not_finite_must_be_the_same(tolerance):
    theirs = torch.tensor([torch.inf, torch.nan, 1.0])
    assert deviation("c", "t", theirs.clone(), theirs, tolerance).fits
    for other in ([-torch.inf, torch.nan, 1.0], [torch.inf, 0.0, 1.0], [torch.inf, torch.nan, torch.nan], [2.0, torch.nan, 1.0]):
        assert not deviation("c", "t", torch.tensor(other), theirs, tolerance).fits
    assert not deviation("c", "t", torch.ones(2), torch.ones(2, 1), tolerance).fits
    assert not deviation("c", "t", torch.tensor([1]), torch.tensor([2]), EXACT).fits


# --- other sizes ------------------------------------------------------------------------------------------------------------------


class Recording(GoldenFile):
    """Writes down what would have been compared: a reference file made of our own outputs."""

    def __init__(self, path: Path, inputs: dict):
        save_file(inputs, path)
        super().__init__(path.parent, path.name)

    def compare(self, name, ours, tolerance):
        self._tensors[name] = ours.clone().contiguous()
        return super().compare(name, ours, tolerance)

    def compare_all(self, ours, tolerance):
        return [self.compare(name, tensor, tolerance) for name, tensor in ours.items()]

    def write(self) -> None:
        save_file(self._tensors, self.path)


@torch.no_grad()
def test_a_vggt_folder_of_other_sizes(tmp_path):
    config = json.loads((GOLDEN / "vggt" / "tiny_config.json").read_text())
    config["aggregator"] |= {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 5, "num_heads": 2, "num_register_tokens": 2}
    config["dino_patch_embed"] |= {"img_size": 32, "patch_size": 8, "embed_dim": 32, "depth": 1, "num_heads": 4, "num_register_tokens": 3}
    config["camera_head"] |= {"num_heads": 2, "trunk_depth": 1, "num_iterations": 3}
    for head in ("depth_head", "point_head"):
        config[head] |= {
            "features": 16,
            "out_channels": [8, 4, 12, 20],
            "head_features_2": 6,
            "intermediate_layer_idx": [1, 2, 3, 4],
            "patch_size": 8,
        }
    torch.manual_seed(0)
    net = VGGT.from_config(config).build().eval()
    record = Recording(tmp_path / "case_1.safetensors", {"images": torch.rand(2, 3, 3, 24, 40)})
    list(vggt.check_case(record, net))
    record.write()
    found = list(vggt.check_case(GoldenFile(tmp_path, "case_1.safetensors"), net))
    assert len(found) == 19 and all(one.fits for one in found)


@torch.no_grad()
def test_a_cut3r_folder_of_other_sizes(tmp_path):
    config = json.loads((GOLDEN / "cut3r" / "tiny_config.json").read_text())["config"]
    config |= {"img_size": [64, 64], "enc_embed_dim": 32, "enc_depth": 2, "enc_num_heads": 2, "ray_enc_depth": 1, "ray_enc_num_heads": 4}
    config |= {"dec_embed_dim": 48, "dec_depth": 3, "dec_num_heads": 3, "state_dec_num_heads": 4, "state_size": 7, "local_mem_size": 5}
    config |= {"dpt_feature_dim": 12, "dpt_last_dim": 5, "dpt_layer_dims": [4, 6, 8, 10], "pose_retriever_depth": 1, "final_transform_depth": 3}
    torch.manual_seed(0)
    net = CUT3R.from_config(config).build().eval()
    yes, size = torch.tensor([True, True]), torch.tensor([[48, 32]] * 2)
    inputs = {f"in.{i}.img": torch.rand(2, 3, 48, 32) for i in range(2)}
    inputs |= {f"in.{i}.{name}": flag.clone() for i in range(2) for name, flag in (("img_mask", yes), ("ray_mask", ~yes), ("true_shape", size))}
    case = {"num_views": 2, "path": "batch", "extras": True}
    record = Recording(tmp_path / "case_1.safetensors", inputs)
    list(cut3r.check_case(record, net, case, cut3r.FULL))
    record.write()
    found = list(cut3r.check_case(GoldenFile(tmp_path, "case_1.safetensors"), net, case, cut3r.FULL))
    assert len(found) == 3 + 2 * 21 + 8 and all(one.fits for one in found)
