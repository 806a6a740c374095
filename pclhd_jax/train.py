"""The two stages and the order of one epoch."""

import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pclhd_jax.checkpoint import Checkpoints, latest_epoch
from pclhd_jax.disk import disk_explained
from pclhd_jax.epoch import evaluate, make_banks, train_features
from pclhd_jax.epoch_clusters import (
    cluster_notes,
    label_quality,
    labels_and_momentum_features,
    save_labelling,
)
from pclhd_jax.epoch_steps import EpochWork, mean_metrics, run_steps
from pclhd_jax.evaluation.protocols import Score, format_table
from pclhd_jax.interrupts import Interrupts
from pclhd_jax.lock import check_unlocked, locked
from pclhd_jax.progress import clock, say
from pclhd_jax.records import Records, check_pictures, check_workdir, read_records, start_workdir
from pclhd_jax.run import Run, fresh_state, schedule, start_run, starting_weights, state_shapes
from pclhd_jax.sharding import replicate
from pclhd_jax.starting_weights import NO_WEIGHTS
from pclhd_jax.state import TrainState, hand_over, learning_rate_at, set_learning_rate
from pclhd_jax.unfinished import Unfinished


def train_and_evaluate(
    config: Any, workdir: str | Path, *, accept_changes: bool = False
) -> dict[str, Any]:
    """Run both stages, resuming where `workdir` left off.

    config: an ml_collections.ConfigDict as `configs/` makes them.
    accept_changes: go on in a workdir of other settings; they are noted in `changes.jsonl`.
    Returns the last epoch's record: losses, cluster quality, scores by protocol name.
    Leaves `config.json`, `metrics.jsonl`, `timing.jsonl`, TensorBoard curves, the newest
    features and Orbax checkpoints in `workdir`.

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
    with disk_explained(workdir):
        check_unlocked(workdir)
    check_workdir(workdir, config.to_dict(), accept_changes=accept_changes)
    weights = {} if latest_epoch(workdir) else starting_weights(config)
    run = start_run(config)  # a signal still ends the process: nothing is lost by that
    with disk_explained(workdir), locked(workdir), Interrupts() as interrupts:
        run = run._replace(workdir=Path(workdir), pause=interrupts.check)
        with (
            Checkpoints(workdir, keep=config.keep_checkpoints) as checkpoints,
            Unfinished(workdir, config.checkpoint_every_steps, run.pause) as unfinished,
        ):
            # All that may refuse comes before anything is written.
            changed = check_workdir(workdir, config.to_dict(), accept_changes=accept_changes)
            check_pictures(workdir, run.work.digests)
            start = first_state(run, checkpoints, weights)
            # In this order: the epoch under way was begun with the settings before.
            if changed:
                unfinished.clear()
            start_workdir(
                workdir,
                config.to_dict(),
                run.work.digests,
                accept_changes=accept_changes,
                epochs_done=start.epochs_done,
            )
            run_epochs(run, start, checkpoints, unfinished)
    return report(config, workdir)


class Start(NamedTuple):
    """Where a run starts or goes on."""

    state: TrainState
    epochs_done: int
    row: dict[str, Any] | None  # the record of the last of them


def first_state(run: Run, checkpoints: Checkpoints, weights: dict[tuple[str, ...], Any]) -> Start:
    """The newest checkpoint, or a fresh state.

    Raises:
      ValueError: a checkpoint that the schedule does not lead to.
    """
    restored = checkpoints.restore_newest(
        lambda _: state_shapes(run.config), run.mesh, set_aside=True
    )
    if restored is None:
        if not (weights or "synthetic" in run.config.data):
            say(NO_WEIGHTS)
        return Start(fresh_state(run, weights), 0, None)
    epochs, progress = schedule(run.config), restored.progress
    there = progress["stage"], progress["epoch"]
    if restored.id > len(epochs) or epochs[restored.id - 1] != there:
        raise ValueError(
            f"the newest checkpoint of {run.workdir} ends stage {there[0]}, epoch {there[1] + 1}, "
            f"as epoch {restored.id} of the run, and config.stage1.epochs "
            f"{run.config.stage1.epochs} with config.stage2.epochs {run.config.stage2.epochs} do "
            "not lead there; only a stage that is not finished can change its length"
        )
    say(f"resuming {run.workdir} after epoch {restored.id} of {len(epochs)}")
    return Start(restored.state, restored.id, progress.get("row"))


def run_epochs(run: Run, start: Start, checkpoints: Checkpoints, unfinished: Unfinished) -> None:
    """All epochs that are still to come."""
    state, epochs_done, last_row = start
    records = Records(run.workdir, epochs_done=epochs_done, last_row=last_row)
    if not epochs_done and not records.has_rows:
        if run.work.protocols:
            say("scoring the untrained encoder")
        records.write({"epochs_done": 0, "evaluation": evaluate(run, state.online)})
    remaining = Remaining(run.config, epochs_done)
    for stage, epoch in schedule(run.config)[epochs_done:]:
        if (stage, epoch) == (2, 0):
            state = hand_over(state, run.tx)
        state, row, seconds = run_epoch(run, state, stage, epoch, unfinished)
        say(describe(row, seconds, remaining.after(stage, seconds)))
        # The record goes first: on resume a line without its checkpoint is dropped,
        # but a checkpoint without its line could not be completed.
        records.write(row, seconds)
        progress = {"stage": stage, "epoch": epoch, "row": row}
        checkpoints.save(row["epochs_done"], state, progress)
        unfinished.clear()
    records.close()


def run_epoch(
    run: Run, state: TrainState, stage: int, epoch: int, unfinished: Unfinished
) -> tuple[TrainState, dict[str, Any], dict[str, float]]:
    """Labels and banks, steps, evaluation; evaluation sees the encoder as the epoch leaves it.

    unfinished: where the epoch is saved on its way, and from where it goes on.
    Returns the state, the record, and the seconds of each part.
    """
    config = run.config
    what = f"stage {stage} epoch {epoch + 1}/{config[f'stage{stage}'].epochs}"
    before = schedule(config).index((stage, epoch))
    watch = Stopwatch()
    work = unfinished.restore(before, state, run.mesh)
    if work is None:
        work = begin_epoch(run, state, stage, epoch, what, watch)
    else:
        say(f"{what}: going on after step {len(work.history)}")
        watch.lap("restored")

    work = run_steps(
        run, work, stage, epoch, what, lambda work: unfinished.after_step(before, work, what)
    )
    watch.lap("steps")
    row = {
        "epochs_done": before + 1,
        "stage": stage,
        "epoch": epoch,
        "recipe": config.recipe,
        "losses": mean_metrics(work.history),
        "clusters": work.clusters,
    }
    # [ours] the last epoch is the result; the released program takes the best one on the test set.
    is_last = before + 1 == len(schedule(config))
    if is_last or (before + 1) % config.evaluation.every_epochs == 0:
        # Stage 2 hands out its momentum encoder.
        variables = work.state.online if stage == 1 else work.state.momentum
        with unfinished.saved_if_interrupted(before, work, what):
            row["evaluation"] = evaluate(run, variables)
        watch.lap("evaluation")
    return work.state, row, watch.seconds


def begin_epoch(
    run: Run, state: TrainState, stage: int, epoch: int, what: str, watch: "Stopwatch"
) -> EpochWork:
    """Features, labels, banks: the order is the method's.

    Labels and banks describe the encoder as the epoch finds it, and the labels stay put
    while it moves.
    """
    optimizer = run.config.optimizer
    rate = learning_rate_at(
        epoch,
        start=optimizer.learning_rate,
        decay_every_epochs=optimizer.decay_every_epochs,
        factor=optimizer.decay_factor,
    )
    # Placed anew, so that the first step of a stage finds what every later step finds.
    state = replicate(run.mesh, set_learning_rate(state, rate))
    z = train_features(run, state.online)
    watch.lap("features")
    try:
        labels, momentum_z = labels_and_momentum_features(run, state, z, stage)
    except ValueError:  # what led there can then be looked at
        save_labelling(run, z, None, stage, epoch)
        raise
    save_labelling(run, z, labels, stage, epoch)
    clusters = label_quality(run, labels, stage)
    for note in cluster_notes(run, labels, stage):
        say(f"{what}: {note}")
    watch.lap("labels")
    banks = make_banks(run, z, momentum_z, labels, stage, epoch)
    watch.lap("banks")
    return EpochWork(state, banks, labels, clusters)


class Stopwatch:
    """Seconds of the parts of an epoch."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.seconds[name] = round(now - self.last, 3)
        self.last = now


class Remaining:
    """How long the epochs still to come will take, from the latest one of each stage."""

    STAGE2_FACTOR = 2.5  # before stage 2 has been timed: three encoder passes more, two backward

    def __init__(self, config: Any, epochs_done: int):
        self.stages_left = [stage for stage, _ in schedule(config)[epochs_done:]]
        self.epoch_s: dict[int, float] = {}

    def after(self, stage: int, seconds: dict[str, float]) -> float:
        self.stages_left.pop(0)
        self.epoch_s[stage] = sum(seconds.values())
        stage2_s = self.epoch_s.get(2, self.STAGE2_FACTOR * self.epoch_s.get(1, 0.0))
        return sum(self.epoch_s[1] if s == 1 else stage2_s for s in self.stages_left)


def describe(row: dict[str, Any], seconds: dict[str, float], left_s: float) -> str:
    """The epoch's lines for the terminal."""
    head = f"[{row['epochs_done']}] stage {row['stage']} epoch {row['epoch'] + 1}"
    clusters = "; ".join(
        f"{name} {q['num_clusters']} clusters"
        + (
            f" ({q['num_below_shots']} smaller than a batch's shots)"
            if q["num_below_shots"]
            else ""
        )
        + f", {q['num_outliers']} outliers"
        + (f", ARI {q['adjusted_rand_index']:.2f}" if "adjusted_rand_index" in q else "")
        for name, q in row["clusters"].items()
    )
    scores = "; ".join(
        f"{name}: Rank-1 {100 * s['cmc'][0]:.1f} mAP {100 * s['mean_ap']:.1f}"
        for name, s in row.get("evaluation", {}).items()
    )
    time_line = ", ".join(f"{name} {s:.1f} s" for name, s in seconds.items())
    lines = [f"{head}: loss {row['losses']['loss']:.3f}; {clusters}"]
    if scores:
        lines.append(f"    {scores}")
    lines.append(f"    {time_line}; run done in about {clock(left_s)}")
    return "\n".join(lines)


def report(config: Any, workdir: str | Path) -> dict[str, Any]:
    """Print the tables of the untrained and the trained encoder; return the last record."""
    rows = read_records(workdir)
    first, last = rows[0], rows[-1]
    title = f"After {last['epochs_done']} epochs, recipe {last['recipe']}"
    if (Path(workdir) / "changes.jsonl").exists():
        title += ", settings changed on the way (changes.jsonl)"
    if "evaluation" not in last:
        say(
            f"\n{title}: the last epoch was not scored (config.evaluation.every_epochs); "
            "--mode=eval with the same command scores it"
        )
    elif not last["evaluation"]:
        say(
            f"\n{title}: nothing was scored, for nobody's identity is known. An identities.csv in "
            f"{config.data.source} (columns path, identity, camera) names pictures to score"
        )
    else:
        if first["epochs_done"] == 0:
            say("\n" + format_table(scores_of(first), "Untrained encoder"))
        say("\n" + format_table(scores_of(last), f"{title} (the last epoch is the result)"))
    return last


def scores_of(row: dict[str, Any]) -> list[Score]:
    return [Score(**s | {"cmc": np.asarray(s["cmc"])}) for s in row["evaluation"].values()]
