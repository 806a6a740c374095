"""Seconds of compilation, by events with numbers that are worked by hand."""

import jax
import pytest

from pclhd_jax.processes.compiling import seconds_compiling

TRACE = "/jax/core/compile/jaxpr_trace_duration"
BACKEND = "/jax/core/compile/backend_compile_duration"


def test_what_is_compiled_within_something_else_counts_once():
    before = seconds_compiling()
    tell = jax.monitoring.record_event_duration_secs
    for event, seconds in (
        (TRACE, 3.0),  # within the third
        (TRACE, 1.0),  # within the third
        (TRACE, 10.0),
        ("/jax/compilation_cache/compile_time_saved_sec", 7.0),  # took no time
        (BACKEND, 2.0),
    ):
        tell(event, seconds)
    assert seconds_compiling() - before == pytest.approx(12)


def test_jax_tells_of_what_it_compiles():
    before = seconds_compiling()
    jax.jit(lambda x: x * 3 + 1)(jax.numpy.ones(7))
    assert seconds_compiling() > before
