"""What is written behind the run: in order, all of it, and what fails is told."""

import threading
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pclhd_jax import train
from pclhd_jax.processes.mesh import make_mesh
from pclhd_jax.reports.records import read_records
from pclhd_jax.saving.checkpoints import Checkpoints
from pclhd_jax.saving.writer import AHEAD, Writer
from tests.helpers.finished_run import assert_same_end
from tests.helpers.states import assert_same_bits
from tests.helpers.tiny import tiny_config


def fail():
    raise OSError("no room")


def test_work_is_done_in_order_by_another_thread_and_all_of_it_at_the_end():
    done, threads = [], set()

    def work(number):
        threads.add(threading.current_thread())
        done.append(number)

    with Writer() as writer:
        for number in range(20):
            writer.start(partial(work, number))
    assert done == list(range(20))
    assert len(threads) == 1 and threading.current_thread() not in threads


def test_no_more_is_held_in_memory_than_said():
    may_go, given = threading.Event(), []

    def give():
        for number in range(AHEAD + 1):
            writer.start(may_go.wait)
            given.append(number)

    with Writer() as writer:
        giver = threading.Thread(target=give)
        giver.start()
        giver.join(0.3)
        assert given == list(range(AHEAD))
        may_go.set()
        giver.join(10)
        assert given == list(range(AHEAD + 1))


def test_what_fails_is_raised_later_and_nothing_behind_it_is_done():
    done = []
    with pytest.raises(OSError, match="no room"), Writer() as writer:
        writer.start(partial(done.append, 1))
        writer.start(fail)
        writer.start(partial(done.append, 2))
    assert done == [1]

    with Writer() as writer:
        writer.start(fail)
        with pytest.raises(OSError, match="no room"):
            writer.finish()
        writer.start(partial(done.append, 3))
        writer.finish()
    assert done == [1]


@pytest.mark.parametrize("where", ["host", "device"])
def test_a_state_that_changes_while_it_is_written_is_saved_as_it_was(tmp_path, where):
    count = 1000
    x = np.arange(count, dtype=np.float32) if where == "host" else jnp.arange(float(count))
    change = jax.jit(lambda x: x * 0 - 1, donate_argnums=0)
    may_go = threading.Event()
    with Checkpoints(tmp_path, keep=2) as checkpoints:
        with Writer() as writer:
            writer.start(may_go.wait)
            checkpoints.save(1, {"x": x}, {}, writer)
            if where == "host":
                x[:] = -1
            else:
                x = jax.block_until_ready(change(x))
            assert checkpoints.ids() == []
            may_go.set()
        like = {"x": np.zeros(count, np.float32)}
        back = checkpoints.restore(1, lambda _: like, make_mesh()).state
    assert_same_bits(back, {"x": np.arange(count, dtype=np.float32)})


def test_an_epoch_whose_save_fails_is_not_told_and_done_again(
    finished, pictures, tmp_path, monkeypatch, capsys
):
    real, ids = Checkpoints._write, []

    def write(self, id, state, progress):
        if self.folder.name == "checkpoints":
            ids.append(id)
            if id == 2:
                fail()
        return real(self, id, state, progress)

    monkeypatch.setattr(Checkpoints, "_write", write)
    with pytest.raises(OSError, match=r"saving checkpoint 2 in .*no room.*checkpoint 1 is intact"):
        train.train_and_evaluate(tiny_config(pictures), tmp_path)
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("[")]
    assert [line.split("]")[0] for line in told] == ["[1"]
    assert [row["epochs_done"] for row in read_records(tmp_path)][-1] == 2  # its line waits for it
    assert ids == [1, 2]
    monkeypatch.undo()
    train.train_and_evaluate(tiny_config(pictures), tmp_path)
    assert_same_end(tmp_path, finished[0])
