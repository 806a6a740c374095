"""How long the device waited, with numbers that are worked by hand."""

import jax
import pytest

from pclhd_jax.processes import compiling, waiting
from pclhd_jax.processes.waiting import Waiting


class Clock:
    now = 100.0

    def monotonic(self):
        return self.now


class Work:
    done = False

    def is_ready(self):
        return self.done


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(waiting, "time", clock)
    monkeypatch.setattr(compiling, "time", clock)
    monkeypatch.setattr(compiling, "_total", 0.0)
    monkeypatch.setattr(compiling._of_thread, "counted", [], raising=False)
    return clock


def test_counted_is_what_remains_of_a_wait_when_the_work_is_done(clock):
    waits, work = Waiting(), Work()
    waits.given({"loss": work})
    with waits.on("pictures"):
        clock.now += 3
        waits.look()  # at work still
        work.done = True
        clock.now += 1
        waits.look()
        clock.now += 2
    with waits.on("saves"):  # nothing is under way: all of it
        clock.now += 5
    clock.now += 50  # of which nothing is known
    with waits.on("clustering"):
        clock.now += 6
    waits.given([Work()])
    with waits.on("pictures"):  # the device has work all the time
        clock.now += 9
    assert waits.seconds() == {
        "compilation": 0.0,
        "pictures": 2.0,
        "saves": 5.0,
        "clustering": 6.0,
    }
    waits.start()
    assert waits.seconds() == {"compilation": 0.0}


def test_compilation_is_counted_once_wherever_it_falls(clock):
    waits = Waiting()
    with waits.on("clustering"):
        clock.now += 5  # two functions are traced within another: 3 s and 1 s of its 10
        compiling._add("/jax/core/compile/jaxpr_trace_duration", 3.0)
        clock.now += 2
        compiling._add("/jax/core/compile/jaxpr_trace_duration", 1.0)
        clock.now += 3
        compiling._add("/jax/core/compile/jaxpr_trace_duration", 10.0)
        clock.now += 7
        compiling._add("/jax/compilation_cache/compile_time_saved_sec", 7.0)
    clock.now += 2
    compiling._add("/jax/core/compile/backend_compile_duration", 2.0)
    assert waits.seconds() == {"compilation": 12.0, "clustering": 7.0}


def test_jax_tells_of_what_it_compiles():
    before = compiling.seconds_compiling()
    jax.jit(lambda x: x * 3 + 1)(jax.numpy.ones(7))
    assert compiling.seconds_compiling() > before
