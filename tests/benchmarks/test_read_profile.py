"""The table of a trace: its arithmetic by hand, and a real one."""

from types import SimpleNamespace as Named

import jax
import jax.numpy as jnp
import pytest

from benchmarks import read_profile
from benchmarks.read_profile import Op, Steps, report
from pclhd_jax.training.profile import Profile


def test_times_are_a_steps_and_an_operation_counts_without_those_within():
    ms = 1e6
    one = [
        Op("while", 0, 10 * ms),
        Op("add", 1 * ms, 3 * ms),
        Op("add", 3 * ms, 4 * ms),
        Op("dot", 12 * ms, 20 * ms),
    ]
    other = [Op("dot", 12 * ms, 16 * ms)]
    title, head, _, *rows = report(Steps(2, [one, other]), rows=2).splitlines()
    assert title == "2 steps, 10.0 ms each, busy 90 %"  # idle from 10 to 12 of 20
    assert head.split("  ")[0] == "operation"
    # 12 ms of dot, 7 of while, 3 of add: 22 in all.
    assert [row.split() for row in rows] == [
        ["dot", "1", "6.00", "54.5"],
        ["while", "0", "3.50", "31.8"],
        ["1", "other", "kinds", "1", "1.50", "13.6"],
    ]
    assert report(Steps(0, []), rows=2) == "no step, or no operation, in it"


def test_operations_of_a_device_go_before_those_that_the_host_names():
    def event(name, begin, **stats):
        return Named(name=name, start_ns=begin, duration_ns=5.0, stats=stats.items())

    def plane(name, *events):
        return Named(name=name, lines=[Named(events=events)])

    host = plane("/host:CPU", event("step", 0), event("launch", 1, hlo_op="dot.1"))
    device = plane("/device:GPU:0", event("kernel", 2, hlo_op="fusion.12.clone"), event("step", 0))
    assert read_profile.steps_of([host, device]) == (1, [[("fusion", 2, 7.0)]])
    graph = plane(
        "/device:GPU:0",
        event("input_reduce_fusion_230", 2, hlo_op="command_buffer_907"),
        event("void pad_kernel<float, 4>(int, int)", 9, hlo_op="command_buffer_907"),
    )
    kernels = [("input_reduce_fusion", 2, 7.0), ("pad_kernel", 9, 14.0)]
    assert read_profile.steps_of([host, graph]) == (1, [kernels])
    assert read_profile.steps_of([host]) == (1, [[("dot", 1, 6.0)]])


def test_a_trace_is_read_and_a_folder_without_one_refused(tmp_path, capsys):
    step = jax.jit(lambda x: jnp.tanh(x @ x) @ x)
    x = step(jnp.ones((64, 64)))
    with Profile(tmp_path).of(1, 3) as after_step:
        for i in range(3):
            with jax.profiler.StepTraceAnnotation("step", step_num=i):
                x = step(x)
            after_step(x)
    capsys.readouterr()
    read_profile.main([str(tmp_path)])
    title, head, _, *rows = capsys.readouterr().out.strip().splitlines()
    assert title.startswith("stage1: 1 steps, ") and head.startswith("operation")
    assert rows and not any(row.split()[0][-1].isdigit() for row in rows)
    with pytest.raises(SystemExit, match=r"no trace .* below .*empty; a run with --profile"):
        read_profile.main([str(tmp_path / "empty")])
