"""Filming runs the judged episodes again; the contact sheet shows different instructions first."""

import numpy as np
import pytest

from praxia.data.sample import Sample
from praxia.data.supervision.supervision import Needs
from praxia.evaluate.plan import held_out_plan
from praxia.evaluate.rollout import Rules, Trial, rollout
from praxia.geometry.scene import View
from praxia.report.examples import examples_of
from praxia.report.film import film, worth_watching
from praxia.worlds.tabletop import Tabletop


class Sometimes:
    """The world's expert in episodes of even seed, nobody at all in the others."""

    def __init__(self, world: Tabletop):
        self.replan, self.metadata = 1, {}
        self.world, self.action_spec, self.state_spec, self.cameras = world, world.action_spec, world.state_spec, world.cameras

    def session(self, seed: int = 0) -> "Sometimes":
        return self

    def reset(self) -> None: ...

    def infer(self, observation) -> dict:
        idle = int(observation["episode_id"].split("/")[1]) % 2
        action = np.eye(self.action_spec.width)[-1] if idle else self.world.expert()  # the last number keeps the gripper open
        return {"actions": action[None]}


@pytest.fixture
def judged():
    world = Tabletop(split="benchmark", size=32, tasks=("press", "reach"))
    policy, plan, rules = Sometimes(world), held_out_plan("films", ("press", "reach"), 2), Rules(max_steps=60)
    yield world, policy, plan, rules, [rollout(world, policy, Trial(i, e, plan.policy_seed(i)), rules) for i, e in enumerate(plan.episodes)]
    world.close()


def test_a_success_and_a_failure_of_each_task_are_filmed_and_end_as_they_were_judged(judged):
    world, policy, plan, rules, records = judged
    chosen = worth_watching(records)
    assert [(r.task, r.success) for r in chosen] == [("press", True), ("press", False), ("reach", True), ("reach", False)]
    clips = tuple(film(world, policy, plan, chosen, rules))
    for record, clip in zip(chosen, clips, strict=True):
        assert (clip.task, clip.instruction, clip.success) == (record.task, record.told, record.success)
        assert len(clip.frames) == record.steps + 1  # the start, then every step
        assert clip.frames[0].shape == (32, 32 + 2 + 32, 3) and clip.views == ("head", "wrist")
    moved = [np.abs(clip.frames[0].astype(int) - clip.frames[-1]).mean() for clip in clips]
    assert moved[0] > 1 > moved[1]  # the expert moves the arm, nobody does not


class Pictures:
    """A source whose instruction and picture tell the episode."""

    def __init__(self, texts: list[str], frames: int):
        self.words, self.episodes = texts, np.repeat(np.arange(len(texts)), frames)

    def sample(self, index: int, needs: Needs) -> Sample:
        episode = int(self.episodes[index])
        first = index == 0 or self.episodes[index - 1] != episode
        view = View("head", np.full((4, 4, 3), episode if first else 255, np.uint8))
        return Sample(views=(view,) if needs.pictures else (), instruction=self.words[episode])


def test_a_contact_sheet_shows_first_pictures_and_different_instructions_first():
    source = Pictures(["a"] * 20 + ["b"] * 10 + ["c"], frames=5)
    sheet = examples_of(source, count=4)  # type: ignore[arg-type]
    assert {moment.text for moment in sheet} == {"a", "b", "c"} and len(sheet) == 4
    assert all(int(moment.views["head"][0, 0, 0]) < 31 for moment in sheet)


def test_a_small_dataset_is_shown_whole():
    assert [m.text for m in examples_of(Pictures(["a", "b"], 3), count=8)] == ["a", "b"]  # type: ignore[arg-type]
