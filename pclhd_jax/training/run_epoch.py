"""One epoch, from the encoder it finds to the record it leaves."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.clustering.both_modalities import TooFewClusters
from pclhd_jax.method.schedules import learning_rate_at
from pclhd_jax.method.state import TrainState, set_learning_rate
from pclhd_jax.processes.mesh import replicate
from pclhd_jax.processes.progress import say
from pclhd_jax.reports.records import Shown
from pclhd_jax.settings.schedule import When, epochs_before, schedule, title
from pclhd_jax.training.banks import make_banks
from pclhd_jax.training.clusters import (
    cluster_notes,
    label_quality,
    labels_and_momentum_features,
    save_labelling,
)
from pclhd_jax.training.diagnosis import (
    HardPictures,
    gradients_at_start,
    hard_pictures,
    prototype_report,
)
from pclhd_jax.training.experiment import Run, sampling_of
from pclhd_jax.training.features import Features, train_features
from pclhd_jax.training.scores import scores, test_features
from pclhd_jax.training.services import Services
from pclhd_jax.training.sizes_and_rank_lists import sizes_and_rank_lists
from pclhd_jax.training.step_loop import EpochSoFar, mean_metrics, run_steps
from pclhd_jax.training.unfinished import Unfinished


class EpochEnd(NamedTuple):
    state: TrainState
    row: dict[str, Any]  # the record
    hard_pictures: HardPictures  # for the next epoch's report
    show: Callable[[], Shown]  # draws what writers get beside its numbers


def run_epoch(
    run: Run,
    services: Services,
    when: When,
    state: TrainState,
    unfinished: Unfinished,
    hard_before: HardPictures | None = None,
) -> EpochEnd:
    """Labels and banks, steps, evaluation; evaluation sees the encoder as the epoch leaves it.

    unfinished: where the epoch is saved on its way, and from where it goes on.
    hard_before: of the epoch before, if there was one.
    """
    config, watch = run.config, services.watch
    watch.start()
    so_far = unfinished.restore(when, state, run.mesh)
    watch.lap("saves")
    if so_far is None:
        so_far = begin_epoch(run, services, when, state, hard_before)
    else:
        say(f"{title(config, when)}: going on after step {len(so_far.history)}")
    so_far = go_through_steps(run, services, so_far, unfinished)
    watch.lap("steps")
    row = {
        "epochs_done": epochs_before(config, when) + 1,
        "stage": when.stage,
        "epoch": when.epoch,
        "recipe": config.recipe,
        "losses": mean_metrics(so_far.history),
        **so_far.report,
    }
    test_z = None
    if is_scored(config, row["epochs_done"]):
        with unfinished.saved_if_interrupted(so_far):
            test_z = features_to_score(run, services, so_far)
            row["evaluation"] = scores(run.pictures.protocols, test_z)
        watch.lap("scoring")
    shows = partial(sizes_and_rank_lists, run.pictures, so_far.labels, test_z)
    return EpochEnd(so_far.state, row, so_far.hard_pictures, shows)


def begin_epoch(
    run: Run,
    services: Services,
    when: When,
    state: TrainState,
    hard_before: HardPictures | None = None,
) -> EpochSoFar:
    """Features, labels, banks: the order is the method's.

    Labels and banks describe the encoder as the epoch finds it, and the labels stay put
    while it moves.
    """
    config, watch = run.config, services.watch
    # Placed anew, so that the first step of a stage finds what every later step finds.
    state = replicate(run.mesh, set_learning_rate(state, learning_rate(config, when)))
    z = train_features(run, state.online, run.cluster_feature_steps, services.pause)
    watch.lap("features")
    labels, momentum_z = kept_labels_and_momentum_features(run, services, when, state, z)
    clusters = label_quality(config, run.pictures, when, labels)
    for note in cluster_notes(config, when, labels):
        say(f"{title(config, when)}: {note}")
    watch.lap("records")
    banks = make_banks(config, run.mesh, when, z, momentum_z, labels)
    hard = hard_pictures(z, labels)  # by the host, while the devices build the banks
    report = {"clusters": clusters, "prototypes": prototype_report(banks, hard, hard_before)}
    watch.lap("banks")
    so_far = EpochSoFar(when, state, banks, labels, report, hard)
    if config.report_gradients:
        report["gradients"] = gradients_at_start(run, so_far)
        watch.lap("gradients")
    return so_far


def learning_rate(config: Any, when: When) -> float:
    optimizer = config.optimizer
    return learning_rate_at(
        when.epoch,
        start=optimizer.learning_rate,
        decay_every_epochs=optimizer.decay_every_epochs,
        factor=optimizer.decay_factor,
    )


def kept_labels_and_momentum_features(
    run: Run, services: Services, when: When, state: TrainState, z: Features
) -> tuple[EpochLabels, Features | None]:
    """`labels_and_momentum_features`, with the labels and their features left in the workdir."""
    try:
        labels, momentum_z = labels_and_momentum_features(run, services, when, state, z)
    except TooFewClusters:  # what led there can then be looked at
        save_labelling(run, services, when, z, None)
        raise
    services.watch.lap("clustering")
    save_labelling(run, services, when, z, labels)
    services.watch.lap("saves")
    return labels, momentum_z


def go_through_steps(
    run: Run, services: Services, so_far: EpochSoFar, unfinished: Unfinished
) -> EpochSoFar:
    """`run_steps`, of which some are traced, and after which the epoch may be saved."""
    stage = so_far.when.stage
    still_to_come = sampling_of(run.config, stage).batches_per_epoch - len(so_far.history)
    with services.profile.of(stage, still_to_come) as traced:

        def after_step(so_far: EpochSoFar) -> None:
            traced(so_far.history[-1])
            unfinished.after_step(so_far)

        return run_steps(run, so_far, after_step)


def is_scored(config: Any, epochs_done: int) -> bool:
    # [ours] The last epoch is the result; the released program takes the best one on the test set.
    is_last = epochs_done == len(schedule(config))
    return is_last or epochs_done % config.evaluation.every_epochs == 0


def features_to_score(run: Run, services: Services, so_far: EpochSoFar) -> Features | None:
    """Stage 2 hands out its momentum encoder."""
    state = so_far.state
    variables = state.online if so_far.when.stage == 1 else state.momentum
    test_z = test_features(run, variables, services.pause)
    services.watch.lap("test_features")
    return test_z
