"""What is misspelt, missing or taken is answered with one message that names the nearest choice, status 2, and no traceback."""

import json
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.policy.micro_policy import micro_policy
from tests.recipes.micro_recipe import MICRO

FILE = MICRO.split(":")[0]
WRONG = [
    (("trian",), "did you mean 'train'"),
    (("train", "pose_vla_"), "did you mean 'pose_vla'"),
    (("train", "pose_vla", "--preset", "tiney"), "did you mean 'tiny'"),
    (("train", "pose_vla", "--stages.robto.steps", "3"), "unknown entry 'robto'; did you mean 'robot'"),
    (("train", "pose_vla", "--stages.robot.stpes", "3"), "unknown field of Stage 'stpes'; did you mean 'steps'"),
    (("train", "pose_vla", "--stages.robot.steps", "many"), "value 'many' should be of type int"),
    (("train", "pose_vla", "--stages.robot.steps", "2.5"), "should be a whole number"),
    (("train", "pose_vla", "--stages.robot.steps"), "flag '--stages.robot.steps' has no value"),
    (("train", "pose_vla", "--stages.robot.batch", "0"), "stage 'robot': batch is 0; expected at least 1"),
    (("train", "pose_vla", "--stages.robot.ema", "1.5"), "stage 'robot': ema is 1.5; expected a decay"),
    (("train", "pose_vla", "--precision", "fp16"), "unknown value 'fp16'"),
    (("train", "pose_vla", "--quite"), "did you mean '--quiet'"),
    (("train", "pose_vla", "--rplan", "3"), "did you mean '--replan'"),
    (("train", "pose_vla", "--threads", "two"), "--threads"),
    (("train", "action_priors", "--data", "one", "--data", "two"), "flag --data is given 2 times; give it once, several values behind each other"),
    (("train", "action_priors_history", "--stages.robot.passes", "((),('histroy',))"), "token group 'histroy'; did you mean 'history'"),
    (("train", "no_such.py:fn"), "recipe file 'no_such.py' does not exist"),
    (("train", FILE), "names a file but no function"),
    (("train", f"{FILE}:mikro"), "unknown function 'mikro'; did you mean 'micro'"),
    (("train", f"{FILE}:not_a_recipe"), "returned int"),
    (("train", "pose_vla", "--device", "cudda"), "device 'cudda' cannot be used here"),
    (("train", "pose_vla", "--alone", "robots"), "unknown stage of recipe 'pose_vla' 'robots'; did you mean 'robot'"),
    (("train", "pose_vla", "--alone", "robot", "--stage", "robot"), "the first is of a run of its own; give one of them"),
    (("train", "pose_vla", "--stage", "robot", "--restart"), "--restart forgets every stage of runs/pose_vla"),
    (("data", "stats", "no/such"), "dataset folder no/such does not exist"),
    (("data", "verify", "mine", "--write-card"), "--write-card"),
    (("train", MICRO, "--data", "no/such/folder"), "dataset folder no/such/folder does not exist"),
    (("train", "pose_vla", "--preset", "paper"), "stage 'waypoints' of recipe 'pose_vla' has no data; give it with --data"),
    (("info", "pose_vla", "--jsn"), "did you mean '--json'"),
    (("eval", "no/policy"), "no policy.json"),
    (("eval", "no/policy", "--benchmark", "tabeltop"), "did you mean 'tabletop'"),
    (("eval", "no/policy", "--benchmrk", "tabletop"), "--benchmark"),
    (("serve", "no/policy"), "no policy.json"),
    (("data", "inspct"), "did you mean 'inspect'"),
    (("data", "inspect", "no/such"), "no/such"),
    (("data", "make", "tabeltop", "--out", "x"), "did you mean 'tabletop'"),
    (("data", "make", "libero", "--out", "x", "--robot", "arm6"), "--robot arm6 in world libero: only tabletop can take it"),
    (("data", "make", "tabletop", "--out", "x", "--suite", "libero_goal"), "--suite libero_goal in world tabletop: only libero can take it"),
    (("data", "make", "metaworld", "--out", "x", "--split", "base"), "only tabletop and hands can take it"),
    (("doctor", "--jsn"), "--json"),
    (("doctor", "--net", "vgtt"), "did you mean 'vggt'"),
    (("doctor", "--net", "."), ". holds no geometry net"),
    (("doctor", "--benchmark", "libro"), "did you mean 'libero'"),
    (("doctor", "--benchmark", "libero", "--net", "vggt"), "one thing at a time"),
    (("doctor", "--checkpoint", "some.pt"), "says nothing without the net it is of"),
    (("annotate", "feature"), "did you mean 'features'"),
    (("annotate", "features", "no/such", "--net", "vggt", "--batch", "0"), "--batch is 0; expected at least 1"),
    (("annotate", "features", "no/such", "--net", "vggt", "--size", "-1"), "--size is -1"),
    (("annotate", "features", "no/such", "--net", ".", "--checkpoint", "x"), "has weights of its own; leave out --checkpoint"),
    (("train", "tabletop_geometry", "--data", "no/such"), "learns no actions"),
    (("annotate", "features", "no/such", "--net", "vggt", "--license-policy", "commercial"), "not for commercial use; use vggt-commercial"),
    (("annotate", "features", "no/such", "--net", "vggt"), "dataset folder no/such does not exist"),
    (("claims", "pose_vl"), "did you mean 'pose_vla'"),
    (("claims", "pose_vla", "--variants", "posse"), "unknown variant 'posse'; did you mean 'poses'"),
    (("claims", "pose_vla", "--seeds", "0"), "0 training seeds; give at least 1"),
    (("claims", MICRO), "a claim function returns praxia.stages.claim.Claim"),
]


@pytest.mark.parametrize(("arguments", "said"), WRONG, ids=[" ".join(a)[-40:] for a, _ in WRONG])
def test_mistakes_get_the_nearest_choice(refused, arguments, said):
    assert said in refused(*arguments)


def test_the_installed_command_prints_a_message_and_no_traceback():
    done = subprocess.run([Path(sys.executable).with_name("praxia"), "trian"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "") and done.stderr.count("\n") == 1 and "did you mean 'train'" in done.stderr


def test_a_port_that_is_taken_is_named(refused, tabletop_source, tmp_path):
    micro_policy(tabletop_source).save(tmp_path / "policy")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        message = refused("serve", tmp_path / "policy", "--port", port)
    assert str(port) in message and "--port" in message


def test_help_lists_every_command(praxia):
    said = praxia("--help")
    assert said.status == 0 and all(name in said.out for name in ("train", "eval", "serve", "data", "info", "doctor"))
    assert praxia("--version").out.strip() and praxia("train", "--help").status == 0 and "--dry-run" in praxia("train", "--help").out


INFO_KEYS = {
    "parameters", "trainable_by_stage", "added_tokens", "reused_tokens", "layout", "flops_per_sample", "assumed", "memory_gb", "stages", "licences"
}  # fmt: skip
PARAMETERS = {"total", "by_module", "by_part_of_backbone", "by_adapter", "vision_language_model"}


def test_info_has_the_keys_that_scripts_rely_on(praxia):
    said = praxia("info", MICRO, "--json", "--stages.robot.batch", 3)
    facts = json.loads(said.out)
    assert set(facts) >= INFO_KEYS and set(facts["parameters"]) == PARAMETERS
    assert facts["parameters"]["total"] == sum(facts["parameters"]["by_module"].values())
    assert facts["trainable_by_stage"]["robot"] == facts["parameters"]["total"] and facts["stages"][1]["batch"] == 3
    assert "prompt" in facts["layout"]["robot"] and facts["flops_per_sample"]["robot"] > 1e6
    rows = [line.split()[0] for line in facts["layout"]["robot"].splitlines()]
    assert rows[-2:] == ["state", "action"] and "sees view:head, view:wrist, prompt, state" in facts["layout"]["robot"]
    assert "trainable" in praxia("info", MICRO).out


def test_info_counts_what_the_samples_of_a_stage_run(praxia):
    facts = json.loads(praxia("info", "pose_vla", "--json").out)
    asks = json.loads(praxia("info", "pose_vla", "--json", "--stages.base_vlm.sources.0.weight", 0.0001).out)
    assert facts["flops_per_sample"]["base_vlm"] < 0.6 * asks["flops_per_sample"]["base_vlm"]  # most pictures are only looked at
    assert "target" in facts["layout"]["base_vlm"] and "registers" in facts["layout"]["robot"]


def test_doctor_says_what_a_geometry_net_may_be_used_for(praxia):
    checks = {check["name"]: check for check in json.loads(praxia("doctor", "--net", "cut3r", "--json").out)}
    assert "793.3 M parameters" in checks["net"]["found"] and "metres" in checks["net"]["found"]
    licence = checks["licence of cut3r"]
    assert "CC BY-NC-SA 4.0" in licence["found"] and "tabletop_geometry" in licence["fix"]
    assert checks["weights"]["status"] == "missing" and "--checkpoint" in checks["weights"]["fix"]


@pytest.mark.parametrize("name", ["a/b/c.pth", "bad name/x", "no/such"])
def test_doctor_answers_for_weights_that_are_not_here(praxia, name):
    checks = {check["name"]: check for check in json.loads(praxia("doctor", "--net", "cut3r", "--checkpoint", name, "--json").out)}
    assert checks["weights"]["status"] == "missing" and name in checks["weights"]["found"]
    assert "the file itself says nothing" in next(c["found"] for c in checks.values() if c["name"].startswith("licence"))


def test_doctor_says_what_works_and_how_to_fix_the_rest(praxia):
    checks = json.loads(praxia("doctor", "--json").out)
    assert {"processor", "headless rendering", "video", "disk"} <= {c["name"] for c in checks}
    assert all(c["status"] in ("ok", "missing", "note") and c["found"] for c in checks)
    assert all(c["fix"] for c in checks if c["status"] == "missing")


def test_a_foreign_dataset_is_inspected_described_and_verified(praxia, refused, tabletop_data, tmp_path):
    root = Path(shutil.copytree(tabletop_data, tmp_path / "mine"))
    assert "sound" in praxia("data", "verify", root).out
    said = praxia("data", "inspect", root, "--write-card")
    assert said.status == 2 and "dataset.yaml exists; edit it" in said.err
    (root / "dataset.yaml").unlink()
    assert "dataset.yaml is missing; draft it" in refused("data", "stats", root)
    said = praxia("data", "inspect", root, "--write-card")
    assert (
        said.status == 0 and "4 episodes" in said.out and "head: observation.images.head" in said.out and f"drafted {root}/dataset.yaml" in said.out
    )
    assert "unknown" in (root / "dataset.yaml").read_text()
    shutil.copy(tabletop_data / "dataset.yaml", root)
    stats = json.loads(praxia("data", "stats", root, "--json").out)
    assert set(stats) == {"action", "state"} and {"min", "max", "mean", "std", "q01", "q99", "count"} <= set(stats["action"])
    assert "dx" in praxia("data", "stats", root).out
    (video,) = (root / "videos/observation.images.head").rglob("*.mp4")
    video.unlink()
    said = praxia("data", "verify", root)
    assert said.status == 2 and video.name in said.out and "errors; fix them before training" in said.err
