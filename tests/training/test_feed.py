"""Batches come in order, and the seconds count in which the devices had no work left."""

import threading
import time

import numpy as np
import pytest

from pclhd_jax.processes.mesh import make_mesh
from pclhd_jax.training.feed import Feed, seconds_without_batch

PAUSE_S = 0.05


class Work:
    """A result that is there when `done` says so."""

    def __init__(self):
        self.asked, self.found_done, self.done = threading.Event(), threading.Event(), False

    def is_ready(self):
        self.asked.set()
        if self.done:
            self.found_done.set()
        return self.done


def batch(number):
    return np.full((2, 3), number)


def test_batches_come_in_order_on_all_devices():
    mesh = make_mesh()
    with Feed(mesh, map(batch, range(4))) as feed:
        placed = list(feed)
    assert [int(x[0, 0]) for x in placed] == [0, 1, 2, 3]
    assert all(x.sharding.device_set == set(mesh.devices.flat) for x in placed)


def test_waiting_counts_from_the_end_of_the_work_to_the_next_batch():
    work, done_at = Work(), []

    def batches():
        yield batch(0)
        work.asked.wait()
        time.sleep(PAUSE_S)
        done_at.append(time.monotonic())
        work.done = True
        work.found_done.wait()
        time.sleep(PAUSE_S)
        yield batch(1)

    with Feed(make_mesh(), batches(), ahead=1) as feed:
        ahead = iter(feed)
        next(ahead)
        feed.given({"loss": work})
        before = seconds_without_batch()
        next(ahead)
        waited, most = seconds_without_batch() - before, time.monotonic() - done_at[0]
    assert PAUSE_S * 0.9 < waited <= most


def test_nothing_counts_while_the_devices_work():
    def batches():
        yield batch(0)
        time.sleep(PAUSE_S)
        yield batch(1)

    with Feed(make_mesh(), batches()) as feed:
        ahead = iter(feed)
        next(ahead)
        feed.given([Work()])
        before = seconds_without_batch()
        next(ahead)
        assert seconds_without_batch() == before


def test_the_first_batch_is_waited_for():
    def batches():
        time.sleep(PAUSE_S)
        yield batch(0)

    before = seconds_without_batch()
    with Feed(make_mesh(), batches()) as feed:
        next(iter(feed))
    assert seconds_without_batch() - before > PAUSE_S * 0.9


def test_an_error_of_the_batches_is_raised_in_the_loop():
    def batches():
        yield batch(0)
        raise OSError("a disk that went away")

    with pytest.raises(OSError, match="went away"), Feed(make_mesh(), batches()) as feed:
        list(feed)
