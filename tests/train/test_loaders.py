"""Loaders make the very steps of the stream, in other processes, and what goes wrong there is said here."""

import os
import signal
from dataclasses import fields

import numpy as np
import pytest
import torch
from micro_training import MicroStream

from praxia.data.collate import Collate
from praxia.data.lerobot.reader import LeRobotSource
from praxia.data.mixture import Entry, Mixture
from praxia.data.numbers import Numbers
from praxia.data.recorded import Recorded, RecordedSource
from praxia.data.sample_transforms import RandomShift
from praxia.data.supervision import ActionChunk
from praxia.errors import ConfigError, DataError
from praxia.train.loaders import Loaders


class Traced(MicroStream):
    """Notes who made a step; step 3 cannot be made, every other one meets a bad record."""

    def step(self, step):
        if step == 3:
            raise DataError("video 7 is cut short")
        if step % 2:
            self.bad[f"episode {step}"] = "no picture"
        actions, answers = super().step(step)
        actions.batch.state[0, 0] = os.getpid()
        return [actions, answers]


def tensors(value):
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, list | tuple):
        return [t for v in value for t in tensors(v)]
    return [t for f in fields(value) for t in tensors(getattr(value, f.name))] if hasattr(value, "__dataclass_fields__") else []


@pytest.mark.parametrize("count", [0, 1, 2])
def test_steps_are_those_of_the_stream_in_any_order(count):
    with Loaders(MicroStream(), count) as loaders:
        for step in (0, 1, 2, 7, 8, 3):
            ours, theirs = tensors(loaders.step(step)), tensors(MicroStream().step(step))
            assert len(ours) == len(theirs) > 10
            assert all(torch.equal(a.nan_to_num(), b.nan_to_num()) and a.dtype == b.dtype for a, b in zip(ours, theirs, strict=True))


def test_steps_are_made_elsewhere_and_errors_and_bad_records_come_back():
    stream = Traced()
    with Loaders(stream, 1) as loaders:
        makers = {int(loaders.step(step)[0].batch.state[0, 0]) for step in range(3)}
        assert len(makers) == 1 and os.getpid() not in makers
        assert stream.bad["episode 1"] == "no picture"
        with pytest.raises(DataError, match="video 7 is cut short"):
            loaders.step(3)
        (maker,) = makers
        os.kill(maker, signal.SIGTERM)  # what stops the loop does not stop its loaders before it has saved
        assert int(loaders.step(4)[0].batch.state[0, 0]) == maker
    with pytest.raises(ProcessLookupError):
        os.kill(maker, 0)


class Large(MicroStream):
    """Steps larger than a pipe holds; the first place of each says who made it."""

    def step(self, step):
        return [int(os.getpid()), torch.full((2**20,), float(step))]


def test_a_loader_that_dies_is_named_and_the_others_go_with_it():
    with Loaders(Large(), 2) as loaders:
        makers = [loaders.step(step)[0] for step in range(4)]
        assert makers[0] == makers[2] != makers[1] == makers[3]
        os.kill(makers[0], signal.SIGKILL)
        with pytest.raises(DataError, match="process that makes batches died"):
            for step in range(4, 9):
                assert torch.equal(loaders.step(step)[1], Large().step(step)[1])
    for maker in makers[:2]:
        with pytest.raises(ProcessLookupError):
            os.kill(maker, 0)


class Odd(Exception):
    def __init__(self, one, two):
        super().__init__(f"{one} and {two}")


def test_faults_of_any_kind_come_back_with_their_traceback():
    class Faulty(MicroStream):
        def step(self, step):
            raise ZeroDivisionError("no samples") if step else Odd("this", "that")

    with Loaders(Faulty(), 1) as loaders:
        with pytest.raises(RuntimeError, match="(?s)Traceback.*this and that"):
            loaders.step(0)
        with pytest.raises(ZeroDivisionError, match="no samples") as caught:
            loaders.step(1)
        assert "in a loader" in caught.value.__notes__[0] and "def step" not in str(caught.value)


@pytest.mark.parametrize("store", [True, False])
def test_loaders_of_a_recorded_dataset_read_what_this_process_reads_after_it_has_read_itself(tabletop_data, store):
    source = RecordedSource(Recorded(str(tabletop_data)))
    source._source = LeRobotSource(tabletop_data, store=store)
    collate = Collate({"arm7": Numbers().fitted(*source.numbers())})
    rows = np.arange(len(source))
    mixture = Mixture([Entry(source, rows, ActionChunk(4), (RandomShift(),), 1.0)], collate, batch=5, seed=3)
    before = [tensors(mixture.step(step)) for step in range(4)]  # videos are open here
    with Loaders(mixture, 2) as loaders:
        for step in range(4):
            here, there = tensors(mixture.step(step)), tensors(loaders.step(step))
            for a, b, c in zip(before[step], here, there, strict=True):
                assert torch.equal(a.nan_to_num(), c.nan_to_num()) and torch.equal(b.nan_to_num(), c.nan_to_num())
    assert not mixture.bad


def test_fewer_than_none_is_refused():
    with pytest.raises(ConfigError, match="loaders is -1"):
        Loaders(MicroStream(), -1)


def test_without_loaders_every_step_is_made_here():
    with Loaders(Traced(), 0) as loaders:
        assert int(loaders.step(0)[0].batch.state[0, 0]) == os.getpid()
