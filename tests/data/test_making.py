"""Datasets made from a world: reproducible, resumable, and true to what the world did."""

import hashlib
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from little_world import LittleWorld, LookingBackWorld, PatientWorld

from praxia.data.lerobot.features import EXECUTED, FRESH
from praxia.data.lerobot.reader import LeRobotSource, Want
from praxia.data.lerobot.writer import work_folder
from praxia.data.making import DEMONSTRATION_SEEDS, make_dataset
from praxia.data.recording import ACTION, STATE, Recording, record_success
from praxia.data.recovery_noise import NoiseRun, RecoveryNoise
from praxia.errors import ConfigError, DataError
from praxia.files import write_json
from praxia.worlds.world import Episode

WORLD = "little_world:LittleWorld"
SETTINGS = {"episodes": 3, "seed": 5, "depth": True, "masks": True, "picture_every": 2, "progress": False}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory):
    return make_dataset(WORLD, root=tmp_path_factory.mktemp("made") / "little", workers=1, noise=RecoveryNoise(), **SETTINGS)


def digest(root: Path) -> dict[str, str]:
    return {str(p.relative_to(root)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(root.rglob("*")) if p.is_file()}


def test_one_worker_and_two_make_the_same_bytes(made, tmp_path):
    again = make_dataset(WORLD, root=tmp_path / "again", workers=2, noise=RecoveryNoise(), **SETTINGS)
    assert digest(again.root) == digest(made.root)


def test_a_killed_run_resumes_to_the_same_bytes(made, tmp_path):
    root = tmp_path / "resumed"
    run = multiprocessing.get_context("spawn").Process(target=_make_alone, args=(root,))
    run.start()
    shards = work_folder(root) / "shards"
    deadline = time.monotonic() + 30
    while not (shards.is_dir() and len(list(shards.glob("*/shard.json"))) >= 2):
        assert time.monotonic() < deadline and run.is_alive()
        time.sleep(0.005)
    workers = Path(f"/proc/{run.pid}/task/{run.pid}/children").read_text().split()
    os.kill(run.pid, signal.SIGKILL)
    run.join()
    while any(_alive(pid) for pid in workers):  # workers go when the run is gone
        assert time.monotonic() < deadline + 10
        time.sleep(0.1)
    assert not root.exists()
    resumed = make_dataset(WORLD, root=root, workers=1, noise=RecoveryNoise(), **SETTINGS)
    assert digest(resumed.root) == digest(made.root)
    assert not work_folder(root).exists()


def _alive(pid: str) -> bool:
    status = Path(f"/proc/{pid}/status")
    return status.exists() and "zombie" not in status.read_text()


def _make_alone(root: Path) -> None:
    make_dataset(WORLD, root=root, workers=1, noise=RecoveryNoise(), **SETTINGS)


def test_what_is_complete_is_not_made_again_and_other_settings_are_refused(made):
    same = make_dataset(WORLD, root=made.root, noise=RecoveryNoise(), **SETTINGS)
    assert (same.episodes, same.frames, same.seconds) == (made.episodes, made.frames, 0.0)
    with pytest.raises(DataError, match="seed"):
        make_dataset(WORLD, root=made.root, noise=RecoveryNoise(), **(SETTINGS | {"seed": 6}))


def test_a_request_that_made_nothing_leaves_the_folder_to_the_next(made, tmp_path):
    root = tmp_path / "again"
    with pytest.raises(ConfigError, match="unknown task 'greeen'"):
        make_dataset(WORLD, root=root, workers=1, tasks=("greeen",), noise=RecoveryNoise(), **SETTINGS)
    shards = work_folder(root) / "shards"
    shards.mkdir(parents=True)
    write_json(work_folder(root) / "plan.json", {"plan": "of another request"})
    write_json(shards / "000_00000.failed.json", {"attempts": 25})  # its failure is not ours
    assert digest(make_dataset(WORLD, root=root, workers=1, noise=RecoveryNoise(), **SETTINGS).root) == digest(made.root)


def test_every_row_tells_what_the_world_did(made):
    source, world = LeRobotSource(made.root), LittleWorld()
    assert sum(made.episodes.values()) == len(source.episodes) == 6 and made.frames == len(source)
    want = Want(horizon=4, depth=True, masks=True, objects=True, tool_horizon=2)
    for episode in (source.episodes[0], source.episodes[-1]):
        assert episode.fields["seed"] >= DEMONSTRATION_SEEDS and episode.fields["attempts"] >= 1 and episode.fields["success"]
        instruction = world.reset(Episode(episode.fields["task_name"], episode.fields["seed"]))
        sample, (view,) = source.sample_at(episode.start, want), world.render(depth=True, masks=True)
        seen = sample.views[0]
        assert sample.instruction == instruction and sample.target == world.truth().target
        assert np.array_equal(sample.state, world.state()) and np.array_equal(sample.future.actions[0], world.expert())
        assert np.abs(seen.image.astype(int) - view.image).mean() < 6
        known = view.depth < 60
        assert np.abs(seen.depth - view.depth)[known].max() <= 0.0005 + 1e-6
        assert np.array_equal(seen.mask, view.mask)
        assert np.allclose(seen.camera.K, view.camera.K, atol=1e-4) and np.allclose(seen.camera.T_base_cam, view.camera.T_base_cam, atol=1e-6)
        assert np.allclose(sample.tool_path["arm"][0], world.truth().T_base_tool["arm"], atol=1e-6)
        for ours, theirs in zip(sample.objects, world.truth().objects, strict=True):
            assert ours.name == theirs.name and ours.instance == theirs.instance
            assert np.allclose(ours.T_base_object, theirs.T_base_object, atol=1e-6) and np.allclose(ours.size, theirs.size, atol=1e-6)
    world.close()


def test_labels_stay_the_experts_while_noise_moves_the_robot(made):
    source = LeRobotSource(made.root)
    assert np.abs(source.actions).max() <= 0.05 + 1e-6
    pushed = (source.columns(EXECUTED) != source.actions).any(axis=1)
    assert 0.2 < pushed.mean() < 0.9
    rows = np.flatnonzero(source.columns("frame_index") > 0)
    followed = source.states[rows] - source.states[rows - 1]
    wished, done = source.actions[rows - 1], source.executed[rows - 1]
    assert (np.sum(followed * wished, axis=1) < 0).mean() > 0.02  # some steps went where the expert did not want to go
    assert (np.sum(followed * done, axis=1) < 0).mean() < 0.5 * (np.sum(followed * wished, axis=1) < 0).mean()


def test_labels_behind_a_push_are_not_valid_and_the_past_is_what_was_done(made):
    source = LeRobotSource(made.root)
    pushed = (source.columns(EXECUTED) != source.actions).any(axis=1)
    episode = source.columns("episode_index")
    for row in range(0, len(source), 3):
        sample = source.sample_at(row, Want(horizon=8, history=4, roles=()))
        ahead = np.arange(row, row + 8)
        inside = (ahead < len(source)) & (episode[np.minimum(ahead, len(source) - 1)] == episode[row])
        led_there = np.array([not pushed[row : row + k].any() for k in range(8)])
        assert np.array_equal(sample.future.valid, inside & led_there)
        assert np.array_equal(sample.future.actions[0], source.actions[row])
        behind = np.arange(row - 4, row)
        there = (behind >= 0) & (episode[behind] == episode[row])
        assert np.array_equal(sample.past.valid, there)
        assert np.array_equal(sample.past.actions[there], source.columns(EXECUTED)[behind[there]])


def test_pictures_are_repeated_between_looks_none_is_taken_in_a_push_and_training_starts_at_fresh_ones(made):
    source = LeRobotSource(made.root)
    fresh, frame = source.columns(FRESH), source.columns("frame_index")
    pushed = (source.columns(EXECUTED) != source.actions).any(axis=1)
    assert not (fresh & pushed & (frame > 0)).any() and fresh[frame == 0].all()
    freed = np.flatnonzero(pushed[:-1] & ~pushed[1:] & (frame[1:] > 0)) + 1
    assert len(freed) and fresh[freed].all()
    assert np.array_equal(source.rows(), np.flatnonzero(fresh & ~pushed))
    stale = np.flatnonzero(~fresh)
    for row in stale[:5]:
        assert np.array_equal(source.frame("observation.depth.head", row), source.frame("observation.depth.head", row - 1))
        assert np.array_equal(
            source.columns("observation.cameras.head.T_base_cam")[row], source.columns("observation.cameras.head.T_base_cam")[row - 1]
        )


def test_without_noise_a_picture_is_taken_at_every_second_step(tmp_path):
    source = LeRobotSource(make_dataset(WORLD, root=tmp_path / "clean", workers=1, **SETTINGS).root)
    assert np.array_equal(source.columns(FRESH), source.columns("frame_index") % 2 == 0) and EXECUTED not in source.info.features
    assert np.array_equal(source.rows(), np.flatnonzero(source.columns(FRESH)))


def test_still_scenes_are_the_first_steps_whatever_comes_of_them(tmp_path):
    scenes = make_dataset(WORLD, {"hopeless": 1}, root=tmp_path / "scenes", episodes=3, steps=1, workers=1, progress=False)
    source = LeRobotSource(scenes.root)
    assert len(source.rows()) == scenes.frames == sum(scenes.episodes.values()) == sum(scenes.attempts.values())  # one row each, none refused
    few = make_dataset(WORLD, root=tmp_path / "few", episodes=2, steps=3, workers=1, progress=False)
    assert {e.stop - e.start for e in LeRobotSource(few.root).episodes} == {3}


def test_given_seeds_are_used_once_each_and_failures_are_reported(tmp_path):
    made = make_dataset(
        WORLD, root=tmp_path / "seeds", tasks=["reach-blue"], seeds=(4, 5, 6, 7), world_kwargs={"hopeless": 5}, workers=1, progress=False
    )
    assert [e.fields["seed"] for e in LeRobotSource(made.root).episodes] == [4, 6, 7]
    assert made.episodes == {"reach-blue": 3} and made.attempts == {"reach-blue": 4}


def test_an_expert_that_never_succeeds_is_reported_by_name(tmp_path):
    with pytest.raises(DataError, match="reach-blue: the expert failed 25 times and never succeeded; use weaker noise"):
        make_dataset(WORLD, root=tmp_path / "no", tasks=["reach-blue"], episodes=1, world_kwargs={"hopeless": 1}, workers=1, progress=False)


def test_unknown_worlds_tasks_and_unusable_noise_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="module:callable"):
        make_dataset("no.such:World", root=tmp_path / "a", workers=1, progress=False)
    with pytest.raises(ConfigError, match="did you mean 'reach-blue'"):
        make_dataset(WORLD, root=tmp_path / "b", tasks=["reach-blu"], workers=1, progress=False)
    absolute = LittleWorld.action_spec.dims[0].__class__("q", "joint", "rad", low=-1.0, high=1.0)
    with pytest.raises(ConfigError, match="absolute"):
        RecoveryNoise().check(LittleWorld.action_spec.__class__((absolute,), 20.0))


def test_noise_is_a_burst_within_limits_and_spares_the_gripper():
    dim = LittleWorld.action_spec.dims[0].__class__
    spec = LittleWorld.action_spec.__class__(
        (dim("dx", "position", "m", "base", "delta", low=-1.0, high=1.0), dim("g", "gripper", sense="open_positive")), 20.0
    )
    run = NoiseRun(RecoveryNoise(start=0.1, start_first=0.0), spec, np.random.default_rng(0))
    expert = np.array([0.5, 0.7], np.float32)
    done = np.stack([run.executed(expert) for _ in range(2000)])
    moved = done[:, 0] != expert[0]
    assert not moved[0] and (done[:, 1] == expert[1]).all() and np.abs(done[:, 0]).max() <= 1.0
    lengths = np.diff(np.flatnonzero(np.diff(moved.astype(int))))[::2]
    assert lengths.min() >= 3 and 0.3 < moved.mean() < 0.7
    assert abs(done[moved, 0].mean() - 0.15) < 0.05


def test_a_first_burst_may_hold_the_gripper_and_no_later_one_does():
    dim = LittleWorld.action_spec.dims[0].__class__
    gripper = dim("g", "gripper", reference="absolute", sense="open_positive", low=0.0, high=1.0)
    spec = LittleWorld.action_spec.__class__((dim("dx", "position", "m", "base", "delta", low=-1.0, high=1.0), gripper), 20.0)
    noise, expert = RecoveryNoise(start=0.3, start_first=1.0, shortest=3, longest=3, gripper_first=1.0), np.array([0.5, 2.0], np.float32)
    held = []
    for seed in range(20):
        run = NoiseRun(noise, spec, np.random.default_rng(seed))
        done = np.stack([run.executed(expert) for _ in range(30)])
        assert len(set(done[:3, 1])) == 1 and (done[3:, 1] == 2.0).all()
        held.append(done[0, 1])
    assert 0 <= min(held) < 0.3 and 0.7 < max(held) <= 1
    with pytest.raises(ConfigError, match="gripper_first needs low and high limits of action dim 'g'"):
        noise.check(spec.__class__((dim("g", "gripper", sense="open_positive"),), 20.0))


def test_an_episode_goes_on_after_success_where_the_world_says_so():
    with closing(LittleWorld()) as little, closing(PatientWorld()) as patient:
        short = record_success(little, Episode("reach-blue", 3), Recording(RecoveryNoise()), (1,))
        long = record_success(patient, Episode("reach-blue", 3), Recording(RecoveryNoise()), (1,))
    assert short is not None and long is not None
    n = len(short.columns[STATE])
    assert len(long.columns[STATE]) == n + PatientWorld.release and long.fields["success"]
    for name, column in short.columns.items():
        assert np.array_equal(long.columns[name][:n], column), name
    assert np.array_equal(long.columns[EXECUTED][n:], long.columns[ACTION][n:])  # nobody is pushed after success


def test_tasks_without_an_expert_are_left_out_and_said(tmp_path):
    made = make_dataset("little_world:PatientWorld", root=tmp_path / "some", episodes=1, workers=1, progress=False)
    assert made.episodes == {"reach-blue": 1} and made.left_out == {"reach-green": "no skill for green things"}
    again = make_dataset("little_world:PatientWorld", root=tmp_path / "some", episodes=1, workers=1, progress=False)
    assert again.left_out == made.left_out
    with pytest.raises(ConfigError, match="no task has an expert .reach-green: no skill for green things"):
        make_dataset("little_world:PatientWorld", root=tmp_path / "none", tasks=("reach-green",), workers=1, progress=False)


def test_a_task_whose_expert_always_fails_is_left_out_and_one_that_has_succeeded_is_tried_for_longer(tmp_path):
    made = make_dataset("little_world:TiringWorld", root=tmp_path / "some", episodes=2, workers=1, progress=False)
    assert made.episodes == {"reach-blue": 2} and made.attempts == {"reach-blue": 32, "reach-green": 25}
    assert made.left_out == {"reach-green": "the expert failed 25 times and never succeeded"}
    again = make_dataset("little_world:TiringWorld", root=tmp_path / "some", episodes=2, workers=1, progress=False)
    assert (again.episodes, again.left_out) == (made.episodes, made.left_out) and len(LeRobotSource(made.root).episodes) == 2


def test_a_world_that_looks_back_is_drawn_once_it_has_succeeded():
    recording = Recording(RecoveryNoise(), picture_every=2, depth=True, masks=True)
    with closing(LittleWorld()) as little, closing(LookingBackWorld()) as world:
        at_once = record_success(little, Episode("reach-blue", 3), recording, (1,))
        later = record_success(world, Episode("reach-blue", 3), recording, (1,))
    assert at_once is not None and later is not None and world.drawn == at_once.columns[FRESH].sum()
    for name, column in at_once.columns.items():
        assert np.array_equal(later.columns[name], column), name
    for name, frames in at_once.frames.items():
        assert np.array_equal(np.stack(later.frames[name]), np.stack(frames))
    assert later.pictures == at_once.pictures
    hopeless = LookingBackWorld(hopeless=3)
    assert record_success(hopeless, Episode("reach-blue", 3), recording, (1,)) is None and not hopeless.drawn


def test_a_script_that_works_as_it_is_imported_is_told_so_in_place_of_waiting_for_itself(tmp_path):
    script = tmp_path / "mine.py"
    script.write_text(
        "from praxia.data.demonstrations import Demonstrations\n"
        "Demonstrations('tabletop', ('reach',), episodes=1, seed=99, world_args={'split': 'base', 'size': 32}).open()\n"
    )
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode and 'put what it does under `if __name__ == "__main__":`' in done.stderr
