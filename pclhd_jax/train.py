"""The two stages and the order of one epoch."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from pclhd_jax.checkpoint import Checkpoints, latest_epoch
from pclhd_jax.epoch import (
    evaluate,
    label_quality,
    labels_and_momentum_features,
    make_banks,
    run_steps,
    train_features,
)
from pclhd_jax.evaluation.protocols import Score, format_table
from pclhd_jax.progress import clock, say
from pclhd_jax.records import Records, check_pictures, check_workdir, read_records, start_workdir
from pclhd_jax.run import Run, fresh_state, schedule, start_run, starting_weights, state_shapes
from pclhd_jax.sharding import replicate
from pclhd_jax.starting_weights import NO_WEIGHTS
from pclhd_jax.state import TrainState, hand_over, learning_rate_at, set_learning_rate


def train_and_evaluate(config: Any, workdir: str | Path) -> dict[str, Any]:
    """Run both stages, resuming where `workdir` left off.

    config: an ml_collections.ConfigDict as `configs/` makes them.
    Returns the last epoch's record: losses, cluster quality, scores by protocol name.
    Leaves `config.json`, `metrics.jsonl`, `timing.jsonl`, TensorBoard curves and Orbax
    checkpoints in `workdir`.

    Raises:
      ValueError: settings, weights or data that cannot work, with the remedy; a workdir
        that belongs to other settings.
      FileNotFoundError: a file or folder that the settings name.
      FloatingPointError: a loss that is not finite.
      DamagedCheckpoint: a ValueError; no checkpoint holds what was saved.
      OSError: the disk is full, or refuses; what was saved before is intact.
    """
    # What cannot work is found before it costs minutes, and leaves no workdir behind.
    check_workdir(workdir, config.to_dict())
    epochs_done = latest_epoch(workdir) or 0
    weights = {} if epochs_done else starting_weights(config)
    if not (epochs_done or weights or "synthetic" in config.data):
        say(NO_WEIGHTS)
    run = start_run(config)
    workdir = start_workdir(workdir, config.to_dict())
    check_pictures(workdir, run.work.digests)
    epochs = schedule(config)
    with Checkpoints(workdir, keep=config.keep_checkpoints) as checkpoints:
        if epochs_done:
            restored = checkpoints.restore_newest(
                lambda _: state_shapes(config), run.mesh, set_aside=True
            )
            epochs_done, state = restored.id, restored.state
            say(f"resuming {workdir} after epoch {epochs_done} of {len(epochs)}")
        else:
            state = fresh_state(run, weights)
        records = Records(workdir, epochs_done=epochs_done)
        if not epochs_done and not records.has_rows:
            if run.work.protocols:
                say("scoring the untrained encoder")
            records.write({"epochs_done": 0, "evaluation": evaluate(run, state.online)})
        remaining = Remaining(config, epochs_done)
        for stage, epoch in epochs[epochs_done:]:
            if (stage, epoch) == (2, 0):
                state = hand_over(state, run.tx)
            state, row, seconds = run_epoch(run, state, stage, epoch)
            say(describe(row, seconds, remaining.after(stage, seconds)))
            # The record goes first: on resume a line without its checkpoint is dropped,
            # but a checkpoint without its line could not be completed.
            records.write(row, seconds)
            checkpoints.save(row["epochs_done"], state, {"stage": stage, "epoch": epoch})
        records.close()
    return report(config, workdir)


def run_epoch(
    run: Run, state: TrainState, stage: int, epoch: int
) -> tuple[TrainState, dict[str, Any], dict[str, float]]:
    """Features, labels, banks, steps, evaluation: the order is the method's.

    Labels and banks describe the encoder as the epoch finds it, and the labels stay put
    while it moves; evaluation sees the encoder as the epoch leaves it.
    Returns the state, the record, and the seconds of each part.
    """
    config = run.config
    what = f"stage {stage} epoch {epoch + 1}/{config[f'stage{stage}'].epochs}"
    watch = Stopwatch()
    rate = learning_rate_at(
        epoch,
        start=config.optimizer.learning_rate,
        decay_every_epochs=config.optimizer.decay_every_epochs,
        factor=config.optimizer.decay_factor,
    )
    # Placed anew, so that the first step of a stage finds what every later step finds.
    state = replicate(run.mesh, set_learning_rate(state, rate))
    z = train_features(run, state.online)
    watch.lap("features")
    labels, momentum_z = labels_and_momentum_features(run, state, z, stage)
    watch.lap("labels")
    banks = make_banks(run, z, momentum_z, labels, stage, epoch)
    watch.lap("banks")
    state, losses = run_steps(run, state, banks, labels, stage, epoch, what)
    watch.lap("steps")

    epochs_done = schedule(config).index((stage, epoch)) + 1
    row = {
        "epochs_done": epochs_done,
        "stage": stage,
        "epoch": epoch,
        "recipe": config.recipe,
        "losses": losses,
        "clusters": label_quality(run, labels),
    }
    # [ours] the last epoch is the result; the released program takes the best one on the test set.
    is_last = epochs_done == len(schedule(config))
    if is_last or epochs_done % config.evaluation.every_epochs == 0:
        # Stage 2 hands out its momentum encoder.
        row["evaluation"] = evaluate(run, state.online if stage == 1 else state.momentum)
        watch.lap("evaluation")
    return state, row, watch.seconds


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
        f"{name} {q['num_clusters']} clusters, {q['num_outliers']} outliers"
        + (f", ARI {q['adjusted_rand_index']:.2f}" if "adjusted_rand_index" in q else "")
        for name, q in row["clusters"].items()
    )
    scores = "; ".join(
        f"{name}: Rank-1 {100 * s['cmc'][0]:.1f} mAP {100 * s['mean_ap']:.1f}"
        for name, s in row.get("evaluation", {}).items()
    )
    time_line = ", ".join(f"{name} {s:.1f} s" for name, s in seconds.items())
    lines = [f"{head}: loss {row['losses']['loss']:.3f}; {clusters}"]
    if row["stage"] == 2 and "joint" not in row["clusters"]:
        lines.append(
            "    fewer than 2 joint clusters held both modalities: no joint term this epoch"
        )
    if scores:
        lines.append(f"    {scores}")
    lines.append(f"    {time_line}; run done in about {clock(left_s)}")
    return "\n".join(lines)


def report(config: Any, workdir: Path) -> dict[str, Any]:
    """Print the tables of the untrained and the trained encoder; return the last record."""
    rows = [row for row in read_records(workdir) if "evaluation" in row]
    first, last = rows[0], rows[-1]
    if not last["evaluation"]:
        say(
            f"\nAfter {last['epochs_done']} epochs, recipe {config.recipe}: nothing was scored, "
            f"for nobody's identity is known. An identities.csv in {config.data.source} (columns "
            "path, identity, camera) names pictures to score"
        )
        return last
    say("\n" + format_table(scores_of(first), "Untrained encoder"))
    title = (
        f"After {last['epochs_done']} epochs, recipe {config.recipe} (the last epoch is the result)"
    )
    say("\n" + format_table(scores_of(last), title))
    return last


def scores_of(row: dict[str, Any]) -> list[Score]:
    return [Score(**s | {"cmc": np.asarray(s["cmc"])}) for s in row["evaluation"].values()]
