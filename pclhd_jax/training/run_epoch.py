"""One epoch, from the encoder it finds to the record it leaves."""

import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from pclhd_jax.clustering.both_modalities import TooFewClusters
from pclhd_jax.method.schedules import learning_rate_at
from pclhd_jax.method.state import TrainState, set_learning_rate
from pclhd_jax.processes.mesh import replicate
from pclhd_jax.processes.progress import say
from pclhd_jax.reports.curves import Shown
from pclhd_jax.settings.sections import schedule
from pclhd_jax.training.banks import make_banks
from pclhd_jax.training.clusters import (
    cluster_notes,
    label_quality,
    labels_and_momentum_features,
    save_labelling,
)
from pclhd_jax.training.diagnosis import HardPictures, epoch_report
from pclhd_jax.training.experiment import Run, sampling_of
from pclhd_jax.training.features import train_features
from pclhd_jax.training.profile import Profile
from pclhd_jax.training.scores import scores, test_features
from pclhd_jax.training.show import show
from pclhd_jax.training.step_loop import EpochSoFar, mean_metrics, run_steps
from pclhd_jax.training.unfinished import Unfinished


class EpochEnd(NamedTuple):
    state: TrainState
    row: dict[str, Any]  # the record
    watch: "Stopwatch"  # of its parts
    hard_pictures: HardPictures  # for the next epoch's report
    show: Callable[[], Shown]  # draws what TensorBoard gets beside


def run_epoch(
    run: Run,
    state: TrainState,
    stage: int,
    epoch: int,
    unfinished: Unfinished,
    hard_before: HardPictures | None = None,
) -> EpochEnd:
    """Labels and banks, steps, evaluation; evaluation sees the encoder as the epoch leaves it.

    unfinished: where the epoch is saved on its way, and from where it goes on.
    hard_before: of the epoch before, if there was one.
    """
    config = run.config
    what = f"stage {stage} epoch {epoch + 1}/{getattr(config, f'stage{stage}').epochs}"
    before = schedule(config).index((stage, epoch))
    watch = Stopwatch()
    run.waiting.start()
    with run.waiting.on("saves"):
        so_far = unfinished.restore(before, state, run.mesh)
    if so_far is None:
        so_far = begin_epoch(run, state, stage, epoch, what, watch, hard_before)
    else:
        say(f"{what}: going on after step {len(so_far.history)}")
        watch.lap("restored")

    steps = sampling_of(config, stage).batches_per_epoch
    profile = run.profile or Profile()
    with profile.of(stage, steps - len(so_far.history)) as traced:

        def after_step(so_far: EpochSoFar) -> None:
            traced(so_far.history[-1])
            unfinished.after_step(before, so_far, what, steps)

        so_far = run_steps(run, so_far, stage, epoch, what, after_step)
    watch.lap("steps")
    row = {
        "epochs_done": before + 1,
        "stage": stage,
        "epoch": epoch,
        "recipe": config.recipe,
        "losses": mean_metrics(so_far.history),
        **so_far.report,
    }
    # [ours] the last epoch is the result; the released program takes the best one on the test set.
    test_z = None
    is_last = before + 1 == len(schedule(config))
    if is_last or (before + 1) % config.evaluation.every_epochs == 0:
        # Stage 2 hands out its momentum encoder.
        variables = so_far.state.online if stage == 1 else so_far.state.momentum
        with unfinished.saved_if_interrupted(before, so_far, what):
            test_z = test_features(run, variables)
            row["evaluation"] = {} if test_z is None else scores(run, test_z)
        watch.lap("evaluation")
    shows = partial(show, run, so_far.labels, test_z)
    return EpochEnd(so_far.state, row, watch, so_far.hard_pictures, shows)


def begin_epoch(
    run: Run,
    state: TrainState,
    stage: int,
    epoch: int,
    what: str,
    watch: "Stopwatch",
    hard_before: HardPictures | None,
) -> EpochSoFar:
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
    z = train_features(run, state.online, run.cluster_feature_steps)
    watch.lap("features")
    try:
        labels, momentum_z = labels_and_momentum_features(run, state, z, stage, epoch)
    except TooFewClusters:  # what led there can then be looked at
        save_labelling(run, z, None, stage, epoch)
        raise
    with run.waiting.on("saves"):
        save_labelling(run, z, labels, stage, epoch)
    with run.waiting.on("records"):
        clusters = label_quality(run, labels, stage)
    for note in cluster_notes(run, labels, stage, epoch):
        say(f"{what}: {note}")
    watch.lap("labels")
    banks = make_banks(run, z, momentum_z, labels, stage, epoch)
    watch.lap("banks")
    report, hard = epoch_report(run, state, z, labels, banks, hard_before, stage, epoch)
    watch.lap("report")
    return EpochSoFar(state, banks, labels, {"clusters": clusters} | report, hard)


class Stopwatch:
    """Seconds of the parts of an epoch."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.last = time.monotonic()

    def lap(self, name: str) -> None:
        now = time.monotonic()
        self.seconds[name] = round(now - self.last, 3)
        self.last = now
