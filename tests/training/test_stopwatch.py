"""The parts of an epoch and what the devices waited for, with numbers that are worked by hand."""

import time
from concurrent.futures import ThreadPoolExecutor

import jax
import pytest

from pclhd_jax.training.stopwatch import Stopwatch


@pytest.fixture
def passes(monkeypatch):
    """Lets seconds pass."""
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])

    def wait(seconds):
        now[0] += seconds

    return wait


def compiled(seconds):
    event = "/jax/core/compile/backend_compile_duration"
    with ThreadPoolExecutor(1) as thread:  # one that has compiled nothing yet
        thread.submit(jax.monitoring.record_event_duration_secs, event, seconds).result()


def test_the_parts_are_all_of_the_epoch_and_the_hosts_are_waited_for(passes):
    watch = Stopwatch()
    for part, seconds in (("features", 5), ("clustering", 3), ("steps", 7), ("saves", 2)):
        passes(seconds)
        watch.lap(part)
    passes(4)
    watch.lap("steps")
    passes(1)
    watch.lap("saves")
    assert watch.seconds() == {"features": 5.0, "clustering": 3.0, "steps": 11.0, "saves": 3.0}
    assert watch.waiting() == {
        "compilation": 0.0,
        "pictures": 0.0,
        "clustering": 3.0,
        "records": 0.0,
        "saves": 3.0,
        "scoring": 0.0,
    }


def test_compilation_counts_once_wherever_it_falls(passes):
    watch = Stopwatch()
    passes(10)
    compiled(4)
    watch.lap("clustering")
    passes(3)
    compiled(2)
    watch.lap("steps")
    waiting = watch.waiting()
    assert watch.seconds() == {"clustering": 10.0, "steps": 3.0}
    assert (waiting["compilation"], waiting["clustering"]) == (6.0, 6.0)
    passes(5)
    compiled(1)
    watch.lap("saves")
    assert (watch.waiting()["compilation"], watch.waiting()["saves"]) == (7.0, 4.0)


def test_the_next_epoch_starts_from_zero(passes):
    watch = Stopwatch()
    passes(10)
    compiled(4)
    watch.lap("records")
    passes(50)
    watch.start()
    assert watch.seconds() == {} and set(watch.waiting().values()) == {0.0}
