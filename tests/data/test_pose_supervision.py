"""Objects and waypoints as poses, on real pictures: what is said is what the world knows, seen through each view's own camera."""

import re
from dataclasses import replace

import numpy as np
import pytest
from asking import asked

from praxia.data.collate import Collate
from praxia.data.sample_transforms import RandomShift
from praxia.data.supervision import ObjectPoses, Placebo, Waypoints
from praxia.data.supervision.supervision import picture_size
from praxia.errors import ConfigError, DataError
from praxia.geometry.boxes import Boxes, corners, outline_area
from praxia.geometry.camera import Camera, project
from praxia.geometry.image_transform import apply_to_view, crop
from praxia.geometry.rotations import angle_between, euler_to_matrix
from praxia.geometry.se3 import apply, invert, pose
from praxia.models.backbones.paligemma import PaliGemma
from praxia.tokens.local_tokenizer import local_tokenizer
from praxia.tokens.pose_vocabulary import NO_OBJECT, PoseVocabulary
from praxia.tokens.quantity import Quantity

OBJECTS = ObjectPoses(negatives=0.0, least_area=0.001)
SIDE = 64
SHIFT = (RandomShift(),)


def sections(target):
    """Of every view: [(text before the numbers, {kind: values})]."""
    views, said = [], []
    text, numbers = "", {}
    for part in target:
        if isinstance(part, Quantity):
            numbers[part.kind] = np.array(part.values)
            continue
        for piece in re.split(r"(</?image\d>|;)", part):
            if piece == ";":
                said.append((text.strip(), numbers))
                text, numbers = "", {}
            elif piece.startswith("</image"):
                views.append(said)
                said = []
            elif not piece.startswith("<image"):
                text += piece
    assert not text and not numbers and not said
    return views


def test_every_listed_object_is_where_its_view_shows_it(tabletop_source):
    listed = 0
    for example in asked(tabletop_source, OBJECTS, SHIFT):
        name = example.prompt.removeprefix("detect the ")
        views = sections(example.target)
        assert len(views) == len(example.sample.views) and any(views)
        for view, said in zip(example.sample.views, views, strict=True):
            for called, numbers in said:
                listed += 1
                T_cam_base = invert(view.camera.T_base_cam)
                candidates = [o for o in example.sample.objects if o.category == name]
                truth = min(candidates, key=lambda o: np.linalg.norm(apply(T_cam_base, o.T_base_object[:3, 3]) - numbers["translation"]))
                T = T_cam_base @ truth.T_base_object
                assert called == name
                np.testing.assert_allclose(numbers["translation"], T[:3, 3], atol=1e-9)
                np.testing.assert_allclose(numbers["extent"], truth.size)
                assert angle_between(euler_to_matrix(numbers["rotation"]), T[:3, :3]) < 1e-6  # poses are stored in float32
                uv, _ = project(view.camera.K, corners(Boxes(T[:3, 3], T[:3, :3], truth.size)))
                box = np.concatenate([uv.min(0), uv.max(0)]).clip(-0.5, SIDE - 0.5) / SIDE
                np.testing.assert_allclose(numbers["location"], box, atol=1e-9)
    assert listed > 30


def test_several_objects_of_a_class_are_listed_from_near_to_far(tabletop_source):
    several = 0
    for index in range(len(tabletop_source)):
        sample = tabletop_source.sample(index, OBJECTS.needs)
        alike = replace(sample, objects=tuple(replace(o, category="thing", name="thing") for o in sample.objects))
        for said in sections(OBJECTS(alike, np.random.default_rng(0)).target):
            depths = [numbers["translation"][2] for _, numbers in said]
            assert depths == sorted(depths)
            several += len(said) > 1
    assert several > 10


def test_an_object_that_hardly_shows_is_not_listed(tabletop_source):
    sample = tabletop_source.sample(0, OBJECTS.needs)
    view = sample.views[0]
    seen = OBJECTS.visible(sample.objects, view)
    assert seen
    one = seen[0]
    for moved, expected in ((SIDE * 0.4, False), (0.0, True)):  # pushed out of the picture by moving the principal point
        K = view.camera.K.copy()
        K[0, 2] += np.sign(one.centre[0] - SIDE / 2 + 1e-6) * moved * 1.2
        shifted = replace(view, camera=Camera(K, view.camera.T_base_cam))
        assert (one.truth.name in {v.truth.name for v in OBJECTS.visible(sample.objects, shifted)}) == expected
    assert OBJECTS.visible(sample.objects, replace(view, mask=np.where(view.mask == one.truth.instance, 0, view.mask))) != seen
    assert not OBJECTS.visible(sample.objects, replace(view, valid=False)) and not OBJECTS.visible(sample.objects, replace(view, camera=None))
    assert not replace(OBJECTS, least_area=0.5).visible(sample.objects, view)
    thinnest = min(min(v.truth.size) for v in seen)
    thick = replace(OBJECTS, least_side=thinnest + 1e-4).visible(sample.objects, view)
    assert [v.truth.name for v in thick] == [v.truth.name for v in seen if min(v.truth.size) > thinnest]


def test_what_a_mask_shows_counts_inside_the_crop_alone(tabletop_source):
    sample = tabletop_source.sample(0, OBJECTS.needs)
    view = sample.views[0]
    one = OBJECTS.visible(sample.objects, view)[0]
    rows, columns = np.nonzero(view.mask == one.truth.instance)

    def listed(view, **least):
        return one.truth.name in {v.truth.name for v in replace(OBJECTS, **least).visible(sample.objects, view)}

    whole = len(rows) / outline_area(project(view.camera.K, corners(Boxes(one.T[:3, 3], one.T[:3, :3], one.truth.size)))[0])
    assert 0.3 < whole < 1.3  # masks are of whole pixels
    assert listed(view, least_visible=min(1.0, whole) - 0.01)
    half = np.where((view.mask == one.truth.instance) & (np.arange(SIDE) > np.median(columns)), 0, view.mask)
    assert listed(replace(view, mask=half)) and not listed(replace(view, mask=half), least_visible=min(1.0, whole) - 0.01)
    # a crop that shows the box's middle, of whose mask only a corner outside the crop is left
    cut = apply_to_view(view, crop(picture_size(view), rows.min(), columns.min(), int(np.ptp(rows)) + 1, int(np.ptp(columns)) + 1))
    assert listed(cut, least_area=0.0)
    corner = np.where(view.mask == one.truth.instance, 0, view.mask)
    corner[(0 if rows.min() else -1), 0] = one.truth.instance
    assert listed(replace(view, mask=corner)) and not listed(replace(cut, mask=corner), least_area=0.0)
    with pytest.raises(ConfigError, match="ObjectPoses.least_visible is 2"):
        replace(OBJECTS, least_visible=2)
    with pytest.raises(ConfigError, match="ObjectPoses.least_area is -3; expected a number from 0 to below 1"):
        replace(OBJECTS, least_area=-3)


def test_an_absent_class_is_answered_with_no_object_in_every_view(tabletop_source):
    words = ("zebra", "red zebra", "wooden mug", "traffic cone")
    asks = replace(OBJECTS, negatives=1.0, classes=words)
    names = set()
    for example in asked(tabletop_source, asks, SHIFT, draws=4):
        name = example.prompt.removeprefix("detect the ")
        shown = {word for o in example.sample.objects for word in f"{o.category} {o.name}".split()}
        assert not set(name.split()) & shown
        assert "".join(example.target) == f"<image0> {name}{NO_OBJECT}</image0><image1> {name}{NO_OBJECT}</image1>"
        names.add(name)
    assert {"zebra", "traffic cone"} <= names
    share = np.mean([NO_OBJECT in str(e.target) for e in asked(tabletop_source, replace(asks, negatives=0.25), draws=12)])
    assert 0.15 < share < 0.35
    with pytest.raises(ConfigError, match="negatives needs names to ask for .* give them as `classes`"):
        ObjectPoses()(tabletop_source.sample(0, asks.needs), np.random.default_rng(0))


@pytest.mark.parametrize(
    "of", [OBJECTS, Waypoints(count=3, every=3), replace(OBJECTS, place="centre", positions=2)], ids=["boxes", "waypoints", "centres"]
)
def test_the_placebo_asks_the_same_and_answers_with_names_in_place_of_numbers(of, tabletop_source):
    placebo, lengths = Placebo(of), []
    for ours, theirs in zip(asked(tabletop_source, placebo), asked(tabletop_source, of), strict=True):
        assert ours.prompt == theirs.prompt and ours.dense == {} and len(ours.sample.views) == len(theirs.sample.views)
        text = "".join(ours.target)
        spoken = " ".join(part for part in theirs.target if isinstance(part, str))
        assert re.findall(r"</?image\d>|;", text) == re.findall(r"</?image\d>|;", spoken)
        numbers = sum(len(part.values) for part in theirs.target if isinstance(part, Quantity))
        lengths.append((len(re.findall(r"[a-z]+", text)) - len(re.findall(r"[a-z]+", spoken)), numbers))
        known = {w for o in ours.sample.objects for w in o.name.split()} | set(ours.sample.instruction.split())
        assert set(re.findall(r"[a-z]+", text)) - set(re.findall(r"[a-z]+", spoken)) <= known
    assert all(words == numbers for words, numbers in lengths) and max(n for _, n in lengths) > 8


def test_a_placebo_may_keep_what_is_learnt_beside_the_answer(tabletop_source):
    of = replace(OBJECTS, positions=2)
    for plain, kept, theirs in zip(*(asked(tabletop_source, x) for x in (Placebo(of), Placebo(of, dense=True), of)), strict=True):
        assert kept.target == plain.target != theirs.target
        assert kept.dense.keys() == theirs.dense.keys() and all(np.array_equal(kept.dense[k], theirs.dense[k], equal_nan=True) for k in kept.dense)
        assert "positions" in kept.dense and kept.phrases == theirs.phrases


def test_the_placebo_says_nothing_of_where_things_are(tabletop_source):
    """Things moved about, within sight: the answer stays."""
    placebo = Placebo(replace(OBJECTS, names="name"))
    for example in asked(tabletop_source, placebo):
        moved = [replace(o, T_base_object=pose(np.eye(3), [0, 0, 0.01]) @ o.T_base_object) for o in example.sample.objects]
        index = np.random.default_rng(1)
        words = re.findall(r"[a-z]+", "".join(placebo(replace(example.sample, objects=tuple(moved)), index).target))
        again = re.findall(r"[a-z]+", "".join(placebo(example.sample, np.random.default_rng(1)).target))
        if len(words) == len(again):  # nothing went out of sight
            assert sorted(words) == sorted(again)


def test_options_of_the_published_format(tabletop_source):
    sample = tabletop_source.sample(0, OBJECTS.needs)
    centre = replace(OBJECTS, place="centre", names="name", delimiters=False)(sample, np.random.default_rng(0))
    assert centre.prompt.split()[-1] in {o.category.split()[-1] for o in sample.objects} and len(centre.prompt.split()) >= 4
    (place,) = {len(p.values) for p in centre.target if isinstance(p, Quantity) and p.kind == "location"}
    assert place == 2 and not any("image" in p for p in centre.target if isinstance(p, str))


def test_waypoints_follow_the_tool_and_project_onto_their_own_place(tabletop_source):
    supervision = Waypoints(count=4, every=3)
    assert supervision.needs.tool_steps == 10
    wrist = 0
    for example in asked(tabletop_source, supervision, SHIFT):
        (path,) = example.sample.tool_path.values()
        for view, said in zip(example.sample.views, sections(example.target), strict=True):
            assert len(said) in (0, 4)
            wrist += view.role == "wrist" and bool(said)
            for i, (called, numbers) in enumerate(said):
                T = invert(view.camera.T_base_cam) @ path[min(3 * i, len(path) - 1)]
                assert called == f"arm {i}"
                np.testing.assert_allclose(numbers["translation"], T[:3, 3], atol=1e-9)
                assert angle_between(euler_to_matrix(numbers["rotation"]), T[:3, :3]) < 1e-6  # poses are stored in float32
                if T[2, 3] > 0:
                    pixel = project(view.camera.K, numbers["translation"])[0].clip(-0.5, SIDE - 0.5)
                    np.testing.assert_allclose(numbers["location"] * SIDE, pixel, atol=1e-6)
    assert wrist == len(tabletop_source)  # a wrist camera always lists its own arm
    based = next(asked(tabletop_source, replace(supervision, frame="base", grip=0.1)))
    (path,) = based.sample.tool_path.values()
    first = sections(based.target)[1][0][1]
    np.testing.assert_allclose(first["translation"], path[0, :3, 3] + 0.1 * path[0, :3, 2], atol=1e-9)


def test_usual_answers_are_as_long_as_the_supervisions_say(tabletop_source):
    """Where a word is a token. The arm of this robot is called "arm": a word less than "left arm" in each of 2 x 3 waypoints."""
    compared = []
    for supervision, each, shorter in ((OBJECTS, 1, 0), (Waypoints(count=3, every=3), 3, 6)):
        for example in asked(tabletop_source, supervision):
            if [len(said) for said in sections(example.target)] != [each, each]:
                continue
            length = sum(len(p.values) if isinstance(p, Quantity) else len(p.split()) for p in example.target)
            assert length == supervision.usual_tokens(2) - shorter
            compared.append(supervision.name)
    assert set(compared) == {"object_poses", "waypoints"}


def test_arms_are_listed_where_they_belong(tabletop_source):
    supervision = Waypoints(count=2, every=1)
    sample = tabletop_source.sample(0, supervision.needs)
    (path,) = sample.tool_path.values()
    away = path.copy()
    away[:, :3, 3] += [0.0, 5.0, 0.0]  # far outside the head view
    head, wrist = sample.views
    wrists = tuple(replace(wrist, role=role) for role in ("wrist_right", "wrist_left"))
    two = replace(sample, tool_path={"right": away, "left": path}, views=(head, *wrists))
    shown = sections(supervision(two, np.random.default_rng(0)).target)
    assert [[called for called, _ in said] for said in shown] == [[f"{side} arm {i}" for i in range(2)] for side in ("left", "right", "left")]

    behind = path.copy()
    camera = wrist.camera.T_base_cam
    behind[:, :3, 3] = camera[:3, 3] - 0.1 * camera[:3, 2] + 0.05 * camera[:3, 0] - 0.05 * camera[:3, 1]
    (_, numbers), _ = sections(supervision(replace(sample, tool_path={"arm": behind}), np.random.default_rng(0)).target)[1]
    np.testing.assert_allclose(numbers["translation"], [0.05, -0.05, -0.1], atol=1e-9)
    assert (numbers["location"] * SIDE).tolist() == [SIDE - 0.5, -0.5]  # right of and above the picture
    nowhere = replace(sample, views=tuple(replace(v, camera=None) for v in sample.views))
    assert supervision(nowhere, np.random.default_rng(0)) is None


def test_collate_writes_quantities_with_the_models_vocabulary(tabletop_source):
    spec = PoseVocabulary(xy=64, z=64, size=32, rotation=36)
    found = [p for e in asked(tabletop_source, OBJECTS, SHIFT) for p in e.target if isinstance(p, Quantity)]
    values = {kind: np.array([q.values for q in found if q.kind == kind]) for kind in ("translation", "extent")}
    vocabulary = spec.fitted(values, {kind: np.ones(len(rows)) for kind, rows in values.items()})
    backbone = PaliGemma(
        image_size=16, patch_size=8, vision_width=16, vision_layers=1, vision_heads=2, vision_mlp=16, text_width=16, text_layers=1, text_heads=2,
        text_kv_heads=1, text_head_dim=8, text_mlp=16, vocabulary=3000,
    )  # fmt: skip
    tokenizer = local_tokenizer(("detect", "the", "mug"), backbone.specials + vocabulary.tokens)
    example = next(asked(tabletop_source, OBJECTS, SHIFT))
    collate = Collate({}, backbone.build(), tokenizer, vocabulary=vocabulary)
    quiet = replace(example, sample=replace(example.sample, state=None))
    batch = collate([quiet])
    back = vocabulary.numbers(tokenizer.decode(batch.target.ids[0][batch.target.valid[0]]))
    truth = np.array([numbers["translation"] for said in sections(example.target) for _, numbers in said])
    assert back["translation"].shape == truth.shape and np.abs(back["translation"] - truth).max() < 0.1
    with pytest.raises(ConfigError, match="holds numbers, but the model has no vocabulary"):
        Collate({}, backbone.build(), tokenizer)([quiet])


@pytest.mark.parametrize("of", [ObjectPoses(negatives=0.0, names="category"), Waypoints(count=5, every=1)], ids=["objects", "waypoints"])
@pytest.mark.parametrize("placebo", [False, True])
def test_an_answer_that_is_too_long_loses_whole_tuples_from_the_far_end(of, placebo, tabletop_source):
    sample = tabletop_source.sample(0, replace(of.needs, objects=True))
    sample = replace(sample, state=None, objects=tuple(replace(o, category="mug", name="mug") for o in sample.objects))
    numbers = {"translation": np.random.default_rng(0).uniform(-1, 1, (500, 3)), "extent": np.random.default_rng(1).uniform(0, 0.2, (500, 3))}
    vocabulary = PoseVocabulary(xy=64, z=64, size=32, rotation=36).fitted(numbers, {kind: np.ones(500) for kind in numbers})
    backbone = PaliGemma(
        image_size=16, patch_size=8, vision_width=16, vision_layers=1, vision_heads=2, vision_mlp=16, text_width=16, text_layers=1, text_heads=2,
        text_kv_heads=1, text_head_dim=8, text_mlp=16, vocabulary=3000,
    )  # fmt: skip
    tokenizer = local_tokenizer(("detect", "the", "mug", "arm", *sample.instruction.split()), backbone.specials + vocabulary.tokens)
    collate = Collate({}, backbone.build(), tokenizer, vocabulary=vocabulary)

    def said(most):
        says = replace(of, most_tokens=most)
        batch = collate([(Placebo(says) if placebo else says)(sample, np.random.default_rng(0))])
        text = tokenizer.decode(batch.target.ids[0][batch.target.valid[0]])
        assert int(batch.target.valid.sum() + batch.prompt.valid.sum()) <= most
        return [re.findall(r"[^;]*;", section) for section in re.findall(r"<image\d>(.*?)</image\d>", text)]

    whole = said(512)
    tuples = sum(map(len, whole))
    assert tuples >= 5 and len(whole) == 2
    for most in (40, 60):
        kept = said(most)
        assert len(kept) == 2 and 0 < sum(map(len, kept)) < tuples
        assert all(section == full[: len(section)] for section, full in zip(kept, whole, strict=True)), "the near end is as it was"
        counts, full = list(map(len, kept)), list(map(len, whole))
        assert max(counts) - min(counts) <= 1 or min(counts) == min(full), "the fullest view gives first"
    with pytest.raises(DataError, match="without a single tuple.*raise `most_tokens`"):
        said(8)
    with pytest.raises(ConfigError, match=f"{type(of).__name__}.most_tokens is 0"):
        replace(of, most_tokens=0)


@pytest.mark.parametrize("turns", [0, 2, 4])
def test_of_rotations_that_look_alike_the_nearest_to_the_camera_is_said(turns, tabletop_source):
    sample = tabletop_source.sample(0, OBJECTS.needs)
    category = next(v.truth.category for v in OBJECTS.visible(sample.objects, sample.views[0]))
    plain = next(v for v in OBJECTS.visible(sample.objects, sample.views[0]) if v.truth.category == category)
    alike = replace(OBJECTS, symmetric=((category, turns),))
    said = next(v for v in alike.visible(sample.objects, sample.views[0]) if v.truth.category == category)
    np.testing.assert_array_equal(said.T[:3, 3], plain.T[:3, 3])
    np.testing.assert_allclose(said.T[:3, 2], plain.T[:3, 2], atol=1e-12)  # only turned about its own z
    angles = np.arange(360) * 2 * np.pi / 360 if turns == 0 else np.arange(turns) * 2 * np.pi / turns
    others = [plain.T[:3, :3] @ euler_to_matrix(np.array([0.0, 0.0, a])) for a in angles]
    best = min(others, key=lambda R: angle_between(R, np.eye(3)))
    assert angle_between(said.T[:3, :3], best) < (np.deg2rad(1) if turns == 0 else 1e-9)
    others = tuple(
        replace(o, T_base_object=o.T_base_object @ pose(euler_to_matrix(np.array([0, 0, angles[1]])), np.zeros(3))) for o in sample.objects
    )
    again = next(v for v in alike.visible(others, sample.views[0]) if v.truth.category == category)
    np.testing.assert_allclose(again.T, said.T, atol=1e-9)  # what looks alike is said alike


def test_a_symmetry_that_is_none_is_refused():
    with pytest.raises(ConfigError, match="ObjectPoses.symmetric says 1 for 'mug'"):
        ObjectPoses(negatives=0.0, symmetric=(("mug", 1),))


def test_registers_learn_where_the_asked_object_and_the_task_are(tabletop_source):
    taught = replace(OBJECTS, roles=("head",), positions=2)
    for example in asked(tabletop_source, taught, SHIFT):
        (view,) = example.sample.views
        name, dense = example.prompt.removeprefix("detect the "), example.dense
        assert dense["positions_valid"].tolist() == [False, True, False] + [False] * 3 and dense["positions_slot"].tolist() == [0] * 3 + [-1] * 3
        nearest = min((v for v in OBJECTS.visible(example.sample.objects, view) if v.truth.category == name), key=lambda v: v.T[2, 3])
        np.testing.assert_allclose(dense["positions"][1, 2], nearest.T[2, 3], rtol=1e-5)
        np.testing.assert_allclose(dense["positions_pixel"][1], nearest.centre, rtol=1e-5)
    absent = next(asked(tabletop_source, replace(taught, negatives=1.0, classes=("unicorn",))))
    assert NO_OBJECT in absent.target and not absent.dense["positions_valid"].any()
    way = next(asked(tabletop_source, Waypoints(count=2, every=1, positions=2)))
    (path,) = way.sample.tool_path.values()
    head = way.sample.views[0].camera
    np.testing.assert_allclose(way.dense["positions"][0, 2], (invert(head.T_base_cam) @ path[0])[2, 3], rtol=1e-5)
    assert way.dense["positions_valid"].all()
    for supervision in (ObjectPoses, Waypoints):
        with pytest.raises(ConfigError, match=f"{supervision.__name__}.positions is -1"):
            supervision(positions=-1)
