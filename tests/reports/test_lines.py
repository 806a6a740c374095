"""What an epoch's lines say of time, with numbers that are worked by hand."""

from types import SimpleNamespace

import pytest

from pclhd_jax.reports.lines import Remaining, describe_waiting


def test_the_time_that_remains_is_that_of_the_latest_epochs_without_their_compilation():
    stages = {f"stage{stage}": SimpleNamespace(epochs=3) for stage in (1, 2)}
    remaining = Remaining(SimpleNamespace(**stages), epochs_done=0)

    def after(stage, steps, compilation):
        return remaining.after(stage, {"steps": steps, "save": 2.0}, {"compilation": compilation})

    # 40 + 2 - 32 = 10 s an epoch of stage 1; stage 2, before it was timed, 2.5 times that.
    assert after(1, 40.0, 32.0) == 2 * 10 + 3 * 25
    assert after(1, 10.0, 0.0) == 1 * 12 + 3 * 30  # the latest one counts
    assert after(1, 18.0, 0.0) == 3 * 50
    assert after(2, 90.0, 60.0) == 2 * 32
    assert after(2, 38.0, 0.0) == 40
    assert after(2, 38.0, 0.0) == 0


@pytest.mark.parametrize(
    "waiting, line",
    [
        ({"compilation": 0.0, "saves": 2.0, "pictures": 4.0}, "device waited 3 %"),
        ({"compilation": 0.0}, "device waited 0 %"),
        (
            {"compilation": 0.0, "saves": 10.0, "pictures": 0.9, "clustering": 30.0},
            "device waited 20 % (clustering 15 %, saves 5 %)",
        ),
    ],
)
def test_the_line_says_for_what_the_device_waited_where_it_is_much(waiting, line):
    assert describe_waiting(200.0, waiting) == line
