"""VIPA-VLA's recipe: what moves in which stage, what is frozen to the last bit, what the policy holds, and what its stages are scored by."""

from dataclasses import replace
from fnmatch import fnmatch
from functools import partial
from types import SimpleNamespace

import pytest
import torch
from benchmarks import hand3d

from praxia.annotate.hands import HandClips, HandRules, annotate_hands
from praxia.annotate.hands.annotate_clip import Place, annotate_clip
from praxia.annotate.hands.clouds import GivenDepth, NetDepth
from praxia.data.hand_clips import HandMotions, HandQuestions, RecordedClips
from praxia.data.hand_clips.tables import QUESTIONS
from praxia.data.recorded import Recorded
from praxia.data.supervision import HandMotion, SceneGeometry, SceneGrounding, SpatialVQA
from praxia.data.supervision.supervision import Needs
from praxia.errors import ConfigError
from praxia.files import read_json
from praxia.policy import Policy
from praxia.recipes.vipa_vla import ENCODER, FUSION, LANGUAGE, REGISTERS, paper, tiny
from praxia.specs.licences import check_licences
from praxia.stages.recipe import Recipe, Stage
from praxia.stages.weights import read_weights
from praxia.train.settings import TrainSettings
from praxia.workflows.describe import describe
from praxia.workflows.report import run_report
from praxia.workflows.train_recipe import declared_licences, train_recipe

STEPS = 6
RULES = HandRules(calibrate=False, questions=8, motions=0, held_tasks=("pour",))


def little(tabletop: str, hands: str) -> Recipe:
    """`tiny` on a few recorded clips and demonstrations, some steps a stage."""

    def data(stage, source, split="train"):
        if isinstance(source.supervision, SpatialVQA):
            through_net = HandClips(rules=RULES, net=ENCODER, stage="geometry")
            return replace(source, data=through_net if (stage, split) == ("spatial_vqa", "train") else HandQuestions(hands, split))
        if isinstance(source.supervision, HandMotion):
            return replace(source, data=HandMotions(hands, split))
        if isinstance(source.supervision, SceneGeometry):
            return replace(source, data=Recorded(tabletop), supervision=SceneGeometry(("head", "wrist")))
        if isinstance(source.supervision, SceneGrounding):
            return replace(source, data=Recorded(tabletop), supervision=SceneGrounding())
        return replace(source, data=Recorded(tabletop))

    def shrunk(stage: Stage) -> Stage:
        held = tuple(data(stage.name, s, "held_out") for s in stage.held_out) if stage.name in ("spatial_vqa", "hand_motion") else ()
        watched = {"validate_every": STEPS * (stage.name == "spatial_vqa"), "validation_batches": 1}
        short = {"steps": STEPS, "minutes": 0.0, "batch": 4, "cycle": 1, "shared": False, **watched}
        return replace(stage, sources=tuple(data(stage.name, s) for s in stage.sources), held_out=held, **short)

    recipe = tiny()
    return replace(recipe, stages=tuple(map(shrunk, recipe.stages)), precision="fp32")


@pytest.fixture(scope="module")
def trained(tabletop_data, hand_clips, annotated_hands, tmp_path_factory):
    clips = SimpleNamespace(key=lambda: "six clips", made=lambda: SimpleNamespace(root=hand_clips))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("praxia.workflows.train_recipe.ASKED_OF_HANDS", 16)
        patch.setattr("praxia.annotate.hands.made_clips.HandClips.recorded", clips)
        patch.setattr("praxia.annotate.hands.made_clips.annotate_hands", partial(annotate_hands, workers=1))
        recipe = little(str(tabletop_data), str(annotated_hands))
        yield train_recipe(recipe, tmp_path_factory.mktemp("vipa") / "run", TrainSettings(quiet=True, threads=1))


def test_what_moves_in_each_stage_is_the_published_table_and_the_rest_stays_to_the_last_bit(trained):
    left = {s.name: read_weights(trained.run.finished_checkpoint(s.name)) for s in trained.assembly.recipe.stages}
    tokens = trained.assembly.tokenizer.convert_tokens_to_ids(list(trained.assembly.model.vocabulary.tokens))

    def moved(before: str, after: str) -> set[str]:
        return {name for name, tensor in left[after].items() if name in left[before] and not torch.equal(tensor, left[before][name])}

    fusion, language = moved("spatial_vqa", "hand_motion"), moved("hand_motion", "robot")
    towers = ("backbone.model.model.vision_tower.*", "backbone.model.model.multi_modal_projector.*", "adapters.*.encoder.*")
    assert not moved("base_vlm", "spatial_vqa"), "stage 1 trains nothing of the vision-language model"
    torch.manual_seed(trained.assembly.recipe.seed)
    start = trained.assembly.build(trained.assembly.recipe.stages[2]).state_dict()
    fused = [name for name in left["spatial_vqa"] if fnmatch(name, FUSION[0])]
    still = [name for name in fused if torch.equal(left["spatial_vqa"][name], start[name])]
    assert "adapters.0.fusion.alpha" in fused and len(fused) > 10 and not still, "stage 1 trains the whole fusion, alpha too"
    assert {n for n in left["spatial_vqa"] if fnmatch(n, FUSION[0])} <= set(left["robot"])
    assert fusion and all(any(fnmatch(name, p) for p in (*FUSION, *LANGUAGE)) for name in fusion)
    assert {name.split(".")[0] for name in fusion} == {"adapters", "backbone"}
    table = (*LANGUAGE, *REGISTERS)
    assert language and all(any(fnmatch(name, p) for p in table) for name in language), "stage 3 leaves fusion and towers alone"
    for stage in ("hand_motion", "robot"):
        frozen = [n for n in left[stage] if any(fnmatch(n, t) for t in towers) and n in left["spatial_vqa"]]
        assert len(frozen) > 40 and all(torch.equal(left[stage][n], left["spatial_vqa"][n]) for n in frozen)
    encoder = {n.removeprefix("adapters.0.encoder."): t for n, t in left["robot"].items() if n.startswith("adapters.0.encoder.")}
    assert encoder and all(torch.equal(t, left["geometry"][f"geometry.{n}"]) for n, t in encoder.items()), "the net of stage `geometry`"
    rows = "backbone.model.model.language_model.embed_tokens.weight"
    before, after = left["spatial_vqa"][rows], left["hand_motion"][rows][tokens]
    others = torch.ones(len(before), dtype=torch.bool)
    others[tokens] = False
    started = after - before[others].mean(0)  # a few updates of a warming up rate hardly move them
    noise = trained.assembly.model.vocabulary.row_noise
    assert (
        started.std().item() == pytest.approx(noise, rel=0.05) and started.mean(0).abs().max() < noise / 4 and (after - before[tokens]).std() > 0.02
    )


def test_questions_are_labelled_through_the_net_that_an_earlier_stage_trained(trained, hand_clips):
    data, source = next((d, s) for d, s in trained.assembly.sources.items() if isinstance(d, HandClips))
    left = read_weights(trained.run.finished_checkpoint("geometry"))
    net = data.net.build()
    net.load_state_dict({name.removeprefix("geometry."): tensor for name, tensor in left.items() if name.startswith("geometry.")})
    looks = NetDepth(net)
    clips = RecordedClips(str(hand_clips)).open()
    asked = [q for i in range(len(clips)) for q in annotate_clip(clips, Place(i, "train", False), looks, None, RULES)[QUESTIONS]]
    said = [source.sample(i, Needs(pictures=False)) for i in range(len(source))]
    train = [(q["question"], q["answer"]) for q in asked if q["clip"] in source.episodes]
    assert len(train) > 10 and [(s.question, s.answer) for s in said] == train
    exact = [q for i in range(len(clips)) for q in annotate_clip(clips, Place(i, "train", False), GivenDepth(), None, RULES)[QUESTIONS]]
    assert [q["answer"] for q in exact if q["clip"] in source.episodes] != [answer for _, answer in train], (
        "a net of a few updates sees nothing in its place"
    )


def test_the_policy_holds_its_encoder_with_licence_and_acts(trained):
    policy = Policy.load(trained.policy)
    assert any(name.startswith("adapters.0.encoder.") for name in policy.model.state_dict()) and policy.model.geometry is None
    assert policy.config.licences and dict(policy.config.licences)["geometry net tabletop"] == "apache-2.0"
    source = next(s for s in trained.assembly.sources.values() if s.embodiment)
    sample = source.sample(0, Needs())
    observation = {"images": {v.role: v.image for v in sample.views}, "state": sample.state, "instruction": sample.instruction}
    assert policy.session().infer(observation)["actions"].shape == (16, policy.action_spec.width)


def test_stages_of_hands_are_scored_beside_those_who_do_not_look_and_shown_in_the_report(trained):
    by_stage = {result.name: result.metrics for result in trained.results}
    asked, said = by_stage["spatial_vqa"], by_stage["hand_motion"]
    assert 0 < abs(asked["adapters.0.fusion/alpha"] - 0.5) < 0.1 and asked["adapters.0.fusion/added"] > 0, "how strong the fusion is"
    assert asked["spatial_vqa/all/asked"] >= 12 and 0 <= asked["spatial_vqa/all/unreadable"] <= 1
    for control in ("", "/majority", "/blank", "/no_geometry"):
        assert 0 <= asked[f"spatial_vqa/all/direction{control}"] <= 3 and asked[f"spatial_vqa/all/distance{control}"] >= 0
    assert asked["spatial_vqa/all/unreadable/majority"] < 0.2
    assert said["hand_motion/all/said"] == 1, "every answer under the grammar is a path"
    assert 0 <= said["hand_motion/all/valid"] <= 1 and said["hand_motion/all/mean_mm"] > 0 and said["hand_motion/all/final_mm/mean_path"] > 0
    page = run_report(trained).read_text().casefold()
    for words in (
        "axes right, of 3",
        "without geometry",
        "unseen task",
        "last point off (mm)",
        "mean path",
        "standing still",
        "scores after stage hand motion",
        "hand&#x27;s last point",
        "adapters.0.fusion/added, held out",
    ):
        assert words in page, words


def test_the_paper_preset_has_the_published_sizes_and_settings():
    recipe = paper()
    facts = describe(replace(recipe, stages=recipe.stages[:2]))
    parts, billion = facts["parameters"], 1e9
    assert parts["vision_language_model"] / billion == pytest.approx(2.3, abs=0.07), "as model cards count, the tied output rows apart"
    assert parts["by_module"]["backbone"] / billion == pytest.approx(2.04, abs=0.01)
    assert parts["by_adapter"]["fusion"] / 1e6 == pytest.approx(7.9, abs=0.05) and parts["by_adapter"]["encoder"] / 1e6 > 600
    assert parts["by_module"]["head"] / 1e9 == pytest.approx(0.54, abs=0.025)
    assert facts["added_tokens"]["count"] == 3075 and facts["trainable_by_stage"]["spatial_vqa"] == parts["by_adapter"]["fusion"]
    assert facts["layout"]["spatial_vqa"].count("256 tokens") == 4 and facts["layout"]["hand_motion"].count("256 tokens") == 1
    assert "target       376 tokens" in facts["layout"]["hand_motion"]
    assert [(s.name, s.steps, s.batch, s.optimiser.lr) for s in recipe.stages] == [
        ("spatial_vqa", 9387, 32, 1e-5), ("hand_motion", 32215, 32, 1e-5), ("robot", 30000, 128, 5e-5)
    ]  # fmt: skip
    with pytest.raises(ConfigError, match="cut3r"):
        check_licences(declared_licences(recipe), "commercial")


def test_a_stage_is_put_to_the_test_with_clips_of_a_folder(trained, annotated_hands, tmp_path, capsys, monkeypatch):
    """`benchmarks/hand3d.py`: the same scores as after training on the same clips; questions may name the form that is wanted."""
    run = [
        "hand3d.py",
        str(annotated_hands),
        "--run",
        str(trained.run.root),
        "--samples",
        "16",
        "--device",
        "cpu",
        "--out",
        str(tmp_path / "found.json"),
    ]
    monkeypatch.setattr("sys.argv", run)
    hand3d.main()
    found, after = read_json(tmp_path / "found.json")["scores"], trained.results[2].metrics
    same = [key for key in found if not key.endswith("/majority")]
    assert len(same) > 10 and all(found[key] == pytest.approx(after[key]) for key in same), "the majority answer is fitted on the folder's own clips"
    said = capsys.readouterr().out
    assert all(row in said for row in ("without geometry", "blank pictures", "majority answer"))
    monkeypatch.setattr("sys.argv", [*run, "--example"])
    hand3d.main()
    assert read_json(tmp_path / "found.json")["scores"]["spatial_vqa/all/asked"] == found["spatial_vqa/all/asked"]
    asked = hand3d.questions_of(trained.assembly.recipe.stages[2], str(annotated_hands), True)
    assert [s.data.split for s in (*asked["sources"], *asked["held_out"])] == ["train", "held_out"]
    assert all(s.data.camera is None for some in asked.values() for s in some), "seen as the stage saw its own clips"
    assert hand3d.questions_of(tiny().stages[2], "folder", True)["sources"][0].data.camera == tiny().stages[2].sources[0].data.camera is not None
    source = HandQuestions(str(annotated_hands), "held_out").open()
    forms = {sample.form: SpatialVQA(example=True)(sample, None).prompt for sample in (source.sample(i, Needs()) for i in range(len(source)))}
    ends = {"position": "left and down, 0.44m", "task": "left and down, 0.44m", "distance": "like this: 0.44m", "contact": "not in contact"}
    assert {"position", "task"} <= forms.keys() and all(prompt.endswith(ends[form]) for form, prompt in forms.items() if form in ends)
    for options, message in (
        (["--stage", "robot"], "unknown stage that answers"),
        (["--run", str(tmp_path)], "no run is there"),
        (["--samples", "1"], "expected at least 2"),
    ):
        monkeypatch.setattr("sys.argv", [*run, *options])
        with pytest.raises(SystemExit):
            hand3d.main()
        assert message in capsys.readouterr().err
