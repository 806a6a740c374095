"""What is written behind the run: in order, all of it, and what fails is told."""

import signal
import threading
import time
from functools import partial

import numpy as np
import pytest

from pclhd_jax.processes.mesh import make_mesh
from pclhd_jax.processes.signals import Interrupted
from pclhd_jax.reports.records import read_records
from pclhd_jax.saving.checkpoints import Checkpoints
from pclhd_jax.saving.write_behind import WriteBehind
from pclhd_jax.settings.schedule import When
from pclhd_jax.training import train
from pclhd_jax.training.services import Services
from pclhd_jax.training.step_loop import EpochSoFar
from pclhd_jax.training.unfinished import Unfinished
from tests.helpers.finished_run import assert_same_end
from tests.helpers.orbax_alone import before_each_save
from tests.helpers.states import assert_same_bits
from tests.helpers.tiny import tiny_config


def fail():
    raise OSError("no room")


def test_work_is_done_in_order_by_another_thread_and_all_of_it_at_the_end():
    done, threads = [], set()

    def work(number):
        threads.add(threading.current_thread())
        done.append(number)

    with WriteBehind() as writer:
        for number in range(20):
            writer.start(partial(work, number))
    assert done == list(range(20))
    assert len(threads) == 1 and threading.current_thread() not in threads


def test_what_fails_is_raised_by_every_later_call_and_nothing_behind_it_is_done():
    done = []
    with pytest.raises(OSError, match="no room"), WriteBehind() as writer:
        writer.start(partial(done.append, 1))
        writer.start(fail)
        writer.start(partial(done.append, 2))
    assert done == [1]

    with pytest.raises(OSError, match="no room"), WriteBehind() as writer:
        writer.start(fail)
        for call in (writer.finish, writer.check, writer.finish, partial(writer.start, fail)):
            with pytest.raises(OSError, match="no room"):
                call()


@pytest.mark.parametrize(
    "error, written",
    [
        (None, [1, 2]),
        (Interrupted(signal.SIGTERM), [1, 2]),
        (FloatingPointError("not finite"), [1, 2]),
        (KeyboardInterrupt(), [1]),  # what has not begun is left out
    ],
)
def test_how_the_block_ends_decides_what_is_still_written(error, written):
    may_go, has_begun, done = threading.Event(), threading.Event(), []

    def work(number):
        has_begun.set()
        may_go.wait(20)
        done.append(number)

    try:
        with WriteBehind() as writer:
            writer.start(partial(work, 1))
            writer.start(partial(work, 2))
            assert has_begun.wait(20)
            threading.Timer(0.2, may_go.set).start()
            if error is not None:
                raise error
    except BaseException as caught:
        if caught is not error:
            raise
    assert done == written


def test_an_error_of_the_run_goes_before_that_of_a_save():
    with pytest.raises(FloatingPointError, match="not finite") as caught, WriteBehind() as writer:
        writer.start(fail)
        wait_until_it_failed(writer)
        raise FloatingPointError("not finite")
    assert caught.value.__notes__ == ["and: no room"]


def wait_until_it_failed(writer, seconds=20):
    end = time.monotonic() + seconds
    with pytest.raises(OSError, match="no room"):
        while time.monotonic() < end:
            writer.check()
            time.sleep(0.01)


def test_a_save_that_failed_stops_the_epoch_at_its_next_step(tmp_path):
    so_far = EpochSoFar(When(1, 0), None, None, None, {}, {}, (1,))
    with pytest.raises(OSError, match="no room"), WriteBehind() as writer:
        unfinished = Unfinished(tiny_config(tmp_path), Services(tmp_path, writer=writer))
        unfinished.after_step(so_far)
        writer.start(fail)
        wait_until_it_failed(writer)
        with pytest.raises(OSError, match="no room"):
            unfinished.after_step(so_far)


def test_ctrl_c_while_it_waits_leaves_no_thread_that_writes(monkeypatch):
    """As in a notebook, where the second one is a KeyboardInterrupt."""
    begun, ended = threading.Event(), []

    def work():
        begun.set()
        time.sleep(0.5)
        ended.append(1)

    with pytest.raises(KeyboardInterrupt):  # noqa: SIM117
        with WriteBehind() as writer:
            writer.start(work)
            writer.start(fail)
            assert begun.wait(20)
            monkeypatch.setattr(writer, "finish", lambda: signal.raise_signal(signal.SIGINT))
            raise Interrupted(signal.SIGINT)
    assert ended == [1]


def test_a_state_that_changes_while_it_is_written_is_saved_as_it_was(tmp_path, monkeypatch):
    x, may_go = np.arange(1000, dtype=np.float32), threading.Event()
    before_each_save(monkeypatch, lambda _: may_go.wait(20))
    checkpoints = Checkpoints(tmp_path, keep=2)
    with WriteBehind() as writer:
        checkpoints.save(1, {"x": x}, {}, writer)
        x[:] = -1
        assert checkpoints.ids() == []
        may_go.set()
    like = {"x": np.zeros(1000, np.float32)}
    back = checkpoints.restore(1, lambda _: like, make_mesh()).state
    assert_same_bits(back, {"x": np.arange(1000, dtype=np.float32)})


def test_one_copy_of_a_state_at_a_time_is_in_memory(tmp_path, monkeypatch):
    """The next save waits for the one before, and only then takes its copy."""
    checkpoints, whole_at_copy = Checkpoints(tmp_path, keep=3), []

    class Watched:
        """Tells which checkpoints are complete when it is copied."""

        def __array__(self, dtype=None, copy=None):
            whole_at_copy.append(checkpoints.ids())
            return np.zeros(3)

    before_each_save(monkeypatch, lambda _: time.sleep(0.2))
    with WriteBehind() as writer:
        for id in (1, 2, 3):
            checkpoints.save(id, {"x": Watched()}, {}, writer)
    assert whole_at_copy == [[], [1], [1, 2]]


def test_an_epoch_whose_save_fails_is_not_told_and_done_again(
    finished, pictures, tmp_path, monkeypatch, capsys
):
    ids = []

    def fail_at_2(folder):
        if folder.parent.name == "checkpoints":
            ids.append(folder.name)
            if folder.name == "2":
                fail()

    before_each_save(monkeypatch, fail_at_2)
    with pytest.raises(OSError, match=r"saving checkpoint 2 in .*no room.*checkpoint 1 is intact"):
        train.train_and_evaluate(tiny_config(pictures), tmp_path)
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
    assert [line.split("]")[0] for line in told] == ["[1"]
    assert [row["epochs_done"] for row in read_records(tmp_path)][-1] == 2  # its line waits for it
    assert ids == ["1", "2"]
    monkeypatch.undo()
    train.train_and_evaluate(tiny_config(pictures), tmp_path)
    assert_same_end(tmp_path, finished[0])
