"""A run stopped or killed within an epoch ends where an undisturbed one ends."""

import signal
import threading
from pathlib import Path

import jax
import numpy as np
import pytest

from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.method.prototypes import PrototypeBank
from pclhd_jax.method.step_data import Banks
from pclhd_jax.processes.compiling import seconds_compiling
from pclhd_jax.processes.signals import Interrupted, Interrupts
from pclhd_jax.saving.write_behind import WriteBehind
from pclhd_jax.settings.schedule import When
from pclhd_jax.training import run_epoch, step_loop, train
from pclhd_jax.training.experiment import fresh_state
from pclhd_jax.training.services import Services
from pclhd_jax.training.unfinished import Unfinished
from tests.helpers.finished_run import assert_same_end
from tests.helpers.orbax_alone import before_each_save
from tests.helpers.tiny import tiny_config


class Killed(Exception):
    """Stands for a SIGKILL: nothing in the program catches it. The save under way is done."""


def saves(workdir):
    return sorted(path.name for path in Path(workdir).glob("unfinished/[0-9]*"))


def stop_after(monkeypatch, pauses):
    """The run is asked to stop at its next pause after so many."""
    left = [pauses]

    def check(self):
        left[0] -= 1
        if left[0] < 0:
            raise Interrupted(signal.SIGTERM)

    monkeypatch.setattr(Interrupts, "check", check)


def test_a_run_asked_to_stop_again_and_again_ends_bit_identical(
    finished, pictures, tmp_path, monkeypatch
):
    """It is asked at batches of features, at steps, and at batches of the evaluation."""
    workdir, places = tmp_path / "stopped", []
    # An epoch pauses at 9 batches of features (18 in stage 2), 3 steps, 3 of the evaluation.
    for pauses in (4, 9, 1, 20, 20, 1, 22):
        stop_after(monkeypatch, pauses)
        with pytest.raises(Interrupted):
            train.train_and_evaluate(tiny_config(pictures), workdir)
        places += saves(workdir) or ["none"]
    monkeypatch.undo()
    train.train_and_evaluate(tiny_config(pictures), workdir)
    assert_same_end(workdir, finished[0])
    assert saves(workdir) == []
    # Before, among and after the steps of an epoch, in both stages.
    assert places == ["none", "1", "3", "none", "1000003", "1000003", "2000002"]


@pytest.mark.parametrize("every_steps, lost", [(1, [0, 0, 0, 1]), (2, [0, 1, 0, 1])])
def test_a_kill_loses_no_more_steps_than_checkpoint_every_steps(
    finished, pictures, tmp_path, monkeypatch, every_steps, lost
):
    config = tiny_config(pictures)
    config.checkpoint_every_steps = every_steps
    workdir = tmp_path / "killed"
    steps_run = []
    real_batches = step_loop.epoch_batches

    def batches(config, pictures, so_far):
        ahead = real_batches(config, pictures, so_far)
        for i, batch in enumerate(ahead, len(so_far.history)):
            if kill_at and (*so_far.when, i) == kill_at[0]:
                kill_at.pop(0)
                raise Killed
            steps_run.append((*so_far.when, i))
            yield batch

    def scores(protocols, test_z):
        if kill_at == ["evaluation"]:
            kill_at.pop(0)
            raise Killed
        return real_scores(protocols, test_z)

    monkeypatch.setattr(step_loop, "epoch_batches", batches)
    real_scores = run_epoch.scores
    monkeypatch.setattr(run_epoch, "scores", scores)
    kill_at = [(1, 0, 2), (2, 1, 1), (2, 1, 2), "evaluation"]
    again = [0]  # steps done again after so many kills
    for _ in range(4):
        with pytest.raises(Killed):
            train.train_and_evaluate(config, workdir)
        again.append(len(steps_run) - len(set(steps_run)))
    assert not kill_at
    train.train_and_evaluate(config, workdir)
    assert_same_end(workdir, finished[0])
    again.append(len(steps_run) - len(set(steps_run)))
    assert np.diff(again[1:]).tolist() == lost


def test_a_kill_while_a_save_is_written_loses_less_than_twice_as_many_steps(
    pictures, tmp_path, monkeypatch
):
    """A save is written as late as can be: when the next one waits for it."""
    config = tiny_config(pictures)
    config.checkpoint_every_steps, config.stage1.batches_per_epoch = 2, 5
    asked, is_killed, steps_run = threading.Event(), threading.Event(), []
    real_batches = step_loop.epoch_batches
    real_finish, real_exit = WriteBehind.finish, WriteBehind.__exit__
    kill_at = [3, 4, None]

    def wait(_):
        while not asked.wait(0.01):
            if is_killed.is_set():
                raise Killed  # nothing is written

    def finish(self):
        asked.set()
        real_finish(self)
        asked.clear()

    def leave(self, *error):
        is_killed.set()
        real_exit(self, *error)

    def batches(config, pictures, so_far):
        ahead = real_batches(config, pictures, so_far)
        for i, batch in enumerate(ahead, len(so_far.history)):
            if i == kill_at[0]:
                raise Killed
            steps_run.append(i)
            yield batch

    monkeypatch.setattr(step_loop, "epoch_batches", batches)
    before_each_save(monkeypatch, wait)
    monkeypatch.setattr(WriteBehind, "finish", finish)
    monkeypatch.setattr(WriteBehind, "__exit__", leave)
    for _ in range(2):
        with pytest.raises(Killed):
            train.train_and_evaluate(config, tmp_path)
        is_killed.clear()
        kill_at.pop(0)
    assert steps_run == [0, 1, 2, 0, 1, 2, 3]
    assert saves(tmp_path) == ["2"]  # the save after step 4 was not complete


@pytest.mark.parametrize(
    "every_steps, steps, saved", [(2, 7, [2, 4, 6]), (2, 6, [2, 4]), (6, 6, []), (0, 3, [])]
)
def test_no_save_follows_the_last_step_for_that_of_the_epoch_does(
    tmp_path, every_steps, steps, saved
):
    config, found = tiny_config(tmp_path), []
    config.checkpoint_every_steps, config.stage1.batches_per_epoch = every_steps, steps
    unfinished = Unfinished(config, Services(tmp_path))
    for done in range(1, steps + 1):
        unfinished.after_step(begun()._replace(history=({"loss": np.float32(done)},) * done))
        found += [id for id in saves(tmp_path) if id not in found]
    assert found == [str(id) for id in saved]


def begun():
    """An epoch with arrays as few and small as can be."""
    bank = PrototypeBank(*np.zeros((4, 2, 1, 3), np.float32))
    labels = EpochLabels(np.zeros(2, np.int32), np.zeros(2, np.int32))
    state = {"params": np.zeros(3, np.float32)}
    return step_loop.EpochSoFar(When(1, 0), state, Banks(bank, bank), labels, {}, {})


def test_a_damaged_save_within_an_epoch_costs_its_steps_and_changes_nothing(
    finished, pictures, tmp_path, monkeypatch, capsys
):
    workdir = tmp_path / "damaged"
    stop_after(monkeypatch, 13)
    with pytest.raises(Interrupted):
        train.train_and_evaluate(tiny_config(pictures), workdir)
    monkeypatch.undo()
    (saved,) = saves(workdir)
    largest = max(
        (path for path in (workdir / "unfinished" / saved).rglob("*") if path.is_file()),
        key=lambda path: path.stat().st_size,
    )
    data = bytearray(largest.read_bytes())
    data[len(data) // 2] ^= 1
    largest.write_bytes(data)
    train.train_and_evaluate(tiny_config(pictures), workdir)
    output = capsys.readouterr().out
    assert "the epoch starts anew" in output and largest.name in output
    assert_same_end(workdir, finished[0])


def test_a_step_that_is_not_finite_is_not_saved(pictures, tmp_path):
    config = tiny_config(pictures)
    config.optimizer.learning_rate = 1e30
    config.checkpoint_every_steps = 1
    with pytest.raises(FloatingPointError) as error:
        train.train_and_evaluate(config, tmp_path / "diverged")
    bad_step = int(str(error.value).split("step ")[1].split(":")[0])
    # Ids count the steps done: the newest save has seen none that was not finite.
    assert saves(tmp_path / "diverged") == ([str(bad_step)] if bad_step else [])


def test_changed_settings_are_refused_by_an_epoch_under_way_and_accepted_when_told(
    finished, pictures, tmp_path, monkeypatch
):
    workdir = tmp_path / "changed"
    stop_after(monkeypatch, 13)
    with pytest.raises(Interrupted):
        train.train_and_evaluate(tiny_config(pictures), workdir)
    monkeypatch.undo()
    config = tiny_config(pictures)
    config.stage1.epochs, config.stage2.epochs = 1, 0
    config.cluster.eps = 0.65
    with pytest.raises(ValueError, match=r"config\.cluster\.eps: there 0\.7, here 0\.65"):
        train.train_and_evaluate(config, workdir)
    last = train.train_and_evaluate(config, workdir, accept_changes=True)
    assert last["epochs_done"] == 1
    assert not (workdir / "changes.jsonl").exists()  # nothing of the old settings was kept
    # Its labels were made with the new eps: as in a run that had it from the start.
    train.train_and_evaluate(config, tmp_path / "fresh")
    one, other = ((path / "metrics.jsonl").read_bytes() for path in (workdir, tmp_path / "fresh"))
    assert one == other


def test_an_epoch_under_way_comes_back_with_every_leaf_and_type(tmp_path, finished, pictures):
    config, when = tiny_config(pictures), When(1, 0)
    run, services = train.start_run(config), Services(tmp_path)
    so_far = run_epoch.begin_epoch(run, services, when, fresh_state(config, run.mesh))
    like = jax.eval_shape(lambda: so_far.state)
    so_far = so_far._replace(history=({"loss_a": np.float32(1 / 3)},))
    unfinished = Unfinished(config, services)
    assert unfinished.restore(when, like, run.mesh) is None
    unfinished.save(so_far)
    # Its own saves are of an epoch that it goes through itself: nothing to come back to.
    assert unfinished.restore(when, like, run.mesh) is None
    unfinished = Unfinished(config, services)
    back = unfinished.restore(when, like, run.mesh)
    assert back.history == so_far.history and back.report == so_far.report
    assert back.hard_pictures == so_far.hard_pictures and back.when == when
    arrays, saved = back[1:4], so_far[1:4]
    jax.tree.map(np.testing.assert_array_equal, arrays, saved)
    assert jax.tree.map(lambda x: x.dtype, arrays) == jax.tree.map(lambda x: x.dtype, saved)
    # Placed as a step leaves them, the empty dynamic prototypes too: no other compilation.
    assert all(isinstance(x, jax.Array) for x in jax.tree.leaves(back.banks))
    unfinished.save(back)  # it went on from here and did no step: nothing to save
    assert saves(tmp_path) == ["1"]
    step_loop.run_steps(run, back._replace(history=()))
    before = seconds_compiling()
    step_loop.run_steps(run, so_far._replace(history=()))
    assert seconds_compiling() == before
    # Of another epoch than the one asked for: not used, and gone.
    unfinished = Unfinished(config, services)
    assert unfinished.restore(When(2, 0), like, run.mesh) is None
    assert saves(tmp_path) == []


def test_a_stop_behind_a_save_that_is_still_written_saves_nothing_twice(
    tmp_path, pictures, monkeypatch
):
    config, so_far = tiny_config(pictures), begun()
    config.checkpoint_every_steps = 1
    so_far = so_far._replace(history=({"loss_a": np.float32(1 / 3)},))
    may_write, ids = threading.Event(), []

    def wait(folder):
        ids.append(folder.name)
        assert may_write.wait(20)

    def stop():
        raise Interrupted(signal.SIGTERM)

    before_each_save(monkeypatch, wait)
    services = Services(tmp_path, stop, WriteBehind())
    unfinished = Unfinished(config, services)
    with services.writer:
        unfinished.save(so_far)
        with pytest.raises(Interrupted):
            unfinished.after_step(so_far)
        assert saves(tmp_path) == []
        may_write.set()
    assert saves(tmp_path) == ["1"] and ids == ["1"]
