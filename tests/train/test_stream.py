import threading
import time

import pytest
import torch
from micro_training import micro_batch, micro_model

from praxia.data.mixture import MicroBatch
from praxia.train.stream import Prefetch, prepare, split


def test_prefetch_keeps_order_and_stays_at_most_its_depth_ahead():
    made = []

    def make(step: int) -> int:
        made.append(step)
        return step * step

    with Prefetch(make, 5, 2) as items:
        assert [items.next() for _ in range(6)] == [25, 36, 49, 64, 81, 100]
        time.sleep(0.3)
        assert made[-1] <= 10 + 3
    assert not any(t.name == "prefetch" for t in threading.enumerate())


def test_an_error_while_preparing_reaches_the_loop_at_its_step():
    def make(step: int) -> int:
        if step == 2:
            raise ValueError("bad record")
        return step

    with Prefetch(make, 0, 8) as items:
        assert [items.next(), items.next()] == [0, 1]
        with pytest.raises(ValueError, match="bad record"):
            items.next()


def test_pieces_of_a_batch_are_its_rows_in_order():
    batch = micro_batch(1, 7)
    pieces = split(batch, 3, 7)
    assert [p.size for p in pieces] == [2, 2, 3]
    for read in (lambda b: b.views.images[0], lambda b: b.target.valid, lambda b: b.future.actions, lambda b: b.sample_index):
        assert torch.equal(torch.cat([read(p) for p in pieces]), read(batch))
    assert len(split(batch, 20, 7)) == 7


def test_draws_depend_on_seed_stage_step_and_micro_batch_but_not_on_the_number_of_pieces():
    model, micro = micro_model(), MicroBatch(micro_batch(1), "action_chunk")

    def noise(micros, parts, *key):
        return torch.cat([p.draws.noise for p in prepare(model, micros, parts, False, *key)])

    first = noise([micro], 1, 0, "robot", 3)
    assert torch.equal(noise([micro], 3, 0, "robot", 3), first)
    others = [noise([micro], 1, *key) for key in ((1, "robot", 3), (0, "objects", 3), (0, "robot", 4))]
    second = noise([micro, micro], 1, 0, "robot", 3)
    assert torch.equal(second[: len(first)], first)
    assert not any(torch.equal(first, other) for other in [*others, second[len(first) :]])
