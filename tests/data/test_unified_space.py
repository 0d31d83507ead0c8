"""Robots that differ write their numbers into one vector, each into its own slots, and get them back exactly."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from praxia.data.collate import Collate
from praxia.data.number_transforms import Normalise, Part, RelativeToState, SinCos, SlotMap, Split
from praxia.data.numbers import Numbers
from praxia.data.sample import Sample, Window
from praxia.data.supervision.supervision import Example
from praxia.data.unified_space import ACTION_SLOTS, ACTION_WIDTH, STATE_SLOTS, STATE_WIDTH, RobotSlots, UnifiedSpace, span
from praxia.errors import ConfigError, SpecMismatch
from praxia.recipes.action_priors import PUBLISHED, SPACE, paper
from praxia.registry import from_json, to_json
from praxia.specs import ActionSpec, Dim, StateSpec
from praxia.worlds.metaworld.world import ACTION, STATE
from praxia.worlds.tabletop.robots import ROBOTS

ARM7 = next(robot for robot in SPACE.robots if robot.robot == "arm7")
SPECS = {name: (robot.action_spec(robot.usual), robot.state_spec) for name, robot in ROBOTS.items()} | {"sawyer": (ACTION, STATE)}


def _moving(spec: ActionSpec | StateSpec, rows: int, seed: int) -> np.ndarray:
    """Numbers float32 [rows, D] that a robot could send."""
    rng = np.random.default_rng(seed)
    low = np.array([-1.5 if d.low is None else max(d.low, -1.5) for d in spec.dims])
    high = np.array([1.5 if d.high is None else min(d.high, 1.5) for d in spec.dims])
    return rng.uniform(low, high, (rows, spec.width)).astype(np.float32)


def _fitted(name: str) -> tuple[Numbers, np.ndarray, np.ndarray]:
    action, state = SPECS[name]
    actions, states = _moving(action, 300, 1), _moving(state, 300, 2)
    return SPACE.of(name, action, state).fitted(actions, states, [100] * 3, 15), actions, states


def test_the_published_table_adds_up():
    for table, width in ((ACTION_SLOTS, ACTION_WIDTH), (STATE_SLOTS, STATE_WIDTH)):
        assert [slot for slots in table.values() for slot in slots] == list(range(width))
    assert (ACTION_WIDTH, STATE_WIDTH) == (37, 74)


@pytest.mark.parametrize("name", SPECS)
def test_robot_to_slots_to_robot_is_exact(name):
    numbers, actions, states = _fitted(name)
    there = numbers.action_forward(actions, states)
    assert there.shape == (300, SPACE.action_width) and there.dtype == np.float32
    np.testing.assert_allclose(numbers.action_inverse(there, states), actions, atol=2e-6)
    told = numbers.state_forward(states)
    assert told.shape == (300, SPACE.state_width)
    np.testing.assert_allclose(numbers.state_inverse(told), states, atol=2e-6)


@pytest.mark.parametrize("name", SPECS)
def test_a_robot_leaves_the_slots_of_others_at_zero(name):
    numbers, actions, states = _fitted(name)
    slots = next(r for r in SPACE.robots if r.robot == name)
    for values, taken in ((numbers.action_forward(actions, states), slots.action), (numbers.state_forward(states), slots.state)):
        others = np.setdiff1d(np.arange(values.shape[1]), taken)
        assert (values[:, others] == 0).all() and (np.abs(values[:, list(taken)]).max(0) > 0).all()


def test_transforms_survive_json():
    numbers, actions, states = _fitted("bimanual")
    back = from_json(to_json(numbers))
    assert back == numbers
    assert np.array_equal(back.action_forward(actions, states), numbers.action_forward(actions, states))


def test_angles_are_told_as_sines_then_cosines_part_by_part():
    numbers, _, states = _fitted("bimanual")
    told = numbers.state_forward(states)
    for first, dims in ((16, range(7)), (30, range(8, 15))):
        np.testing.assert_allclose(told[:, first : first + 7], np.sin(states[:, list(dims)]), atol=1e-6)
        np.testing.assert_allclose(told[:, first + 7 : first + 14], np.cos(states[:, list(dims)]), atol=1e-6)


def test_every_gripper_opens_towards_plus_one():
    for name, (action, _) in SPECS.items():
        numbers, actions, states = _fitted(name)
        dim = next(i for i, d in enumerate(action.dims) if d.kind in ("gripper", "effort"))
        low, high = actions[:2].copy(), actions[:2].copy()
        low[:, dim], high[:, dim] = actions[:, dim].min(), actions[:, dim].max()
        slot = next(r for r in SPACE.robots if r.robot == name).action[dim]
        moved = (numbers.action_forward(high, states[:2]) - numbers.action_forward(low, states[:2]))[:, slot]
        assert (np.sign(moved) == (1 if action.dims[dim].sense == "open_positive" else -1)).all(), name


JOINTS = tuple(Dim(f"j{i}", "joint", "rad") for i in range(29))
OPENING = Dim("gripper", "gripper", sense="open_positive", low=0.0, high=1.0)
MOVES = tuple(Dim(f"d{i}", "position" if i < 3 else "rotation", reference="delta") for i in range(6))
POSE = tuple(Dim(f"p{i}", "position") for i in range(7))
TABLE = {  # action, state: Table I
    "panda": (ActionSpec((*MOVES, OPENING), 20.0), StateSpec((*POSE, OPENING))),
    "gr1": (ActionSpec(JOINTS, 20.0), StateSpec(JOINTS)),
    "franka": (ActionSpec((*JOINTS[:7], OPENING), 20.0), StateSpec((*JOINTS[:7], OPENING))),
}


@pytest.mark.parametrize("name", TABLE)
def test_the_robots_of_the_paper_stand_where_its_table_puts_them_and_come_back(name):
    action, state = TABLE[name]
    actions, states = _moving(action, 300, 1), _moving(state, 300, 2)
    numbers = PUBLISHED.of(name, action, state).fitted(actions, states, [100] * 3, 15)
    there, told = numbers.action_forward(actions, states), numbers.state_forward(states)
    taken = {"panda": (range(7, 14), range(8)), "gr1": (range(29), range(16, 74)), "franka": (range(29, 37), range(8, 16))}[name]
    for values, slots, width in ((there, taken[0], 37), (told, taken[1], 74)):
        assert values.shape == (300, width) and np.flatnonzero(np.abs(values).max(0)).tolist() == list(slots)
    np.testing.assert_allclose(numbers.action_inverse(there, states), actions, atol=2e-6)
    np.testing.assert_allclose(numbers.state_inverse(told), states, atol=2e-6)
    if name == "gr1":  # D5: left arm, right arm, left hand, right hand, waist, each sines, then cosines
        angles, first = np.split(states, np.cumsum([7, 7, 6, 6]), axis=1), 16
        for part in angles:
            np.testing.assert_allclose(told[:, first : first + 2 * part.shape[1]], np.concatenate([np.sin(part), np.cos(part)], 1), atol=1e-6)
            first += 2 * part.shape[1]


def test_past_actions_are_relative_to_now_or_to_the_start_of_the_past():
    """The encoder learns chunks relative to their own start; a past relative to now would be another language to it."""
    states = np.cumsum(np.full((8, 1), 0.5, np.float32), 0)  # the joint goes up by 0.5 a step, and is told to
    past = Window(states[:5], states[1:6], np.array([False, False, True, True, True]))
    numbers = Numbers(action=(RelativeToState(((0, 0),)),), state=())
    now = Collate({"a": numbers})([Example(Sample(embodiment="a", state=states[5], past=past), "")])
    start = Collate({"a": replace(numbers, past="start")})([Example(Sample(embodiment="a", state=states[5], past=past), "")])
    assert now.past.actions[0, 2:, 0].tolist() == [-1.0, -0.5, 0.0]
    assert start.past.actions[0, 2:, 0].tolist() == [0.5, 1.0, 1.5], "as a chunk from the third step on would be"


def test_a_new_robot_gets_new_slots_and_moves_nobody_else():
    six = ActionSpec(tuple(Dim(f"j{i}", "joint", "rad") for i in range(6)), 30.0)
    state = StateSpec(six.dims)
    wider = SPACE.joined([("arm7", *SPECS["arm7"]), ("so100", six, state)])
    assert wider.robots[:-1] == SPACE.robots
    assert wider.robots[-1].action == span(SPACE.action_width, 6) and wider.robots[-1].state == span(SPACE.state_width, 6)
    assert wider.action_width == SPACE.action_width + 6
    with pytest.raises(ConfigError, match="so100"):
        SPACE.of("so100", six, state)


def test_slots_with_two_meanings_are_told():
    runs = {run.name: run for run in SPACE.meanings()["action"]}
    assert set(runs["right arm"].robots) == {"arm7", "arm6", "sawyer", "bimanual"} and runs["single arm"].robots == {}
    assert runs["right arm"].meanings == ("delta pose", "delta position", "joint offsets") and runs["left arm"].meanings == ()
    published = {run.name: run for run in paper().numbers.meanings()["action"]}
    assert published["right arm"].robots == {"panda": 7, "gr1": 7} and published["single arm"].robots == {"franka": 8}
    assert [name for name, run in published.items() if run.meanings] == ["right arm"]
    states = {run.name: run for run in SPACE.meanings()["state"]}
    assert len(states["end effector"].robots) == 3 and all(run.meanings == () for run in states.values()), "a state slot has one meaning"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: UnifiedSpace((RobotSlots("a", (0, 0), (1,)),)), "different"),
        (lambda: UnifiedSpace((RobotSlots("a", (40,), (1,)),)), "below the width 37"),
        (lambda: UnifiedSpace((RobotSlots("a", (1,), (1,)), RobotSlots("a", (2,), (2,)))), "twice"),
        (lambda: UnifiedSpace(action_width=0), "action_width is 0"),
        (lambda: RobotSlots("a", (0,), (0,), least=-0.1), "RobotSlots.least is -0.1"),
        (lambda: RobotSlots("a", (0,), (0,), clip=-0.1), "RobotSlots.clip is -0.1"),
        (lambda: RobotSlots("a", (1,), (1,), angles=((0, 1), (1,))), "robot 'a': RobotSlots.angles"),
        (lambda: RobotSlots("a", (1,), (1,), relative=((-1, 0),)), "robot 'a': RobotSlots.relative"),
        (lambda: replace(SPACE, robots=(replace(ARM7, angles=((0, 99),)),)).of("arm7", *SPECS["arm7"]), r"'arm7'.*angles names state dims \[99\]"),
        (lambda: replace(SPACE, robots=(replace(ARM7, relative=((7, 0),)),)).of("arm7", *SPECS["arm7"]), r"'arm7'.*relative has pairs.*\(7, 0\)"),
        (lambda: UnifiedSpace((RobotSlots("arm7", (1,), (1,)),)).of("arm7", *SPECS["arm7"]), "7 action dims"),
        (lambda: Split((Part((0, 2)), Part((2,)))), "into one part"),
    ],
)
def test_slots_that_cannot_be_are_refused(make, says):
    with pytest.raises(ConfigError, match=says):
        make()


def test_a_robot_that_tells_no_state_leaves_all_state_slots_at_zero():
    action, state = SPECS["sawyer"][0], StateSpec(())
    numbers = SPACE.joined([("stateless", action, state)]).of("stateless", action, state)
    actions, none = _moving(action, 300, 1), np.zeros((300, 0), np.float32)
    fitted = numbers.fitted(actions, none, [100] * 3, 15)
    np.testing.assert_allclose(fitted.action_inverse(fitted.action_forward(actions, none), none), actions, atol=2e-6)
    assert not fitted.state_forward(none).any() and fitted.state_inverse(fitted.state_forward(none)).shape == (300, 0)


def test_split_refuses_numbers_of_another_width():
    with pytest.raises(SpecMismatch, match="takes 2 numbers"):
        Split((Part((0, 1)),)).forward(np.zeros((3, 4), np.float32), None)


def test_split_fits_each_part_on_its_own_dims():
    values = np.stack([np.linspace(-3, 3, 200), np.linspace(0, 10, 200), np.linspace(-1, 1, 200)], axis=1).astype(np.float32)
    numbers = Numbers(action=(), state=(Split((Part((2,), (SinCos(),)), Part((0, 1), (Normalise("min_max"),)))), SlotMap((4, 5, 0, 2), 6)))
    fitted = numbers.fitted(np.zeros((200, 0), np.float32), values)
    told = fitted.state_forward(values)
    assert np.abs(told[:, [0, 2]]).max() <= 1 + 1e-6 and np.allclose(told[:, 4], np.sin(values[:, 2])) and (told[:, [1, 3]] == 0).all()


def test_a_batch_of_several_robots_marks_the_dims_that_each_has():
    numbers = {name: _fitted(name)[0] for name in ("arm7", "sawyer")}
    examples = []
    for name in ("arm7", "sawyer", "arm7"):
        action, state = SPECS[name]
        window = Window(_moving(state, 15, 3), _moving(action, 15, 4), np.ones(15, bool))
        examples.append(Example(Sample(embodiment=name, state=window.states[0], future=window), ""))
    batch = Collate(numbers, embodiments=("sawyer", "arm7"))(examples)
    assert batch.embodiment.tolist() == [1, 0, 1]
    assert batch.action_dims.sum(1).tolist() == [7, 4, 7]
    assert (batch.future.actions[~batch.action_dims[:, None].expand_as(batch.future.actions)] == 0).all()
    alone = Collate({"arm7": replace(numbers["arm7"], action=numbers["arm7"].action[:-1])})([examples[0]])
    assert alone.action_dims is None and alone.future.actions.shape[-1] == 7
    assert torch.isfinite(batch.future.states).all()
