"""Embodied questions on real scenes: every kind against what the world itself says, worked out another way."""

import re
from dataclasses import replace

import numpy as np
import pytest

from praxia.data.sample import Sample
from praxia.data.sample_transforms import RandomCrop, RandomShift
from praxia.data.supervision import EmbodiedVQA, Placebo, SceneGrounding
from praxia.data.supervision.embodied_vqa import KINDS
from praxia.data.supervision.placebo import THINGS
from praxia.data.supervision.questions.general import NUMBERS
from praxia.data.supervision.questions.look import GROUPS
from praxia.errors import ConfigError
from praxia.geometry.camera import project
from praxia.geometry.image_transform import realise
from praxia.geometry.scene import Contact, ObjectTruth
from praxia.geometry.se3 import apply, invert, pose
from praxia.recipes.embodied_vqa import questions
from praxia.recipes.tabletop_contacts import contacts
from praxia.registry import from_json, to_json
from praxia.tokens.coordinates import box_in, points_in, share_pixels
from praxia.worlds.tabletop import Tabletop
from praxia.worlds.tabletop.skills.drawer import _Drawer
from praxia.worlds.world import Episode

SIZE = 96
TASKS = ("reach", "push", "press", "drawer", "pick_and_place", "stack")
ASKED = questions("pretrain")


def moment(world: Tabletop, instruction: str) -> Sample:
    truth = world.truth()
    return Sample(
        views=world.render(masks=True),
        instruction=instruction,
        objects=truth.objects,
        target=truth.target,
        goal=truth.goal,
        tool_path={arm: T[None] for arm, T in truth.T_base_tool.items()},
    )


@pytest.fixture(scope="module")
def world():
    made = Tabletop(split="pretrain", size=SIZE, cameras=("head",))
    yield made
    made.close()


@pytest.fixture(scope="module")
def moments(world):
    """Moments of two episodes of every task, from the first look to success."""
    found = []
    for task in TASKS:
        for seed in range(2):
            instruction = world.reset(Episode(task, seed))
            for step in range(60):
                if step % 5 == 0:
                    found.append(moment(world, instruction))
                if world.step(world.expert()).success:
                    found.append(moment(world, instruction))
                    break
    return found


@pytest.fixture(scope="module")
def asked(moments):
    """kind -> [(sample, question)]; every kind, several draws of each moment."""
    found = {kind: [] for kind in KINDS}
    for number, sample in enumerate(moments):
        seen = ASKED.look(sample)
        for kind in KINDS:
            for draw in range(3):
                question = ASKED.ask(seen, kind, np.random.default_rng([number, draw]))
                if question is not None:
                    found[kind].append((sample, question))
    return found


def mask_of(sample: Sample, name: str) -> np.ndarray:
    (instance,) = [o.instance for o in sample.objects if o.name == name]
    return sample.views[0].mask == instance


def named(sample: Sample, name: str) -> ObjectTruth:
    (truth,) = [o for o in sample.objects if o.name == name]
    return truth


def names_in(sample: Sample, text: str) -> list[str]:
    """Names of things in a text, in the order they are said."""
    found = [(at.start(), o.name) for o in sample.objects for at in re.finditer(rf"\b{o.name}\b", text)]
    return [name for _, name in sorted(found)]


def seen_from(sample: Sample, point: np.ndarray) -> tuple[np.ndarray, float]:
    camera = sample.views[0].camera
    pixel, depth = project(camera.K, apply(invert(camera.T_base_cam), point))
    return pixel, float(depth)


def said_pixel(question) -> tuple[int, int]:
    """Row and column of a point answer."""
    u, v = share_pixels(points_in(question.answer)[0], (SIZE, SIZE))
    return round(v), round(u)


def test_every_kind_is_asked_in_several_phrasings_and_its_group_is_in_its_name(asked):
    for kind, pairs in asked.items():
        assert pairs and {q.group for _, q in pairs} == {kind.split("/")[0]}
        bare = {re.sub("|".join(sorted({w for o in s.objects for w in (o.name, o.category, o.colour)}, key=len)[::-1]), "", q.text) for s, q in pairs}
        assert len(bare) >= 2, f"{kind} is always said alike"
    assert {q.kind for _, q in asked["affordance/interact"]} == {"grasp", "press", "pull", "fill"}
    for kind in ("presence", "relation"):
        answers = [q.answer for _, q in asked[f"general/{kind}"]]
        assert 0.35 < answers.count("yes") / len(answers) < 0.65
    for kind in ("block", "there"):
        assert {q.answer for _, q in asked[f"reasoning/{kind}"]} == {"yes", "no"}


def test_answers_are_among_their_choices_and_names_are_never_shared(asked):
    for pairs in asked.values():
        for sample, question in pairs:
            assert not question.choices or question.answer in question.choices
            names = [o.name for o in sample.objects]
            if question.kind not in ("count", "presence", "colour", "free", "next", "there"):
                for name in names_in(sample, question.text):
                    assert names.count(name) == 1


def test_colours_counts_and_presence_are_those_of_the_scene(asked):
    for sample, q in asked["general/colour"]:
        (one,) = [o for o in sample.objects if re.search(rf"\b{o.category}\b", q.text)]
        assert q.answer == one.colour
    for sample, q in asked["general/count"]:
        visible = [o for o in sample.objects if (sample.views[0].mask == o.instance).any()]
        counted = [o for o in visible if {o.colour, o.category} & set(q.text.split())]
        assert NUMBERS.index(q.answer) + 1 == len(counted)
    for sample, q in asked["general/presence"]:
        here = [o for o in sample.objects if re.search(rf"any ({o.name}|{o.category})\b", q.text)]
        assert (q.answer == "yes") == bool(here)


def test_relations_are_those_of_visible_middles_and_of_depths(asked):
    for sample, q in asked["general/relation"]:
        a, b = (named(sample, name) for name in names_in(sample, q.text))
        if "left" in q.text or "right" in q.text:
            gap = np.mean(np.nonzero(mask_of(sample, a.name))[1]) - np.mean(np.nonzero(mask_of(sample, b.name))[1])
            holds, clear = (gap < 0) == ("left" in q.text), abs(gap) > 0.05 * SIZE
        else:
            gap = seen_from(sample, a.T_base_object[:3, 3])[1] - seen_from(sample, b.T_base_object[:3, 3])[1]
            holds, clear = (gap < 0) == ("in front" in q.text), abs(gap) >= 0.04
        assert clear and (q.answer == "yes") == holds


def test_points_lie_in_the_masks_and_boxes_are_tight(asked):
    for sample, q in asked["grounding/point"]:
        (name,) = names_in(sample, q.text)
        assert mask_of(sample, name)[said_pixel(q)] and np.array_equal(q.region, mask_of(sample, name))
    for sample, q in asked["grounding/box"]:
        (name,) = names_in(sample, q.text)
        rows, columns = np.nonzero(mask_of(sample, name))
        edges = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / SIZE
        assert np.abs(box_in(q.answer) - edges).max() <= 0.00101 and np.abs(q.box - edges).max() < 1e-9


def test_free_places_are_table_with_room_around_and_beside_is_on_the_side(asked):
    for sample, q in asked["grounding/free"] + asked["grounding/beside"]:
        row, column = said_pixel(q)
        mask = sample.views[0].mask
        assert q.region[row, column] and not mask[q.region].any()
        near = mask[max(0, row - 1) : row + 2, max(0, column - 1) : column + 2]
        assert not near.any(), "room around it"
        if q.kind == "beside":
            (name,) = names_in(sample, q.text)
            rows, columns = np.nonzero(mask_of(sample, name))
            assert rows.min() <= row <= rows.max() and (column < columns.min() if " left " in q.text else column > columns.max())


def test_contacts_are_where_the_experts_act(world):
    """Against the scene's own grasps, handles and caps."""
    at = {(c.category, c.verb): np.array(c.at) for c in contacts()}
    for task in TASKS:
        world.reset(Episode(task, 5))
        scene, truths = world._scene, {o.name: o for o in world.truth().objects}
        for slot, placed in enumerate(scene.arrangement.objects):
            T, grasp = scene.object_pose(slot), scene.template(slot).grasp
            np.testing.assert_allclose(at[placed.category, "grasp"] * truths[placed.name].size / 2, grasp, atol=1e-9)
            assert np.allclose(T, truths[placed.name].T_base_object)
        for i, truth in enumerate(o for o in truths.values() if o.category == "drawer"):
            np.testing.assert_allclose(truth.T_base_object[:3, 3] + at["drawer", "pull"] * truth.size / 2, _Drawer(i).goal(scene), atol=1e-6)
        for kind, verb in (("button", "press"), ("tray", "fill")):
            for truth, placed in zip((o for o in truths.values() if o.category == kind), getattr(scene.arrangement, f"{kind}s"), strict=True):
                contact = truth.T_base_object[:3, 3] + at[kind, verb] * truth.size / 2
                height = 0.040 if kind == "button" else 0.004
                np.testing.assert_allclose(contact, (placed.x, placed.y, height), atol=2e-4)


def test_affordances_are_contacts_on_their_own_visible_pixels(asked):
    at = {(c.category, c.verb): np.array(c.at) for c in contacts()}
    for sample, q in asked["affordance/interact"]:
        (name,) = names_in(sample, q.text)
        truth = named(sample, name)
        place = apply(truth.T_base_object, at[truth.category, q.kind] * truth.size / 2)
        pixel, _ = seen_from(sample, place)
        assert np.abs(share_pixels(points_in(q.answer)[0], (SIZE, SIZE)) - pixel).max() <= 0.06
        assert mask_of(sample, name)[said_pixel(q)] and not (q.region & ~mask_of(sample, name)).any()
        rows, columns = np.nonzero(q.region)
        reach = sample.views[0].camera.K[0, 0] * 0.025 / seen_from(sample, place)[1]
        assert np.hypot(columns - pixel[0], rows - pixel[1]).max() <= reach + 1e-6


def test_nearer_is_nearer_to_the_tool(asked):
    for sample, q in asked["reasoning/nearer"]:
        tool = next(iter(sample.tool_path.values()))[0, :3, 3]
        gaps = {name: np.linalg.norm(named(sample, name).T_base_object[:3, 3] - tool) for name in names_in(sample, q.text)}
        assert len(gaps) == 2 and q.answer == min(gaps, key=gaps.get) and np.ptp(list(gaps.values())) >= 0.04


def test_the_next_step_goes_to_the_target_or_carries_it_on(asked):
    carried = moved = 0
    for sample, q in asked["reasoning/next"]:
        tool, target = next(iter(sample.tool_path.values()))[0, :3, 3], named(sample, sample.target)
        gap, raised = np.linalg.norm(target.T_base_object[:3, 3] - tool), target.T_base_object[2, 3] - target.size[2] / 2
        if q.answer.startswith("move"):
            moved += 1
            assert q.answer == f"move to the {sample.target}" and gap >= 0.08 and raised < 0.02
        else:
            carried += 1
            (place,) = names_in(sample, q.answer)
            assert gap < 0.06 and raised > 0.02 and place != sample.target
            assert re.search(rf"\b{place}\b", sample.instruction.replace("circle", "zone")), "what the instruction names"
    assert moved and carried


def test_in_the_way_is_judged_by_sweeping_the_thing_there(asked):
    """Against a sweep: the moving thing's footprint as a disc, step by step along the way."""
    for sample, q in asked["reasoning/block"]:
        said = names_in(sample, q.text)
        c, a, b = (named(sample, name) for name in said)
        start, end, other = (o.T_base_object[:2, 3] for o in (a, b, c))
        way = start + np.linspace(0, 1, 400)[:, None] * (end - start)
        least = np.linalg.norm(way - other, axis=1).min()
        inner, outer = (f(a.size[:2]) / 2 + f(c.size[:2]) / 2 for f in (np.min, np.linalg.norm))
        assert least < inner + 1e-3 if q.answer == "yes" else least > outer - 1e-3


def test_there_agrees_with_success(world):
    """At the start of no episode, at the end of every push and stack."""
    for task in ("push", "stack", "pick_and_place"):
        for seed in range(3):
            instruction = world.reset(Episode(task, seed))
            first = ASKED.ask(ASKED.look(moment(world, instruction)), "reasoning/there", np.random.default_rng(0))
            assert first is None or first.answer == "no"
            for _ in range(100):
                if world.step(world.expert()).success:
                    break
            last = ASKED.ask(ASKED.look(moment(world, instruction)), "reasoning/there", np.random.default_rng(0))
            assert last is None or last.answer == "yes"


def test_a_question_is_a_pure_function_of_sample_and_draw(moments):
    for sample in moments[::7]:
        one, same = (ASKED(sample, np.random.default_rng(3)) for _ in range(2))
        assert one is not None and (one.prompt, one.target) == (same.prompt, same.target)
    assert len({ASKED(moments[0], np.random.default_rng(k)).prompt for k in range(30)}) > 15


def test_groups_come_in_the_shares_of_the_field(monkeypatch):
    orders: list[tuple[str, ...]] = []
    monkeypatch.setattr(EmbodiedVQA, "_one_of", lambda self, seen, rng, groups: orders.append(groups))
    sizes = (1.0, 0.0, 2.0, 1.0)
    for drawn in (ASKED, replace(ASKED, sizes=sizes)):
        orders.clear()
        for k in range(2000):
            assert drawn(Sample(), np.random.default_rng(k)) is None
        shares = np.array([[groups[0] for groups in orders].count(g) for g in GROUPS]) / len(orders)
        assert np.abs(shares - np.array(drawn.sizes) / sum(drawn.sizes)).max() < 0.03
        assert {tuple(sorted(groups)) for groups in orders} == {tuple(sorted(g for g, size in zip(GROUPS, drawn.sizes, strict=True) if size))}
    assert ASKED.sizes == (665, 694, 553, 511), "thousands of samples, as published"


def test_crops_and_shifts_move_the_answers_with_the_picture(moments):
    moved = 0
    for number, sample in enumerate(moments[::3]):
        for transform in (RandomCrop(0.6), RandomShift(0.2)):
            cut = transform(sample, np.random.default_rng(number))
            seen = ASKED.look(cut)
            shown = realise(cut.views[0])
            for kind in ("grounding/point", "grounding/box", "affordance/interact"):
                q = ASKED.ask(seen, kind, np.random.default_rng(number))
                if q is None:
                    continue
                (name,) = names_in(sample, q.text)
                height, width = shown.image.shape[:2]
                area = shown.mask == named(sample, name).instance
                if q.form == "point":
                    column, row = np.floor(points_in(q.answer)[0] * (width, height)).astype(int)
                    assert area[row, column]
                else:
                    rows, columns = np.nonzero(area)
                    edges = [columns.min() / width, rows.min() / height, (columns.max() + 1) / width, (rows.max() + 1) / height]
                    assert np.abs(box_in(q.answer) - edges).max() <= 0.00101
                moved += cut.views[0].affine[:, 2].any()
            free = ASKED.ask(seen, "grounding/free", np.random.default_rng(number))
            if free is not None:  # never where the shifted picture shows nothing
                off = realise(replace(cut.views[0], mask=np.ones_like(cut.views[0].mask))).mask == 0
                assert not (free.region & off).any()
    assert moved > 10


def test_what_is_hardly_seen_is_neither_asked_about_nor_counted(moments):
    sample = next(s for s in moments if len({o.colour for o in s.objects}) < len(s.objects))
    colours = [o.colour for o in sample.objects]
    pair = [o for o in sample.objects if colours.count(o.colour) > 1][:2]
    mask = sample.views[0].mask.copy()
    rows, columns = np.nonzero(mask == pair[0].instance)
    mask[rows[3:], columns[3:]] = 0  # three pixels are left
    hidden = replace(sample, views=(replace(sample.views[0], mask=mask),))
    seen = ASKED.look(hidden)
    assert pair[0] in seen.doubtful and pair[0].name not in [t.truth.name for t in seen.things]
    for draw in range(60):
        for kind in KINDS:
            if (q := ASKED.ask(seen, kind, np.random.default_rng(draw))) is None:
                continue
            if kind in ("general/count", "general/presence") and q.answer != "no":
                assert pair[0].colour not in q.text.split()[:6] or "any" in q.text.split()
            if q.kind in ("point", "box", "grasp", "relation", "nearer", "block"):
                assert pair[0].name not in names_in(hidden, q.text)


def test_the_placebo_says_as_much_of_other_things_and_never_the_true_answer(moments):
    says = ASKED
    placebo, named = Placebo(says), 0
    for seed, sample in enumerate(moments * 3):
        true, other = (s(sample, np.random.default_rng(seed)) for s in (says, placebo))
        assert (true is None) == (other is None)
        if true is None:
            continue
        answer, said = (set(re.findall(r"[a-z]+", text.lower())) for text in (true.target, other.target))
        assert other.prompt == true.prompt and said and not answer & said
        names = {word for o in sample.objects for word in o.name.split()}
        named += bool(answer & names)
        assert said <= names | set(THINGS) and len(re.findall(r"[A-Za-z]+|\d|[^\w\s]| (?=\d)", true.target)) == len(other.target.split())
    assert named > 10


def test_a_thing_without_an_instance_is_not_the_background(moments):
    sample = moments[0]
    unknown = tuple(replace(o, instance=0) for o in sample.objects[:1])
    seen = ASKED.look(replace(sample, objects=(*unknown, *sample.objects[1:])))
    assert unknown[0] in seen.doubtful and all(thing.truth.instance for thing in seen.things)


def test_without_a_mask_or_a_pose_nothing_is_asked(moments):
    view = moments[0].views[0]
    for changed in (replace(view, mask=None), replace(view, camera=replace(view.camera, T_base_cam=None)), replace(view, valid=False)):
        assert ASKED(replace(moments[0], views=(changed,)), np.random.default_rng(0)) is None
    assert ASKED(replace(moments[0], objects=()), np.random.default_rng(0)) is None


def test_twins_are_not_asked_about_by_name(moments):
    sample = moments[0]
    first = sample.objects[0]
    twin = replace(first, T_base_object=first.T_base_object @ pose(np.eye(3), np.array([0.1, 0.1, 0])), instance=99)
    seen = ASKED.look(replace(sample, objects=(*sample.objects, twin)))
    assert first.name not in [t.truth.name for t in seen.named]


def test_registers_learn_where_tool_and_asked_things_are(moments):
    taught = replace(ASKED, positions=1)
    sample = moments[0]
    seen = taught.look(sample)
    question = taught.ask(seen, "grounding/point", np.random.default_rng(0))
    dense = taught.example(sample, question).dense
    (name,) = names_in(sample, question.text)
    pixel, _ = seen_from(sample, named(sample, name).T_base_object[:3, 3])
    np.testing.assert_allclose(dense["positions_pixel"][1], pixel, atol=1e-3)
    assert dense["positions_valid"].tolist() == [True, True, False] and not ASKED.example(sample, question).dense


def test_what_is_taught_beside_is_that_of_the_shown_views(moments):
    beside = SceneGrounding()
    example = replace(ASKED, beside=beside, positions=1)(moments[0], np.random.default_rng(0))
    alone = beside(moments[0], np.random.default_rng(0))
    assert example.phrases == alone.phrases and np.array_equal(example.dense["things_pixel"], alone.dense["things_pixel"])
    assert example.prompt == ASKED(moments[0], np.random.default_rng(0)).prompt and "positions" in example.dense


def test_a_conversation_asks_further_questions_about_the_same_picture(moments):
    talks = replace(ASKED, turns=4)
    found, alone = ([asks(sample, np.random.default_rng(number)) for number, sample in enumerate(moments)] for asks in (talks, ASKED))
    assert not any(example.later for example in alone)
    for example in found:
        texts = (example.prompt, *example.later[::2])
        assert len(example.later) % 2 == 0 and len(set(texts)) == len(texts) and all(example.later[1::2])
    assert max(len(example.later) for example in found) == 6
    kinds = {text.split()[0] for example in found for text in example.later[::2]}
    assert len(kinds) > 4, "groups are drawn anew for every question"


def test_no_answer_stands_in_what_was_said_before(moments):
    """A name says that a thing is there, and its colour; a place that was said once is not asked again."""
    talks, told = replace(ASKED, turns=6), 0
    for number, sample in enumerate(moments * 4):
        asked = talks.conversation(talks.look(sample), np.random.default_rng(number))
        assert all(q.kind not in ("colour", "presence") for q in asked[1:])
        told += asked[0].kind in ("colour", "presence")
        places = [q.answer for q in asked if q.form != "words"]
        assert len(set(places)) == len(places)
    assert told > 5


def test_the_placebo_of_a_conversation_says_none_of_its_answers(moments):
    says = replace(ASKED, turns=4)
    several = 0
    for seed, sample in enumerate(moments * 2):
        true, other = (s(sample, np.random.default_rng(seed)) for s in (says, Placebo(says)))
        assert other.prompt == true.prompt and other.later[::2] == true.later[::2]
        answers = {word for text in (true.target, *true.later[1::2]) for word in re.findall(r"[a-z]+", text.lower())}
        for truth, said in zip((true.target, *true.later[1::2]), (other.target, *other.later[1::2]), strict=True):
            assert not answers & set(said.lower().split()) and not re.search(r"\d", said)
            assert len(re.findall(r"[A-Za-z]+|\d|[^\w\s]| (?=\d)", truth)) == len(said.split())
        several += len(true.later) > 2
    assert several > 5


def test_it_is_plain_data_and_says_what_is_wrong():
    assert from_json(to_json(ASKED)) == ASKED
    assert from_json(to_json(EmbodiedVQA(contacts=(Contact("mug", "grasp"),)))).contacts[0].at == (0, 0, 0)
    for fields in ({"sizes": (1, 2, 3)}, {"least_area": 1.0}, {"positions": -1}, {"turns": 0}):
        (name,) = fields
        with pytest.raises(ConfigError, match=name):
            EmbodiedVQA(**fields)
