"""Seconds of compilation, by events with numbers that are worked by hand."""

from concurrent.futures import ThreadPoolExecutor

import jax
import pytest

from pclhd_jax.processes.compiling import seconds_compiling

TRACE = "/jax/core/compile/jaxpr_trace_duration"
BACKEND = "/jax/core/compile/backend_compile_duration"


def test_what_is_compiled_within_something_else_counts_once():
    events = {
        TRACE: (3.0, 1.0, 10.0),  # the last began before the others
        "/jax/compilation_cache/compile_time_saved_sec": (7.0,),  # took no time
        BACKEND: (2.0,),
    }
    before = seconds_compiling()
    with ThreadPoolExecutor(1) as thread:  # one that has compiled nothing yet
        for event, durations in events.items():
            for seconds in durations:
                thread.submit(jax.monitoring.record_event_duration_secs, event, seconds).result()
    assert seconds_compiling() - before == pytest.approx(12)


def test_jax_tells_of_what_it_compiles():
    before = seconds_compiling()
    jax.jit(lambda x: x * 3 + 1)(jax.numpy.ones(7))
    assert seconds_compiling() > before
