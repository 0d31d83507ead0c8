"""Number transforms: what the loader does the policy undoes, with the same objects; misuse is refused with the fix."""

import json

import numpy as np
import pytest

from praxia.data.number_transforms import GripperSense, Normalise, Part, Quaternion, RelativeToState, SinCos, SlotMap, Split
from praxia.data.numbers import Numbers
from praxia.errors import ConfigError, SpecMismatch
from praxia.registry import from_json, to_json


def rows(rng: np.random.Generator, n: int = 400, width: int = 5) -> np.ndarray:
    """Dims of very different centre and spread."""
    return (rng.normal(size=(n, width)) * 10.0 ** rng.uniform(-3, 2, width) + rng.normal(size=width) * 5).astype(np.float32)


def numbers_of_every_kind() -> list[Numbers]:
    angles, slots = (SinCos(),), (Normalise(), SlotMap((4, 0, 7, 2, 9), 12))
    return [
        Numbers(),
        Numbers((Normalise("min_max"),), (Normalise("mean_std"),)),
        Numbers((GripperSense(4), Normalise("mean_std")), angles),
        Numbers(slots, (*slots, Normalise("min_max"))),
        Numbers((RelativeToState(((0, 1), (3, 2))), Normalise("quantile"))),
        Numbers((Split((Part((0, 1, 2, 3, 4), (GripperSense(0), Normalise("mean_std"))),)),)),
        Numbers((RelativeToState(((2, 2),)), GripperSense(1, -1.0, 1.0), Normalise("min_max"), SlotMap((0, 1, 2, 3, 4), 8)), angles),
    ]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("numbers", numbers_of_every_kind())
def test_what_the_loader_does_the_policy_undoes(numbers, seed):
    rng = np.random.default_rng(seed)
    actions, states = rows(rng), np.clip(rows(rng), -3, 3)  # within (-pi, pi], where angles are unique
    fitted = numbers.fitted(actions, states, [250, 150], horizon=8)
    chunk, state = actions[:16], states[3]
    again = fitted.action_inverse(fitted.action_forward(chunk, state), state)
    assert np.allclose(again, chunk, rtol=1e-5, atol=1e-4) and again.dtype == np.float32
    assert np.allclose(fitted.state_inverse(fitted.state_forward(states)), states, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("numbers", numbers_of_every_kind())
def test_after_json_they_give_the_same_bits(numbers):
    rng = np.random.default_rng(0)
    actions, states = rows(rng), rows(rng)
    fitted = numbers.fitted(actions, states, [400], horizon=4)
    saved = from_json(json.loads(json.dumps(to_json(fitted))))
    assert saved == fitted
    assert np.array_equal(saved.action_forward(actions[:9], states[0]), fitted.action_forward(actions[:9], states[0]))
    assert np.array_equal(saved.action_inverse(saved.action_forward(actions[:9], states[0]), states[0]),
                          fitted.action_inverse(fitted.action_forward(actions[:9], states[0]), states[0]))  # fmt: skip


@pytest.mark.parametrize("numbers", numbers_of_every_kind())
def test_a_batch_is_transformed_as_its_samples_are(numbers):
    rng = np.random.default_rng(1)
    actions, states = rows(rng), rows(rng)
    fitted = numbers.fitted(actions, states, [400], horizon=4)
    chunks, anchors = actions.reshape(50, 8, 5), states[::8]
    one_by_one = np.stack([fitted.action_forward(c, s) for c, s in zip(chunks, anchors, strict=True)])
    assert np.array_equal(fitted.action_forward(chunks, anchors), one_by_one)
    assert np.array_equal(fitted.action_inverse(one_by_one, anchors), np.stack([fitted.action_inverse(c, s) for c, s in zip(one_by_one, anchors)]))


def test_quantiles_min_max_and_moments_mean_what_their_names_say():
    values = rows(np.random.default_rng(2), 5000)
    fitted = [Numbers((Normalise(mode),)).fitted(values, values) for mode in ("quantile", "min_max", "mean_std")]
    quantile, range_, score = (numbers.action_forward(values, None) for numbers in fitted)
    assert np.allclose(np.quantile(quantile, [0.01, 0.99], axis=0), [[-1] * 5, [1] * 5], atol=1e-3)
    assert np.allclose([range_.min(0), range_.max(0)], [[-1] * 5, [1] * 5], atol=1e-4)
    assert np.allclose(score.mean(0), 0, atol=1e-3) and np.allclose(score.std(0), 1, atol=1e-3)


@pytest.mark.parametrize("mode", ["quantile", "min_max", "mean_std"])
def test_a_dim_that_never_moves_stays_finite_and_comes_back_exactly(mode):
    values = rows(np.random.default_rng(3))
    values[:, 2] = 0.7
    fitted = Numbers((Normalise(mode),)).fitted(values, values)
    normalised = fitted.action_forward(values, None)
    assert np.abs(normalised[:, 2]).max() < 1e-6 and (fitted.action_inverse(normalised, None)[:, 2] == np.float32(0.7)).all()
    moved = values[:3].copy()
    moved[:, 2] = 0.8  # a test robot may move it
    assert np.allclose(fitted.action_forward(moved, None)[:, 2], 0.1, atol=1e-5)


def test_a_number_far_outside_training_is_held_at_the_clip():
    values = np.random.default_rng(0).uniform(-0.001, 0.001, (100, 2)).astype(np.float32)
    held = Numbers((Normalise(clip=1.2),)).fitted(values, values)
    far = np.array([[0.3, 0.0]], np.float32)
    assert Numbers((Normalise(),)).fitted(values, values).action_forward(far, None)[0, 0] > 100
    assert held.action_forward(far, None)[0, 0] == np.float32(1.2) and abs(held.action_forward(far, None)[0, 1]) < 0.2
    assert held.action_inverse(np.array([[3.0, 0.0]], np.float32), None)[0, 0] == pytest.approx(0.003, rel=0.1), "what a model says is not clipped"
    with pytest.raises(ConfigError, match="clip is -1"):
        Normalise(clip=-1)


def test_a_dim_that_moves_once_in_a_thousand_rows_is_not_blown_up():
    values = np.zeros((5000, 1), np.float32)
    values[:5] = 1.0
    assert np.abs(Numbers().fitted(values, values).action_forward(values, None)).max() == 1.0


@pytest.mark.parametrize("mode", ["quantile", "min_max", "mean_std"])
def test_jitter_of_a_hardly_used_dim_is_not_blown_up(mode):
    values = rows(np.random.default_rng(3))
    values[:, 1] *= 1e-3 / np.abs(values[:, 1]).max()
    values[:, 2] = 0.7
    free, held = (Numbers((Normalise(mode, least=least),)).fitted(values, values) for least in (0.0, 0.02))
    assert np.abs(held.action_forward(values, None)[:, 1]).max() <= 0.1 < np.abs(free.action_forward(values, None)[:, 1]).max()
    assert held.action[0].scale[2] == 1.0 and held.action[0].scale[3] == free.action[0].scale[3]
    assert np.allclose(held.action_inverse(held.action_forward(values, None), None), values, atol=1e-5)
    with pytest.raises(ConfigError, match="least is -1"):
        Normalise(least=-1)


def test_slots_hold_exactly_the_robots_numbers_and_nothing_else():
    slots = SlotMap((4, 0, 7), 9)
    values = rows(np.random.default_rng(4), 20, 3)
    wide = slots.forward(values, None)
    assert wide.shape == (20, 9) and np.array_equal(wide[:, [4, 0, 7]], values)
    assert not np.delete(wide, [4, 0, 7], axis=1).any() and np.array_equal(slots.inverse(wide, None), values)


def test_a_slot_map_without_slots_takes_the_dims_in_their_order():
    values = rows(np.random.default_rng(4), 20, 3)
    numbers = Numbers((Normalise("mean_std"), SlotMap(width=32)), ()).fitted(values, values)
    assert numbers.action[1].slots == (0, 1, 2) and numbers.action_forward(values, None).shape == (20, 32)
    with pytest.raises(ConfigError, match="no slots yet"):
        SlotMap(width=32).forward(values, None)
    with pytest.raises(ConfigError, match="below width 2"):
        Numbers((SlotMap(width=2),)).fitted(values, values)


def test_relative_actions_are_offsets_from_the_anchor_and_are_fitted_over_whole_chunks():
    steps = np.arange(60, dtype=np.float32)[:, None]
    actions, states = steps + 1, steps  # the target is always one step ahead of the state
    numbers = Numbers((RelativeToState(((0, 0),)), Normalise("min_max"))).fitted(actions, states, [40, 20], horizon=10)
    assert numbers.action[1].centre == (5.5,) and numbers.action[1].scale == (4.5,)  # offsets run from 1 to 10, never across episodes
    assert np.allclose(numbers.action_forward(actions[5:15], states[5])[[0, -1], 0], [-1, 1])


def test_a_robot_without_proprioception_has_empty_states():
    actions, states = rows(np.random.default_rng(5)), np.zeros((400, 0), np.float32)
    fitted = Numbers().fitted(actions, states)
    assert fitted.state_forward(states[:7]).shape == (7, 0)


def test_misuse_is_refused_with_the_fix():
    values, state = np.zeros((4, 3), np.float32), np.zeros(2, np.float32)
    with pytest.raises(ConfigError, match="call fitted"):
        Normalise().forward(values, None)
    with pytest.raises(SpecMismatch, match="fitted on 2 dims, the values have 3"):
        Normalise(centre=(0.0, 0.0), scale=(1.0, 1.0)).inverse(values, None)
    with pytest.raises(ConfigError, match="one scale other than 0"):
        Normalise(centre=(0.0, 1.0), scale=(1.0, 0.0))
    with pytest.raises(ConfigError, match="needs the state"):
        RelativeToState(((0, 0),)).forward(values, None)
    with pytest.raises(SpecMismatch, match=r"pairs .* \(1, 2\): actions have 3 dims, states 2"):
        RelativeToState(((0, 0), (1, 2))).forward(values, state)
    with pytest.raises(ConfigError, match="put it first"):
        Numbers((Normalise(), RelativeToState(((0, 0),))))
    with pytest.raises(ConfigError, match="into Numbers.action"):
        Numbers(state=(RelativeToState(((0, 0),)),))
    with pytest.raises(SpecMismatch, match="even number"):
        SinCos().inverse(values, None)
    for slots in ((0, 0, 1), (0, 1, 5), (-1, 0, 1)):
        with pytest.raises(ConfigError, match="different and below width 5"):
            SlotMap(slots, 5)
    with pytest.raises(SpecMismatch, match="slots for 2 dims, the values have 3"):
        SlotMap((0, 1), 5).forward(values, None)
    with pytest.raises(SpecMismatch, match="5 wide, the values have 3"):
        SlotMap((0, 1), 5).inverse(values, None)
    with pytest.raises(SpecMismatch, match="flips dim 3, the values have dims 0 to 2"):
        GripperSense(3).forward(values, None)


def turning(rng: np.random.Generator, steps: int) -> np.ndarray:
    """Quaternions (w, x, y, z) of a smooth turn by more than one revolution, each written as q or -q by chance, float32 [steps, 4]."""
    angle, axis = np.linspace(-2.0, 6.0, steps) / 2, np.array([0.6, 0.0, 0.8])
    q = np.concatenate([np.cos(angle)[:, None], np.sin(angle)[:, None] * axis], axis=1)
    return (q * rng.choice([-1, 1], size=(steps, 1))).astype(np.float32)


@pytest.mark.parametrize("w_last", [False, True])
def test_a_turn_written_with_either_sign_is_one_smooth_way_of_the_same_rotations(w_last):
    rng = np.random.default_rng(0)
    q = turning(rng, 64)
    order = [1, 2, 3, 0] if w_last else [0, 1, 2, 3]
    values = np.concatenate([rng.normal(size=(64, 3)).astype(np.float32), q[:, order], np.ones((64, 1), np.float32)], axis=1)
    transform = Quaternion(3, w_last)
    chunks = values.reshape(4, 16, 8)
    out = transform.forward(chunks, None)
    found = out[..., 3:7][..., np.argsort(order)]
    assert (found[:, 0, 0] >= 0).all() and np.abs(np.diff(found, axis=1)).max() < 0.1
    assert np.array_equal(np.abs(out), np.abs(chunks)), "a sign is all that changes"
    assert np.array_equal(out[..., [0, 1, 2, 7]], chunks[..., [0, 1, 2, 7]])
    assert np.array_equal(transform.forward(chunks[2], None), out[2]), "a chunk does not depend on those beside it"
    rows = Quaternion(3, w_last, continuous=False).forward(values, None)
    assert (rows[:, 6 if w_last else 3] >= 0).all()
    back = transform.inverse(1.7 * out, None)[..., 3:7]
    assert np.allclose(np.linalg.norm(back, axis=-1), 1, atol=1e-6) and np.allclose(back, out[..., 3:7], atol=1e-5)


def test_statistics_of_quaternions_are_those_of_rows_and_their_misuse_is_named():
    q = turning(np.random.default_rng(1), 400)
    fitted = Numbers((Quaternion(0), Normalise("min_max")), (Normalise("min_max"),)).fitted(q, q, [400], horizon=8)
    chunk = fitted.action_forward(q[100:108], q[100])
    assert np.abs(np.diff(chunk, axis=0)).max() < 0.2
    assert np.allclose(np.abs(fitted.action_inverse(chunk, q[100])), np.abs(q[100:108]), atol=1e-5)
    assert fitted.action[1].centre[0] > 0.4, "w of rows is never negative"
    split = Split((Part((0, 1, 2, 3), (Quaternion(0), Normalise("min_max"))),))
    assert Numbers((split,)).fitted(q, q, [400], horizon=8).action[0].parts[0].transforms[1].centre[0] > 0.4
    with pytest.raises(ConfigError, match=r"Numbers.state has Quaternion\(continuous=True\).*set continuous=False"):
        Numbers(state=(Quaternion(0),))
    with pytest.raises(ConfigError, match=r"Numbers.state has Quaternion\(continuous=True\)"):
        Numbers(state=(Split((Part((0, 1, 2, 3), (Quaternion(0),)),)),))
    with pytest.raises(ConfigError, match="Numbers.action has Quaternion after Normalise.*put it first"):
        Numbers((Normalise(), Quaternion(0)))
    with pytest.raises(SpecMismatch, match="Quaternion takes dims 5 to 8, the values have dims 0 to 6"):
        Quaternion(5).forward(np.zeros(7, np.float32), None)
