"""Assembly: data opened once, numbers fitted on what the policy acts on, robots that differ refused."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from tests.recipes.micro_recipe import micro
from transformers import SamModel

from praxia.data.demonstrations import Demonstrations
from praxia.data.making import make_dataset
from praxia.data.number_transforms import Normalise, RelativeToState, SlotMap
from praxia.data.numbers import Numbers
from praxia.data.readers import Omni3D
from praxia.data.recorded import Recorded
from praxia.data.sample_transforms import AreaCrop, CentreCrop, PseudoViews, RandomShift, Slots
from praxia.data.supervision import ActionChunk, ObjectPoses, Placebo, SceneGrounding, SceneQuestions, TargetMasks, Together, Waypoints
from praxia.data.unified_space import RobotSlots, UnifiedSpace, span
from praxia.errors import CheckpointError, ConfigError, DataError, SpecMismatch
from praxia.files import write_json
from praxia.models.readouts.sam_mask import SamMask
from praxia.models.spec import HistoryToken, SpecialToken
from praxia.objectives import NextToken
from praxia.policy import Policy
from praxia.specs import CameraSpec
from praxia.stages.recipe import InitFrom, Source, Weighted
from praxia.tokens.pose_vocabulary import PoseVocabulary
from praxia.train.settings import TrainSettings
from praxia.workflows.assemble import assemble
from praxia.workflows.own_data import with_data
from praxia.workflows.robots import _cameras, check_numbers, robots_of
from praxia.workflows.train_recipe import _licences, _put_and_shown, train_recipe


@pytest.fixture
def recipe(tabletop_data):
    return micro(str(tabletop_data))


@pytest.fixture
def twin(tabletop_data, tmp_path):
    """A copy of the dataset whose card says something else: twin(old, new, ...)."""

    def make(*changes: str) -> str:
        root = Path(shutil.copytree(tabletop_data, tmp_path / "twin"))
        card = (root / "dataset.yaml").read_text()
        for old, new in zip(changes[::2], changes[1::2], strict=True):
            assert old in card
            card = card.replace(old, new)
        (root / "dataset.yaml").write_text(card)
        return str(root)

    return make


def acting(recipe, *roots: str, **changes):
    """The recipe with its last stage learning from several datasets."""
    stage = recipe.stages[-1]
    sources = tuple(replace(stage.sources[0], data=Recorded(root, **changes)) for root in roots)
    return replace(recipe, stages=(replace(stage, sources=sources, init_from=()),))


def test_each_dataset_is_opened_once_and_widths_come_from_it(recipe, tabletop_source):
    assembly = assemble(recipe)
    assert len(assembly.sources) == 1 and assembly.vocabulary_size == len(assembly.tokenizer) == assembly.model.backbone.vocabulary
    assert (assembly.model.head.action_width, assembly.model.head.state_width) == (7, tabletop_source.state_spec.width)
    wide = replace(recipe, numbers=Numbers((Normalise(), SlotMap(tuple(range(7)), 32)), (Normalise(),)))
    assert assemble(wide).model.head.action_width == 32


@pytest.mark.parametrize(
    ("says", "fault"),
    [
        (Waypoints(frame="Camera"), r"Waypoints.frame: unknown choice 'Camera'; did you mean 'camera'\?"),
        (ObjectPoses(place="corner"), r"ObjectPoses.place: unknown choice 'corner'; .* box, centre"),
        (ObjectPoses(("haed",)), r"ObjectPoses.roles: unknown view 'haed'; did you mean 'head'\?"),
        (Placebo(ObjectPoses(("haed",))), r"ObjectPoses.roles: unknown view 'haed'"),
    ],
)
def test_words_that_nothing_knows_are_refused_before_anything_is_trained(says, fault, recipe):
    stage = recipe.stages[0]
    wrong = replace(stage, sources=(replace(stage.sources[0], supervision=says),), objectives=(Weighted(NextToken()),))
    vocabulary = PoseVocabulary(xy=16, z=16, size=8, rotation=12)
    with pytest.raises(ConfigError, match=fault):
        assemble(replace(recipe, stages=(wrong,), model=replace(recipe.model, vocabulary=vocabulary)))


def test_a_head_of_another_width_is_refused_with_the_fix(recipe):
    fixed = replace(recipe, model=replace(recipe.model, head=replace(recipe.model.head, action_width=32)))
    with pytest.raises(ConfigError, match=r"action_width is 32, robot 'arm7' gives 7 numbers; set it to 0 .* SlotMap of width 32"):
        assemble(fixed)


def test_actions_relative_to_the_state_are_fitted_over_chunks(recipe, tabletop_source):
    relative = RelativeToState(((6, 9),))  # the gripper's command and its opening
    numbers = assemble(replace(recipe, numbers=Numbers((relative, Normalise("min_max"))))).robots[0].numbers
    index = 3
    sample = tabletop_source.sample(index, recipe.stages[0].sources[0].supervision.needs)
    assert np.abs(numbers.action_forward(sample.future.actions, sample.state)).max() <= 1 + 1e-4


def test_one_robot_means_one_thing(recipe, tabletop_data, twin):
    root = twin("reference: absolute, sense: open_positive", "reference: absolute, sense: close_positive", "name: tabletop", "name: twin")
    with pytest.raises(SpecMismatch, match=r"sense is 'open_positive' in dataset 'tabletop', 'close_positive' in dataset 'twin'"):
        assemble(acting(recipe, str(tabletop_data), root))


def test_deltas_of_one_robot_are_of_steps_of_one_length(recipe, tabletop_data, twin):
    root = twin("rate_hz: 10.0", "rate_hz: 5.0", "name: tabletop", "name: twin")
    with pytest.raises(DataError, match=r"'tabletop' and 'twin' of robot 'arm7' have 10 and 5 actions a second, and deltas from step to step"):
        assemble(acting(recipe, str(tabletop_data), root))


def test_two_robots_of_one_shape_train_together_and_the_policy_knows_both(recipe, tabletop_data, twin):
    assembly = assemble(acting(recipe, str(tabletop_data), twin("embodiment: arm7", "embodiment: other")))
    assert [r.embodiment for r in assembly.robots] == ["arm7", "other"]


def test_robots_of_other_widths_need_shared_slots(recipe, tabletop_data, twin):
    root = twin("embodiment: arm7", "embodiment: other")
    card = Path(root, "dataset.yaml")
    text = card.read_text()
    states = text[text.index("state:\n") :].split("action_key")[0]
    card.write_text(text.replace(states, "state:\n  dims: []\n").replace("state_key: observation.state", "state_key: ''"))
    with pytest.raises(SpecMismatch, match="'arm7' and 'other' give the model numbers of different widths.*SlotMap"):
        assemble(acting(recipe, str(tabletop_data), root))


def test_views_of_one_robot_must_agree(recipe, tabletop_data):
    with pytest.raises(DataError, match="has no view 'left'"):
        assemble(acting(recipe, str(tabletop_data), roles=("left",)))
    stage = acting(recipe, str(tabletop_data), str(tabletop_data)).stages[0]
    one_eyed = replace(stage.sources[1], data=Recorded(str(tabletop_data), roles=("head",)))
    with pytest.raises(DataError, match="name common roles"):
        assemble(replace(recipe, stages=(replace(stage, sources=(stage.sources[0], one_eyed), init_from=()),)))


def test_a_robot_that_never_acts_may_show_other_views_in_other_stages(recipe, tabletop_data, twin):
    """As `poke_vla` on data of another robot: its stages before look at the table from other cameras each."""
    stage = acting(recipe, twin("embodiment: arm7", "embodiment: other")).stages[0]
    looks = tuple(Source(Recorded(str(tabletop_data), roles=roles), SceneGrounding()) for roles in (("head", "wrist"), ("head",)))
    sources = {s.data: s.data.open() for s in (*stage.sources, *looks)}
    found = robots_of(replace(recipe, stages=(replace(stage, sources=(*stage.sources, *looks)),)), sources)
    assert [r.embodiment for r in found] == ["other", "arm7"]


def test_a_robot_is_not_shown_true_and_mirrored_pictures():
    true, mirrored = (SimpleNamespace(name=f"{m}", cameras=(CameraSpec("head", 96, 96, mirrored=m),)) for m in (False, True))
    assert _cameras((mirrored, mirrored))[0].mirrored
    with pytest.raises(DataError, match=r"'False' and 'True' of one robot show \['head'\] as \['true'\] and \['mirrored'\] pictures"):
        _cameras((true, mirrored))


def test_special_tokens_are_added_to_the_tokenizer(recipe):
    tokens = (SpecialToken("seg", "<SEG>"),)
    model = replace(recipe.model, tokens=tokens, order=("views", "prompt", "seg", "target"))
    assembly = assemble(replace(recipe, model=model))
    assert assembly.special_ids == {"<SEG>": assembly.tokenizer.convert_tokens_to_ids("<SEG>")}
    assert assembly.build(recipe.stages[-1]).backbone.vocabulary_size() == assembly.vocabulary_size
    with pytest.raises(ConfigError, match="has a backbone but no tokenizer"):
        assemble(replace(recipe, tokenizer=None))


def test_a_mask_decoder_whose_spec_names_weights_has_them_unless_they_are_handed_on(recipe, tmp_path):
    sizes = SamMask(
        image_size=32, patch_size=8, vision_width=16, vision_layers=1, vision_heads=2, window=2, global_layers=(), width=16, mask_channels=8,
        decoder_heads=2, decoder_mlp=24,
    )  # fmt: skip
    SamModel(sizes.hf_config()).save_pretrained(tmp_path / "sam")
    model = replace(
        recipe.model,
        tokens=(SpecialToken("seg", "<SEG>"),),
        order=("views", "prompt", "seg", "target"),
        readouts={"target_mask": replace(sizes, checkpoint=str(tmp_path / "sam"))},
    )
    assembly = assemble(replace(recipe, model=model))
    stage = replace(recipe.stages[-1], init_from=())
    kept = SamModel.from_pretrained(tmp_path / "sam").state_dict()
    built = assembly.build(stage).readouts["target_mask"]
    assert all(torch.equal(value, kept[name]) for name, value in built.sam.state_dict().items())
    (tmp_path / "sam" / "model.safetensors").unlink()
    assembly.build(replace(stage, init_from=(InitFrom(stage="warm", parts=(("readouts", "readouts"),)),)))
    with pytest.raises(CheckpointError, match=r"SamMask\.checkpoint"):
        assembly.build(stage)


def test_training_and_held_out_samples_come_from_different_episodes(recipe):
    assembly = assemble(recipe)
    stage = recipe.stages[-1]
    training, held_out = assembly.mixtures(stage, assembly.build(stage))
    for a, b in zip(training.entries, held_out.entries, strict=True):
        assert not set(a.source.episodes[a.indices]) & set(b.source.episodes[b.indices]) and b.transforms == ()


def test_own_data_replaces_what_teaches_actions_in_shares_of_its_episodes(recipe, tabletop_data, twin, monkeypatch):
    brought = [str(tabletop_data), twin("name: tabletop", "name: twin")]
    own = with_data(recipe, brought, size=32)
    sources = own.stages[-1].sources
    acting, asking = sources[:2], sources[2:]
    assert {s.data.size for s in sources} == {32} and [s.weight for s in acting] == [0.375, 0.375]
    assert [s.supervision.name for s in asking] == ["scene_questions"] * 2 and [s.weight for s in asking] == [0.125, 0.125]  # it knows its objects
    blind = replace(recipe.stages[-1].sources[1], supervision=SceneQuestions(view="nowhere"))
    unable = replace(recipe, stages=(replace(recipe.stages[-1], sources=(recipe.stages[-1].sources[0], blind), init_from=()),))
    assert [s.supervision.name for s in with_data(unable, [str(tabletop_data)]).stages[-1].sources] == ["action_chunk"]
    scenes = replace(recipe.stages[0], sources=(Source(Recorded("elsewhere"), SceneQuestions()),))
    assert with_data(replace(recipe, stages=(scenes,)), [str(tabletop_data)]).stages == (scenes,)

    def open_in_one_go(spec, opened=Recorded.open):
        source = opened(spec)
        source.episodes = source.episodes * (spec.root == brought[0])  # as many frames, but of the twin they are one episode
        return source

    monkeypatch.setattr(Recorded, "open", open_in_one_go)
    assert [s.weight for s in with_data(recipe, brought).stages[-1].sources] == pytest.approx([0.6, 0.15, 0.2, 0.05])


def test_sources_without_data_take_what_the_user_brings(recipe, tabletop_data, twin):
    brought = [str(tabletop_data), twin("name: tabletop", "name: twin")]
    bare = replace(recipe.stages[-1], sources=(Source(None, Waypoints(count=2), weight=2.0), Source(None, recipe.stages[-1].sources[0].supervision)))
    (filled,) = with_data(replace(recipe, stages=(replace(bare, init_from=()),)), brought).stages
    assert [(s.supervision.name, s.data.root, s.weight) for s in filled.sources] == [
        ("action_chunk", brought[0], 0.5), ("action_chunk", brought[1], 0.5), ("waypoints", brought[0], 1.0), ("waypoints", brought[1], 1.0),
    ]  # fmt: skip
    blind = Path(brought[1])
    (blind / "dataset.yaml").write_text("".join(line for line in (blind / "dataset.yaml").open() if "extrinsics" not in line))
    poses = replace(bare, name="poses", sources=bare.sources[:1], init_from=())
    with pytest.raises(ConfigError, match="stage 'poses': none of the datasets of --data can teach waypoints: that takes calibrated cameras"):
        with_data(replace(recipe, stages=(poses,)), [str(blind)])
    with pytest.raises(ConfigError, match="stage 'poses' of recipe 'micro' has no data; give it with --data"):
        train_recipe(replace(recipe, stages=(poses,)), blind.parent / "run")


def test_a_policy_has_one_way_to_be_asked_and_to_look(recipe, tmp_path):
    """Said before anything is made."""
    stage = recipe.stages[-1]
    source, asked = stage.sources
    for other, what in (
        (replace(source, supervision=replace(source.supervision, prompt="do: {instruction}")), "ActionChunk.prompt"),
        (replace(source, transforms=(AreaCrop(0.8),)), "AreaCrop"),
        (replace(source, transforms=(Slots(),)), "AreaCrop or Slots"),
    ):
        with pytest.raises(ConfigError, match=f"stage '{stage.name}': its sources of actions differ in {what}"):
            train_recipe(replace(recipe, stages=(*recipe.stages[:-1], replace(stage, sources=(source, asked, other)))), tmp_path / "run")
    with pytest.raises(ConfigError, match="ActionChunk.prompt is 'go'; expected a text with {instruction}"):
        replace(source.supervision, prompt="go")


def test_a_policy_puts_its_pictures_into_the_slots_that_it_learnt_with(recipe):
    stage = recipe.stages[-1]
    source = replace(stage.sources[0], transforms=(RandomShift(), AreaCrop(0.8), Slots()))
    assert _put_and_shown(replace(stage, sources=(source,)))[1] == (CentreCrop(0.8), Slots())


def test_what_is_taught_beside_actions_is_kept_where_the_data_knows_it(recipe, tabletop_data, twin):
    stage = recipe.stages[-1]
    taught = replace(stage.sources[0], supervision=replace(stage.sources[0].supervision, beside=SceneGrounding()))
    recipe = replace(recipe, stages=(replace(stage, sources=(taught,), init_from=()),))
    blind = Path(twin("name: tabletop", "name: twin"))
    (blind / "meta/objects.parquet").unlink()
    knows, does_not = with_data(recipe, [str(tabletop_data), str(blind)]).stages[0].sources
    assert knows.supervision.beside == SceneGrounding() and does_not.supervision == replace(taught.supervision, beside=None)


def test_masks_are_not_taught_where_no_view_is_known_to_show_the_target(recipe, tabletop_data, twin, capsys):
    """Its examples have masks, all of them unknown: their loss would be an exact 0."""
    stage, both = recipe.stages[-1], Together((SceneGrounding(), TargetMasks()))

    def taught(beside, *roots):
        source = replace(stage.sources[0], supervision=replace(stage.sources[0].supervision, beside=beside))
        acting = with_data(replace(recipe, stages=(replace(stage, sources=(source,), init_from=()),)), [str(root) for root in roots])
        return [s.supervision.beside for s in acting.stages[0].sources]

    maskless = Path(twin("name: tabletop", "name: maskless"))
    card = (maskless / "dataset.yaml").read_text().splitlines(keepends=True)
    (maskless / "dataset.yaml").write_text("".join(line for line in card if not line.strip().startswith("mask:")))
    assert taught(TargetMasks(), tabletop_data, maskless) == [TargetMasks(), None]
    assert "dataset 'maskless' does not know what target_masks teaches beside actions" in capsys.readouterr().out
    assert taught(both, tabletop_data, maskless) == [both, SceneGrounding()], "only what is not known is left out"
    assert "scene_grounding" not in capsys.readouterr().out


def test_datasets_of_one_name_keep_their_licences(recipe, tabletop_data, twin):
    other = twin("licence: ", "licence: not ")
    assembly = assemble(acting(recipe, str(tabletop_data), other))
    licences = _licences(tuple(assembly.sources.values()))
    assert list(licences) == ["tabletop #1", "tabletop #2"] and len(set(licences.values())) == 2
    assert list(_licences(tuple(assemble(recipe).sources.values()))) == ["tabletop"]


def test_the_pose_vocabulary_is_fitted_on_what_the_stages_say_and_travels_with_the_policy(recipe, tabletop_data, tmp_path):
    stage = recipe.stages[0]
    spec = PoseVocabulary(xy=128, z=128, size=64, rotation=72)
    data = stage.sources[0].data
    says = (Source(data, ObjectPoses(negatives=0.0, least_area=0.001)), Source(data, Waypoints(count=3, every=2)))
    poses = replace(stage, name="poses", sources=says, objectives=(Weighted(NextToken()),), parts=("backbone",), steps=2, batch=4)
    robot = replace(recipe.stages[1], init_from=(InitFrom(stage="poses", parts=(("backbone", "backbone"),)),), steps=2)
    recipe = replace(recipe, model=replace(recipe.model, vocabulary=spec), stages=(poses, robot))
    assembly = assemble(recipe)
    vocabulary = assembly.model.vocabulary
    assert vocabulary == assemble(recipe).model.vocabulary and set(spec.tokens) <= set(assembly.tokenizer.get_vocab())
    assert vocabulary.z.edges[0] > 0.01 and 0.5 < vocabulary.z.edges[-1] < 3 and vocabulary.size.edges[-1] < 0.6
    trained = train_recipe(recipe, tmp_path / "run", TrainSettings(quiet=True))
    policy = Policy.load(trained.policy)
    assert policy.config.model.vocabulary == vocabulary
    assert policy.tokenizer.convert_tokens_to_ids("<rot071>") == assembly.tokenizer.convert_tokens_to_ids("<rot071>")
    batch = policy.collate([says[1].supervision(data.open().sample(3, says[1].supervision.needs), np.random.default_rng(0))])
    said = vocabulary.numbers(policy.tokenizer.decode(batch.target.ids[0][batch.target.valid[0]]))
    assert len(said["translation"]) in (3, 6) and (said["translation"][:, 2] < 2).all()


def test_number_tokens_begin_alike_where_their_bins_are_near_but_for_public_ones(recipe, tmp_path):
    stage = recipe.stages[0]
    says = (Source(stage.sources[0].data, ObjectPoses(negatives=0.0, least_area=0.001)),)
    poses = replace(stage, sources=says, objectives=(Weighted(NextToken()),), parts=("backbone",))

    def assembled(smoothing: float):
        spec = PoseVocabulary(xy=128, z=128, size=64, rotation=72, row_smoothing=smoothing)
        return assemble(replace(recipe, model=replace(recipe.model, vocabulary=spec), stages=(poses,)))

    def alike(assembly) -> list[float]:
        """Of places, of metres and of angles."""
        rows = assembly.build(poses).backbone.language.embed_tokens.weight.detach()
        kinds = [[f"<{kind}{i:0{width}d}>" for i in range(60)] for kind, width in (("loc", 4), ("transXY", 4), ("rot", 3))]
        ids = [assembly.tokenizer.convert_tokens_to_ids(names) for names in kinds]
        return [float(torch.nn.functional.cosine_similarity(rows[i[:-1]], rows[i[1:]]).mean()) for i in ids]

    smooth = assembled(0.05)
    assert max(alike(assembled(0.0))) < 0.5 and min(alike(smooth)) > 0.9
    first_new = smooth.tokenizer.convert_tokens_to_ids("<transXY0000>")
    public = replace(smooth.model.backbone, vocabulary=first_new + 60)  # a table with spare rows behind the 1,024 places, as the public one
    public.build().model.save_pretrained(tmp_path / "public")
    public = replace(public, checkpoint=str(tmp_path / "public"))
    places, *new = alike(replace(smooth, model=replace(smooth.model, backbone=public)))
    assert places < 0.5 and min(new) > 0.9


def test_sources_that_share_demonstrations_take_equally_many(recipe):
    stage = recipe.stages[0]
    few, more = (Demonstrations("tabletop", ("reach",), episodes=count, seed=3) for count in (2, 3))
    sources = tuple(replace(stage.sources[0], data=data) for data in (few, more))
    with pytest.raises(ConfigError, match=r"'warm': sources 0 and 1 take 2 and 3 episodes.*--stages.warm.sources.0.data.episodes"):
        assemble(replace(recipe, stages=(replace(stage, sources=sources),)))


def test_a_recipe_whose_stages_cannot_follow_each_other_is_refused(recipe):
    first, last = recipe.stages[0], recipe.stages[-1]
    with pytest.raises(ConfigError, match="stages of one name"):
        replace(recipe, stages=(first, first))
    with pytest.raises(ConfigError, match="unknown earlier stage"):
        replace(recipe, stages=(last, first))
    with pytest.raises(ConfigError, match="replan is 99"):
        replace(recipe, replan=99)


def test_a_second_run_takes_the_shared_stage_and_a_restarted_one_trains_it(recipe, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    recipe = replace(recipe, stages=(replace(recipe.stages[0], shared=True), *recipe.stages[1:]))
    settings = TrainSettings(threads=1, quiet=True)
    results, taken = [], []
    for name, restart in (("first", False), ("second", False), ("second", True)):
        trained = train_recipe(recipe, tmp_path / name, settings, restart=restart)
        results.append(trained.results)
        taken.append("stage warm: taken from" in capsys.readouterr().out)
    assert taken == [False, True, False]
    assert results[1][0] == results[0][0], "the very result, its seconds included"
    assert [r.metrics for r in results[1]] == [r.metrics for r in results[0]] == [r.metrics for r in results[2]]
    assert results[2][0].seconds != results[0][0].seconds


def test_pictures_nobody_acts_in_teach_poses_beside_a_robot_even_if_one_is_damaged(recipe, tmp_path):
    K = [[80.0, 0, 32], [0, 80, 32], [0, 0, 1]]
    boxes = [
        {"id": i, "image_id": i // 2, "category_name": "box", "valid3D": True, "behind_camera": False, "dimensions": [0.2, 0.2, 0.3],
         "center_cam": [0.1 * (i % 2), 0.0, 1.0 + i % 2], "R_cam": np.eye(3).tolist()}
        for i in range(10)
    ]  # fmt: skip
    names = ("a.png", "b.png", "damaged.png", "c.png", "d.png")
    for name in names:
        Image.new("RGB", (64, 64), "grey").save(tmp_path / name)
    (tmp_path / "damaged.png").write_bytes((tmp_path / "a.png").read_bytes()[:60])
    pictures = [{"id": i, "file_path": name, "K": K} for i, name in enumerate(names)]
    (tmp_path / "all.json").write_text(json.dumps({"images": pictures, "annotations": boxes}))
    shapes = Omni3D((str(tmp_path / "all.json"),), str(tmp_path), side=64)
    stage = recipe.stages[0]
    objects = Source(shapes, ObjectPoses(negatives=0.0), (PseudoViews(((0.9, 1.0), (0.5, 0.8))),))
    poses = replace(stage, name="poses", sources=(objects,), objectives=(Weighted(NextToken(spread=0.02)),), parts=("backbone",), steps=2, batch=4)
    spec = PoseVocabulary(xy=64, z=64, size=64, rotation=36, views=2)
    recipe = replace(recipe, model=replace(recipe.model, vocabulary=spec), stages=(poses, replace(recipe.stages[1], init_from=(), steps=2)))
    trained = train_recipe(recipe, tmp_path / "run", TrainSettings(quiet=True))
    assert [r.embodiment for r in trained.assembly.robots] == ["arm7"] and "object_poses/ap15" in trained.results[0].metrics
    _, held_out = trained.assembly.mixtures(poses, trained.assembly.build(poses))
    assert held_out.entries[0].transforms == objects.transforms, "held-out pictures are shown in as many views as training ones"
    policy = Policy.load(trained.policy)
    assert dict(policy.config.licences)["all"] == "CC-BY-NC-4.0" and [c.role for c in policy.cameras] == ["head", "wrist"]


@pytest.mark.parametrize(
    ("horizon", "history", "says"),
    [(8, 0, r"ActionChunk.horizon is 8, the head says chunks of 12"), (12, 3, "history of 3 steps, but no token reads it")],
)
def test_windows_that_the_model_cannot_read_are_refused_before_data_is_opened(recipe, horizon, history, says):
    stage = recipe.stages[-1]
    source = replace(stage.sources[0], data=Recorded("no/such/folder"), supervision=ActionChunk(horizon, history))
    with pytest.raises(ConfigError, match=says):
        assemble(replace(recipe, stages=(replace(stage, sources=(source,), init_from=()),)))


def test_a_history_token_without_a_past_is_refused(recipe):
    model = replace(recipe.model, tokens=(*recipe.model.tokens, HistoryToken()), order=(*recipe.model.order, "history"))
    with pytest.raises(ConfigError, match="set ActionChunk.history to the steps it shall read"):
        assemble(replace(recipe, model=model))


def test_a_robot_of_an_earlier_run_keeps_its_slots_and_a_new_one_stands_behind_it(recipe, tabletop_data, twin, tmp_path):
    """Append, never re-use: else a prior would take one robot's numbers for another's."""
    first, second = str(tabletop_data), twin("embodiment: arm7", "embodiment: new_arm")
    bare = replace(recipe, numbers=UnifiedSpace())

    def robots(*roots, **changes):
        return {r.embodiment: r.numbers for r in assemble(replace(acting(bare, *roots), **changes)).robots}

    earlier = robots(first)
    write_json(tmp_path / "statistics.json", earlier)
    here = {"statistics": str(tmp_path)}
    assert earlier["arm7"].action[-1].slots == span(37, 7)
    assert robots(second, **here)["new_arm"].action[-1].slots == span(44, 7), "the earlier robot's slots stay empty"
    both = robots(second, first, **here)
    assert both["arm7"].action[-1].slots == span(37, 7) and both["new_arm"].action[-1].slots == span(44, 7)
    assert both["arm7"].widths[0] == both["new_arm"].widths[0] == 51 and both["arm7"].action[:-1] == earlier["arm7"].action[:-1]


def test_a_kept_robot_s_past_is_told_as_this_run_s_recipe_has_it(recipe, tabletop_data, tmp_path):
    """A prior has no past: a history that is added to it is relative to its start, as its chunks are to theirs."""
    bare = acting(replace(recipe, numbers=UnifiedSpace()), str(tabletop_data))
    earlier = assemble(bare).robots[0]
    write_json(tmp_path / "statistics.json", {"arm7": earlier.numbers})
    later = assemble(replace(bare, numbers=UnifiedSpace(past="start"), statistics=str(tmp_path))).robots[0]
    assert earlier.numbers.past == "now" and later.numbers == replace(earlier.numbers, past="start")
    check_numbers(InitFrom(checkpoint=str(tmp_path), parts=(("encoder", "encoder"),)), tmp_path, (later,), ())
    with pytest.raises(CheckpointError, match="transformed otherwise there"):  # what was learnt of a past is of that past
        check_numbers(InitFrom(checkpoint=str(tmp_path), parts=("encoder", "tokens")), tmp_path, (later,), ())


def test_kept_statistics_stand_in_the_space_and_in_nobody_s_slots(recipe, tabletop_data, twin, tmp_path):
    first, second = str(tabletop_data), twin("embodiment: arm7", "embodiment: mine")
    bare = replace(recipe, numbers=UnifiedSpace())
    write_json(tmp_path / "statistics.json", {r.embodiment: r.numbers for r in assemble(acting(bare, first)).robots})
    state = assemble(acting(bare, first)).robots[0].numbers.state[-1].slots
    table = UnifiedSpace((RobotSlots("mine", span(37, 7), span(200, len(state))),), action_width=44, state_width=300)
    with pytest.raises(ConfigError, match="action slots 37 to 43 are those of robot 'arm7' in the statistics given, and of 'mine'"):
        assemble(replace(acting(bare, second), numbers=table, statistics=str(tmp_path)))
    write_json(tmp_path / "statistics.json", {r.embodiment: r.numbers for r in assemble(acting(recipe, first)).robots})
    with pytest.raises(ConfigError, match="numbers of 'arm7' there stand in no unified space"):
        assemble(replace(acting(bare, first), statistics=str(tmp_path)))


def test_statistics_of_another_robot_or_of_nothing_are_refused(recipe, tabletop_data, tmp_path):
    rows = np.random.default_rng(0).normal(size=(50, 16))
    two_arms = Numbers().fitted(rows, rows)
    for value, says in (
        ({"arm7": two_arms}, "the numbers of 'arm7' there are not those of dataset 'tabletop'"),
        ({"arm7": {"x": 1}}, "no number transforms"),
    ):
        write_json(tmp_path / "statistics.json", value)
        with pytest.raises(ConfigError, match=says):
            assemble(replace(recipe, statistics=str(tmp_path)))


def test_soft_prompts_are_not_handed_to_other_robots(tabletop_source, tmp_path):
    robot = SimpleNamespace(embodiment="one", numbers=Numbers().fitted(*tabletop_source.numbers()))
    write_json(tmp_path / "statistics.json", {"one": robot.numbers, "two": robot.numbers})
    taken = InitFrom(checkpoint=str(tmp_path), parts=(("encoder", "encoder"),))

    def check(*names):
        check_numbers(taken, tmp_path, (robot,), names)

    check("one", "two")
    for names in (("two", "one"), ("three",)):
        with pytest.raises(CheckpointError, match="its soft prompts are of one, two, in this order"):
            check(*names)


def test_a_state_in_the_prompt_must_be_normalised_to_its_bins(recipe):
    head = replace(recipe.model.head, form="pi05")
    with pytest.raises(ConfigError, match=r"normalises by \['mean_std'\]; set it to \(Normalise\('quantile'\),\)"):
        assemble(replace(recipe, model=replace(recipe.model, head=head)))
    numbers = Numbers((Normalise("mean_std"),), (Normalise("quantile"),))
    assert assemble(replace(recipe, model=replace(recipe.model, head=head), numbers=numbers)).model.state_in_prompt


def test_weights_of_another_run_come_with_the_statistics_they_were_trained_on(recipe, tabletop_data, tmp_path):
    """Action Priors, D6: other statistics between the stages would silently break what is reused."""
    earlier = train_recipe(replace(recipe, stages=recipe.stages[:1]), tmp_path / "earlier", TrainSettings(threads=1, quiet=True))
    checkpoint = str(tmp_path / "earlier" / "stages" / recipe.stages[0].name)
    other = make_dataset(
        "praxia.worlds.tabletop:Tabletop", {"size": 64}, root=tmp_path / "other", tasks=("press",), episodes=2, seed=3, workers=1, progress=False
    )
    taken = replace(recipe.stages[0], name="robot", init_from=(InitFrom(checkpoint=checkpoint, parts=(("backbone", "backbone"), ("head", "head"))),))
    later = with_data(replace(recipe, stages=(taken,)), [str(other.root)])
    with pytest.raises(CheckpointError, match=r"(?s)the numbers of arm7 are transformed otherwise there .*--statistics .*statistics\.json"):
        train_recipe(later, tmp_path / "later", TrainSettings(threads=1, quiet=True))
    trained = train_recipe(replace(later, statistics=str(tmp_path / "earlier")), tmp_path / "kept", TrainSettings(threads=1, quiet=True))
    assert trained.assembly.robots[0].numbers == earlier.assembly.robots[0].numbers
    assert Policy.load(trained.policy).robot.numbers == earlier.assembly.robots[0].numbers
    with pytest.raises(ConfigError, match="cannot be read"):
        assemble(replace(later, statistics=str(tmp_path / "nowhere.json")))
