"""Loaders make the very steps of the stream, in other processes, and what goes wrong there is said here."""

import os
import signal
from dataclasses import fields

import pytest
import torch
from micro_training import MicroStream

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
    with Loaders(MicroStream(), count, 2) as loaders:
        for step in (0, 1, 2, 7, 8, 3):
            ours, theirs = tensors(loaders.step(step)), tensors(MicroStream().step(step))
            assert len(ours) == len(theirs) > 10
            assert all(torch.equal(a.nan_to_num(), b.nan_to_num()) and a.dtype == b.dtype for a, b in zip(ours, theirs, strict=True))


def test_steps_are_made_elsewhere_and_errors_and_bad_records_come_back():
    stream = Traced()
    with Loaders(stream, 1, 3) as loaders:
        makers = {int(loaders.step(step)[0].batch.state[0, 0]) for step in range(3)}
        assert len(makers) == 1 and os.getpid() not in makers
        assert stream.bad["episode 1"] == "no picture"
        with pytest.raises(DataError, match="video 7 is cut short"):
            loaders.step(3)
        (maker,) = makers
        os.kill(maker, signal.SIGTERM)  # what stops the loop does not stop its loaders before it has saved
        assert int(loaders.step(4)[0].batch.state[0, 0]) == maker
        os.kill(maker, signal.SIGKILL)
        with pytest.raises(DataError, match="process that makes batches died"):
            for step in range(5, 30):
                loaders.step(step)
    with pytest.raises(ProcessLookupError):
        os.kill(maker, 0)


def test_fewer_than_none_is_refused():
    with pytest.raises(ConfigError, match="loaders is -1"):
        Loaders(MicroStream(), -1, 3)


def test_without_loaders_every_step_is_made_here():
    with Loaders(Traced(), 0, 3) as loaders:
        assert int(loaders.step(0)[0].batch.state[0, 0]) == os.getpid()
