"""The two stages: where a run starts or goes on, and what each epoch leaves behind."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pclhd_jax.method.state import TrainState, hand_over
from pclhd_jax.processes.devices import check_jax
from pclhd_jax.processes.exchange import from_first
from pclhd_jax.processes.progress import say
from pclhd_jax.processes.signals import Interrupted, Interrupts
from pclhd_jax.reports.lines import Remaining, describe, report
from pclhd_jax.reports.records import Records
from pclhd_jax.reports.writer_words import check_writers, kinds_of
from pclhd_jax.saving.checkpoints import Checkpoints
from pclhd_jax.saving.disk import make_folder_of
from pclhd_jax.saving.failed_save import workdir_explained
from pclhd_jax.saving.lock import check_unlocked, locked
from pclhd_jax.saving.newest import latest_epoch, restore_newest
from pclhd_jax.saving.record_shapes import of_epoch
from pclhd_jax.saving.workdir import check_pictures, check_workdir, start_workdir
from pclhd_jax.saving.write_behind import WriteBehind
from pclhd_jax.settings.schedule import schedule
from pclhd_jax.settings.sections import settings_of
from pclhd_jax.system.device_memory import SMALLER_RUN, fits
from pclhd_jax.system.paths import given_path
from pclhd_jax.training.diagnosis import HardPictures
from pclhd_jax.training.experiment import (
    Run,
    fresh_state,
    optimizer_of,
    start_run,
    starting_weights,
    state_shapes,
)
from pclhd_jax.training.profile import Profile
from pclhd_jax.training.run_epoch import run_epoch
from pclhd_jax.training.scores import scores, test_features
from pclhd_jax.training.services import Services
from pclhd_jax.training.sizes_and_rank_lists import sizes_and_rank_lists
from pclhd_jax.training.unfinished import Unfinished
from pclhd_jax.weights.starting import NO_WEIGHTS


@fits("the run", SMALLER_RUN)
def train_and_evaluate(
    config: Any,
    workdir: str | Path,
    *,
    accept_changes: bool = False,
    profile: str | Path | None = None,
) -> dict[str, Any]:
    """Run both stages, resuming where `workdir` left off.

    config: an ml_collections.ConfigDict as `configs/` makes them.
    accept_changes: go on in a workdir of other settings; they are noted in `changes.jsonl`.
    profile: a folder for traces of some steps of each stage, see `training.profile`.
    Returns the last epoch's record: losses, cluster quality, scores by protocol name.
    Leaves `config.json`, `metrics.jsonl`, `timing.jsonl`, what `config.writers` names
    (TensorBoard), the newest features and Orbax checkpoints in `workdir`.

    Raises:
      ValueError: settings, weights or data that cannot work, with the remedy; a workdir
        that belongs to other settings, or that another run holds.
      FileNotFoundError: a file or folder that the settings name.
      FloatingPointError: a metric that is not finite.
      DamagedCheckpoint: a ValueError; no checkpoint holds what was saved.
      OSError: the disk is full, or refuses; what was saved before is intact.
      Interrupted: a KeyboardInterrupt; SIGTERM or SIGINT asked the run to stop, and it saved.
    """
    # What cannot work is found before it costs minutes, and leaves no workdir behind.
    config, workdir = settings_of(config), given_path(workdir)
    if not workdir:
        raise ValueError("the workdir is empty; name a folder")
    check_jax()
    from_first(check_writers, config.writers)
    if profile is not None:
        make_folder_of(Path(profile) / "a trace", "--profile")
    with workdir_explained(workdir):
        check_unlocked(workdir)
    check_workdir(workdir, config.to_dict(), accept_changes=accept_changes)
    is_new = latest_epoch(workdir) is None
    weights = starting_weights(config) if is_new else {}
    if is_new and not (weights or config.data.synthetic):
        say(NO_WEIGHTS)
    run = start_run(config)  # a signal still ends the process: nothing is lost by that
    with workdir_explained(workdir), locked(workdir), Interrupts() as interrupts:
        services = Services(Path(workdir), interrupts.check, WriteBehind(), Profile(profile))
        train_in_workdir(run, services, weights, accept_changes=accept_changes)
    return report(config, workdir)


def train_in_workdir(
    run: Run,
    services: Services,
    weights: dict[tuple[str, ...], Any],
    *,
    accept_changes: bool,
) -> None:
    """All that the run still has to do. weights: `starting_weights`. Holds the workdir's lock."""
    config, workdir, writer = run.config, services.workdir, services.writer
    checkpoints = Checkpoints(workdir, keep=config.keep_checkpoints)
    unfinished = Unfinished(config, services)
    # All that may refuse comes before anything is written.
    changed = check_workdir(workdir, config.to_dict(), accept_changes=accept_changes)
    check_pictures(workdir, run.pictures.digests)
    start = first_state(run, workdir, checkpoints, weights)
    # In this order: the epoch under way was begun with the settings before.
    if changed:
        unfinished.clear()
    start_workdir(
        workdir,
        config.to_dict(),
        run.pictures.digests,
        accept_changes=accept_changes,
        epochs_done=start.epochs_done,
    )
    records = Records(
        workdir,
        kinds_of(config.writers),
        epochs_done=start.epochs_done,
        last_row=start.row,
        settings=config.to_dict(),
        send_pictures=config.send_pictures,
    )
    with records, writer:
        work = partial(run_epochs, run, services, start, records, checkpoints, unfinished)
        stopping_together(writer, work)


def stopping_together(writer: WriteBehind, work: Callable[[], None]) -> None:
    """`work()`; all processes that are asked to stop in it hear of a save that fails then."""
    try:
        work()
    except Interrupted:  # at one place of all processes
        from_first(writer.finish)
        raise


class StartingPoint(NamedTuple):
    """Where a run starts or goes on."""

    state: TrainState
    epochs_done: int
    row: dict[str, Any] | None  # the record of the last of them
    hard_pictures: HardPictures | None  # of the last of them


def first_state(
    run: Run, workdir: Path, checkpoints: Checkpoints, weights: dict[tuple[str, ...], Any]
) -> StartingPoint:
    """The newest checkpoint, or a fresh state.

    Raises:
      ValueError: a checkpoint that the schedule does not lead to.
    """
    restored = restore_newest(
        checkpoints, of_epoch(state_shapes(run.config)), run.mesh, set_aside=True
    )
    if restored is None:
        return StartingPoint(fresh_state(run.config, run.mesh, weights), 0, None, None)
    epochs, progress = schedule(run.config), restored.progress
    there = progress["stage"], progress["epoch"]
    if restored.id > len(epochs) or epochs[restored.id - 1] != there:
        raise ValueError(
            f"the newest checkpoint of {workdir} ends stage {there[0]}, epoch {there[1] + 1}, "
            f"as epoch {restored.id} of the run, and config.stage1.epochs "
            f"{run.config.stage1.epochs} with config.stage2.epochs {run.config.stage2.epochs} do "
            "not lead there; only a stage that is not finished can change its length"
        )
    say(f"resuming {workdir} after epoch {restored.id} of {len(epochs)}")
    hard_pictures = progress.get("hard_pictures")
    return StartingPoint(restored.state, restored.id, progress.get("row"), hard_pictures)


def run_epochs(
    run: Run,
    services: Services,
    start: StartingPoint,
    records: Records,
    checkpoints: Checkpoints,
    unfinished: Unfinished,
) -> None:
    """All epochs that are still to come."""
    config, watch, writer = run.config, services.watch, services.writer
    state, epochs_done, _, hard = start
    if not epochs_done and not records.has_rows:
        score_untrained(run, services, state, records)
    remaining = Remaining(config, epochs_done)
    for when in schedule(config)[epochs_done:]:
        if when == (2, 0):
            state = hand_over(state, optimizer_of(config))
        state, row, hard, shows = run_epoch(run, services, when, state, unfinished, hard)
        # The record goes first: on resume a line without its checkpoint is dropped,
        # but a checkpoint without its line could not be completed.
        records.write(row, shows)
        watch.lap("records")
        progress = when._asdict() | {"row": row, "hard_pictures": hard}
        checkpoints.save(row["epochs_done"], state, progress, writer)
        watch.lap("saves")
        seconds, waiting = watch.seconds(), watch.waiting()
        left_s = remaining.after(when.stage, seconds, waiting)
        # The writer does it behind the save: what is told is saved.
        end = partial(end_epoch, unfinished, records, row, seconds, waiting, left_s)
        from_first(writer.start, end)
    from_first(writer.finish)


def end_epoch(
    unfinished: Unfinished,
    records: Records,
    row: dict[str, Any],
    seconds: dict[str, float],
    waiting: dict[str, float],
    left_s: float,
) -> None:
    """When the epoch is saved, by process 0."""
    unfinished.remove()
    text = describe(row, seconds, waiting, left_s)
    records.write_saved(row["epochs_done"], seconds, waiting, text)
    say(text)


def score_untrained(run: Run, services: Services, state: TrainState, records: Records) -> None:
    """Line 0 of the record."""
    if not run.pictures.protocols:
        records.write({"epochs_done": 0, "evaluation": {}})
        return
    say("scoring the untrained encoder")
    test_z = test_features(run, state.online, services.pause)
    row = {"epochs_done": 0, "evaluation": scores(run.pictures.protocols, test_z)}
    records.write(row, partial(sizes_and_rank_lists, run.pictures, None, test_z))
