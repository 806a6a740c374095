"""The trace of some steps: which ones, and where it goes."""

import jax
import pytest

from pclhd_jax.training.profile import Profile


@pytest.fixture
def traced(monkeypatch):
    """[folder, steps done before, steps done at its end] of every trace."""
    traces, done = [], [0]
    monkeypatch.setattr(
        jax.profiler, "start_trace", lambda folder, profiler_options: traces.append([folder, *done])
    )
    monkeypatch.setattr(jax.profiler, "stop_trace", lambda: traces[-1].extend(done))

    def take(profile, stage, steps, fails_at=None):
        done[0] = 0
        with profile.of(stage, steps) as after_step:
            for _ in range(steps):
                if done[0] == fails_at:
                    raise FloatingPointError
                done[0] += 1
                after_step({"loss": 1.0})
        return traces

    return take


@pytest.mark.parametrize(
    "steps, first, last", [(24, 3, 13), (13, 3, 13), (8, 3, 8), (2, 1, 2), (1, 0, 1)]
)
def test_ten_steps_after_those_that_warm_up_or_what_there_is(traced, steps, first, last):
    assert traced(Profile("to"), 1, steps) == [["to/stage1", first, last]]


def test_each_stage_once_and_nothing_without_a_folder_or_a_step(traced):
    profile = Profile("to")
    assert traced(profile, 2, 0) == []
    for stage in (1, 1, 2, 2):
        traces = traced(profile, stage, 24)
    assert [trace[0] for trace in traces] == ["to/stage1", "to/stage2"]
    assert traced(Profile(), 1, 24) == traces


def test_a_trace_ends_with_the_steps_however_these_end(traced):
    profile = Profile("to")
    with pytest.raises(FloatingPointError):
        traced(profile, 1, 24, fails_at=5)
    assert traced(profile, 1, 24) == [["to/stage1", 3, 5]]


def test_each_of_several_processes_has_a_folder_of_its_own(traced, monkeypatch):
    monkeypatch.setattr("pclhd_jax.processes.exchange._count", 2)
    monkeypatch.setattr("pclhd_jax.processes.exchange._number", 1)
    assert traced(Profile("to"), 2, 24)[0][0] == "to/process-1/stage2"
