"""The pages about your own dataset and your own recipe do what they say: every block is run as printed, on a small real dataset."""

import os
import re
import shlex
import shutil
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from praxia.annotate.hands import HandRules, ScaleRules
from praxia.cli import arguments
from praxia.cli.main import main
from praxia.data.card import read_card, write_card
from praxia.data.hand_clips import HandMotions, HandQuestions
from praxia.data.hand_clips.tables import CATEGORIES
from praxia.data.number_transforms import Normalise
from praxia.data.readers import Llava, Omni3D
from praxia.data.recorded import Recorded
from praxia.data.sample_transforms import PseudoViews, Slots
from praxia.data.supervision import ActionChunk, EmbodiedVQA, HandMotion, ObjectPoses, SpatialVQA, StateActionChunk, TargetMasks, Waypoints
from praxia.data.supervision.embodied_vqa import KINDS
from praxia.data.supervision.questions.affordance import INTERACT
from praxia.data.supervision.questions.look import GROUPS
from praxia.data.supervision.supervision import Needs
from praxia.data.unified_space import RobotSlots, UnifiedSpace
from praxia.evaluate.target_masks import LEAST, SIDE
from praxia.models.backbones.paligemma import PaliGemma
from praxia.models.conditioners.action_encoder import ActionEncoder
from praxia.models.conditioners.latent_query import LatentQuery
from praxia.models.heads.cross_attention_l1 import CrossAttentionL1
from praxia.models.heads.joint_flow import JointFlow
from praxia.models.heads.prior_decoder import PriorDecoder
from praxia.models.readouts import GeometryProjector
from praxia.models.spec import HistoryToken, LearnedTokens
from praxia.models.vision.geometry_fusion import GeometryFusion
from praxia.models.vision.ray_depth import RayDepth
from praxia.objectives import FlowMatching, L1Chunk, NextToken
from praxia.policy import Policy
from praxia.policy.net_catalogue import PUBLIC
from praxia.recipes.load import load_recipe
from praxia.recipes.poke_vla import LOSSES, tiny
from praxia.registry import from_json
from praxia.specs import ActionSpec
from praxia.stages.recipe import InitFrom, LinearDecay, Recipe, Source, Stage, Teacher
from praxia.tokens.motion_vocabulary import MotionVocabulary
from praxia.tokens.pose_vocabulary import PoseVocabulary
from praxia.train.optimiser import AdamW
from praxia.workflows.train_recipe import ASKED_ABOUT, LOOKED_AT
from praxia.worlds.libero.perturb import TABLE as LIBERO_TABLE
from praxia.worlds.libero.tasks import LIMITS as LIBERO_LIMITS
from praxia.worlds.libero.tasks import SUITES as LIBERO_SUITES
from praxia.worlds.perturbations import STRENGTHS

ROOT = Path(__file__).parents[2]
SHORTER = ((r"(--stages\.robot\.steps|steps=)( ?)2000", r"\1\g<2>2"),)  # the only change: two steps instead of two thousand


def blocks(page: str) -> list[tuple[str, str]]:
    """(language, code) of every fenced block."""
    text = (ROOT / "docs" / page).read_text()
    for pattern, replacement in SHORTER:
        text, times = re.subn(pattern, replacement, text)
        assert times or "praxia train" not in text, f"{page} trains for another number of steps: adapt SHORTER"
    return re.findall(r"```(\w+)\n(.*?)```", text, flags=re.S)


def bash(code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands of praxia, run in this process."""
    for line in code.strip().splitlines():
        monkeypatch.setattr("sys.argv", shlex.split(line))
        assert sys.argv[0] == "praxia"
        main()


@pytest.fixture
def desk(tabletop_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with my_data (without a card) and the examples, as a user stands in a clone."""
    shutil.copytree(tabletop_data, tmp_path / "my_data")
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_the_page_about_your_own_dataset_runs_as_printed(desk, tabletop_data, monkeypatch, capsys):
    (desk / "my_data/dataset.yaml").unlink()
    names: dict[str, Any] = {}
    for language, code in blocks("your_own_dataset.md"):
        match language:
            case "bash":
                bash(code, monkeypatch)
            case "python":
                exec(code, names)
            case "yaml":
                assert "unknown" in (desk / "my_data/dataset.yaml").read_text()
                value = yaml.safe_load(code)["action"]
                spec = from_json(value, ActionSpec)
                os.remove(desk / "my_data/dataset.yaml")
                card = read_card(tabletop_data)
                write_card(desk / "my_data", card)  # the person at the desk has completed it
                assert spec.width == 3 and spec.rate_hz == 10
    out = capsys.readouterr().out
    steps = len(Recorded(str(tabletop_data)).open())  # physics differs in the last bits from processor to processor
    assert "drafted my_data/dataset.yaml" in out and "sound" in out and f"{steps} samples" in out
    assert names["actions"].shape == (16, 7)


def test_the_page_about_your_own_recipe_runs_as_printed(desk, monkeypatch, capsys):
    names: dict[str, Any] = {}
    for language, code in blocks("your_own_recipe.md"):
        if language == "bash":
            bash(code, monkeypatch)
        else:
            exec(code, names)
    out = capsys.readouterr().out
    assert "flow_matching" in out and "policy: runs/first/policy" in out and (desk / "runs/second/policy/policy.json").is_file()
    policy, trained = Policy.load(desk / "runs/with_questions/policy"), names["trained"]
    assert trained.results[-1].steps == 2 and "scene_questions/next_token" in trained.results[-1].metrics
    sample = names["data"].open().sample(0, Needs())
    images = {view.role: view.image for view in sample.views}
    answer = policy.generate({"images": images, "state": sample.state}, "what is on the table ?", limit=4)
    assert isinstance(answer["text"], str)

    shutil.copytree(desk / "runs/first/policy", desk / "runs/quickstart/policy")  # stands for the policy that getting_started.md has just trained
    for language, code in blocks("getting_started.md"):
        if language == "python":
            exec(code, names)
    assert names["actions"].shape == (16, names["policy"].action_spec.width)


def test_the_page_about_pose_vla_runs_as_printed(capsys):
    names: dict[str, Any] = {}
    text = (ROOT / "docs/pose_vla.md").read_text()
    for code in re.findall(r"```python\n(.*?)```", text, flags=re.S):
        exec(code, names)
    assert "CC-BY-NC-4.0 box" in capsys.readouterr().out
    for insulate, weight in ((False, 10.0), (True, 1.0)):
        recipe = names["cotrained"](insulate)
        _, waypoints, robot = recipe.stages
        assert [w.weight(0) for w in robot.objectives] == [weight, 1.0] and recipe.model.head.insulate == insulate
        assert sum(s.weight for s in waypoints.sources[1:]) == pytest.approx(0.1)
        acts, says = robot.sources
        assert isinstance(says.supervision, Waypoints) and says.transforms == acts.transforms and len(says.transforms) == 3
    expert = names["from_pi0"]("pi0", "pi05", "model.").stages[-1].init_from[-1]
    assert ("model.time_mlp_in", "head.time_mlp_in") in expert.parts and expert.checkpoint == "pi0"
    parts = (ObjectPoses, Waypoints, PoseVocabulary, PseudoViews, RayDepth, NextToken, JointFlow, Recorded, Slots, PaliGemma, Omni3D, AdamW, InitFrom)
    for path in re.findall(r"`(\w+)\.(\w+)`", text.split("## Options")[0]):
        kind = next(k for k in parts if k.__name__ == path[0])
        assert path[1] in {f.name for f in fields(kind)}, path


def test_the_page_about_action_priors_runs_as_printed():
    names: dict[str, Any] = {}
    text = (ROOT / "docs/action_priors.md").read_text()
    for code in re.findall(r"```python\n(.*?)```", text, flags=re.S):
        exec(code, names)
    assert [r.robot for r in names["space"].robots] == ["my_arm", "two_arms"]
    parts = (ActionEncoder, PriorDecoder, LatentQuery, HistoryToken, ActionChunk, StateActionChunk, FlowMatching, LinearDecay, Source, Stage, Recipe)
    parts = (*parts, UnifiedSpace, RobotSlots)
    kinds = {part.__name__: {f.name for f in fields(part)} for part in parts}
    named = re.findall(r"`([A-Z]\w+)\.(\w+)[=`(]", text)
    assert len(named) > 10 and [f"{kind}.{field}" for kind, field in named if field not in kinds[kind]] == []


def test_the_page_about_geometry_nets_runs_as_printed(capsys):
    names: dict[str, Any] = {}
    text = (ROOT / "docs/geometry.md").read_text()
    for code in re.findall(r"```python\n(.*?)```", text, flags=re.S):
        exec(code, names)
    assert "torch.Size([1, 3, 64, 64])" in capsys.readouterr().out
    assert names["teacher"].cached and names["readout"].width == names["net"].width
    for net in PUBLIC:
        assert f"`{net.name}`" in text, "every public net stands in the table"


def test_the_page_about_vipa_vla_runs_as_printed(capsys):
    names: dict[str, Any] = {}
    text = (ROOT / "docs/vipa_vla.md").read_text()
    for code in re.findall(r"```python\n(.*?)```", text, flags=re.S):
        exec(code, names)
    assert "<mot><mot_x0307><mot_y0614><mot_z0409>" in (out := capsys.readouterr().out) and "3075\nTrue" in out
    parts = (MotionVocabulary, SpatialVQA, HandMotion, GeometryFusion, Stage, NextToken, Normalise)
    kinds = {k.__name__: {f.name for f in fields(k)} for k in parts}
    named = re.findall(r"`([A-Z]\w+)\.(\w+)`", text)
    assert len(named) > 10 and [f"{kind}.{field}" for kind, field in named if kind in kinds and field not in kinds[kind]] == []
    table = {s.name: (s.steps, s.batch) for s in load_recipe("vipa_vla", "paper").stages}
    assert all(f"| `{name}` |" in text and f"{steps:,} steps of {batch}" in text for name, (steps, batch) in table.items())
    assert all(f"| `{stage.name}`" in text for stage in load_recipe("vipa_vla").stages)


def test_the_page_about_libero_runs_as_printed(capsys):
    text = (ROOT / "docs/libero.md").read_text()
    for code in re.findall(r"```python\n(.*?)```", text, flags=re.S):
        exec(code, {})
    first, then, *perturbed = capsys.readouterr().out.splitlines()
    assert first == "90 turn_on_the_stove" and then == "300 ['dx', 'dy', 'dz', 'rx', 'ry', 'rz', 'gripper']"
    assert perturbed == ["orbit 15 degrees", "orbit 75 degrees"]
    for category, kinds in LIBERO_TABLE.items():
        for kind in kinds:
            assert f"| {category} | {kind.name} | {' · '.join(f'{s:g}' for s in kind.strengths)} | {kind.unit} | {kind.what} |" in text
    assert all(f"`{suite}`" in text for suite in LIBERO_SUITES) and ", ".join(map(str, list(LIBERO_LIMITS.values())[:4])) in text


def test_the_page_about_embodied_questions_runs_as_printed(capsys):
    names: dict[str, Any] = {}
    text = (ROOT / "docs/embodied_vqa.md").read_text()
    for code in re.findall(r"```python\n(.*?)```", text, flags=re.S):
        exec(code, names)
    out = capsys.readouterr().out
    assert "[(0.412, 0.733)]\n[[15.5 31.5]]\nNone\n" in out and "embodied_vqa" in out
    kinds = {"EmbodiedVQA": EmbodiedVQA, "Llava": Llava}
    named = re.findall(r"`(EmbodiedVQA|Llava)\.(\w+)`", text)
    assert len(named) > 6 and [f"{kind}.{field}" for kind, field in named if field not in {f.name for f in fields(kinds[kind])}] == []
    assert {kind.split("/")[0] for kind in KINDS} == set(GROUPS) and all(f"| {group} |" in text for group in GROUPS)
    assert all(f"`{kind.split('/')[1]}`" in text for kind in KINDS if kind != "affordance/interact") and all(f"`{verb}`" in text for verb in INTERACT)
    assert f"{ASKED_ABOUT} held-out pictures" in text


def test_the_page_about_poke_vla_runs_as_printed(capsys):
    text = (ROOT / "docs/poke_vla.md").read_text()
    for code in re.findall(r"```python\n(.*?)```", text, flags=re.S):
        exec(code, {})
    assert capsys.readouterr().out == "True True\n('queries', 'seg', 'target') ''\n('camera:1', 'camera:2', 'camera:3')\n"
    parts = (CrossAttentionL1, L1Chunk, LearnedTokens, GeometryProjector, Teacher, ActionChunk, TargetMasks, Normalise)
    kinds = {kind.__name__: kind for kind in parts}
    named = re.findall(r"`([A-Z]\w+)\.(\w+)`", text)
    assert len(named) > 5 and [f"{kind}.{field}" for kind, field in named if field not in {f.name for f in fields(kinds[kind])}] == []
    recipe = tiny()
    assert all(f"| `{stage.name}`" in text for stage in recipe.stages) and f"`tiny` {recipe.model.tokens[-1].count}" in text
    assert "`L1Chunk` + 0.2 `TargetMask` + 0.4 `GeometryAlignment`" in text and [w.weight(0) for w in LOSSES] == [1.0, 0.2, 0.4]
    assert f"on {LOOKED_AT} samples" in text and f"at least {LEAST} pixels" in text and f"at {SIDE} x {SIDE}" in text


def test_the_page_about_perturbed_episodes_runs_as_printed_and_has_the_table_of_strengths(capsys):
    text = (ROOT / "docs/tabletop_plus.md").read_text()
    for code in re.findall(r"```python\n(.*?)```", text, flags=re.S):
        exec(code, {})
    assert "(96, 96, 3)" in capsys.readouterr().out
    for category, kinds in STRENGTHS.items():
        for kind in kinds:
            assert f"| {category} | {kind.name} | {' · '.join(f'{s:g}' for s in kind.strengths)} | {kind.unit} | {kind.what} |" in text


def test_the_page_about_claims_loads_its_example(desk, capsys):
    for language, code in blocks("claims.md"):
        if language == "python":
            exec(code, {})
    assert "['shifted', 'still']" in capsys.readouterr().out


class Parsed(Exception):
    """A command line was understood."""


def commands() -> list[str]:
    """Every command line of praxia in a bash block of the README or of a page, comments off."""
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    found = [
        line
        for page in pages
        for code in re.findall(r"```bash\n(.*?)```", page.read_text(), flags=re.S)
        for line in code.replace("\\\n", "").splitlines()
    ]
    return sorted({line.split("#")[0].strip() for line in found if line.startswith("praxia ")})


@pytest.mark.parametrize("line", commands())
def test_every_command_line_on_a_page_is_understood(line, monkeypatch):
    original = arguments._tyro

    def understood(call):
        original(call)
        raise Parsed

    monkeypatch.setattr(arguments, "_tyro", understood)
    monkeypatch.setattr("sys.argv", shlex.split(line))
    with pytest.raises(Parsed):
        main()
    if line.startswith("praxia train") and not (recipe := shlex.split(line)[2]).startswith("my_"):
        monkeypatch.chdir(ROOT)
        assert load_recipe(recipe, "tiny").stages


def test_links_between_pages_lead_somewhere():
    for page in (ROOT / "README.md", *(ROOT / "docs").rglob("*.md")):
        for link in re.findall(r"\]\(([^)#]+)\)", page.read_text()):
            assert link.startswith("http") or (page.parent / link).exists(), f"{page}: {link}"


def test_the_page_about_hands_runs_as_printed(capsys):
    text = (ROOT / "docs/hands.md").read_text()
    for code in re.findall(r"```python\n(.*?)```", text, flags=re.S):
        exec(code, {})
    assert capsys.readouterr().out == "left and down and forward, 0.44m\n1.6\nhands\n"
    kinds = {kind.__name__: {f.name for f in fields(kind)} | {"open"} for kind in (HandRules, ScaleRules, HandQuestions, HandMotions)}
    named = re.findall(r"`(HandRules|ScaleRules|HandQuestions|HandMotions)\.(\w+)", text)
    assert len(named) > 10 and [pair for pair in named if pair[1] not in kinds[pair[0]]] == []
    assert all(f"| `{category}` |" in text for category in CATEGORIES)
