"""The steps of one epoch: batches in, metrics out, and a place to stop after each."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

import jax
import numpy as np

from pclhd_jax.batches.apart_and_joint import (
    Sampling,
    TrainPictures,
    apart_batches,
    joint_batches,
)
from pclhd_jax.batches.batch import Batches, EpochLabels
from pclhd_jax.method.schedules import epoch_inputs
from pclhd_jax.method.state import TrainState
from pclhd_jax.method.step_data import Banks
from pclhd_jax.processes.mesh import replicate
from pclhd_jax.processes.progress import Progress
from pclhd_jax.settings.schedule import When, title
from pclhd_jax.system.device_memory import SMALLER_RUN, fits
from pclhd_jax.training.experiment import Run, sampling_of
from pclhd_jax.training.feed import Feed
from pclhd_jax.training.keys import epoch_key


class EpochSoFar(NamedTuple):
    """An epoch after some of its steps: all that the steps still to come need."""

    when: When
    state: TrainState
    banks: Banks
    labels: EpochLabels
    report: dict[str, Any]  # what the record holds of labels and banks
    hard_pictures: dict[str, list[int]]  # by modality, for the next epoch's report
    history: tuple[dict[str, Any], ...] = ()  # metrics of every step so far, the last on the device


@fits("training", SMALLER_RUN)
def run_steps(
    run: Run,
    so_far: EpochSoFar,
    after_step: Callable[[EpochSoFar], None] = lambda so_far: None,
) -> EpochSoFar:
    """The steps of the epoch that `so_far` has not done yet.

    after_step: called with the epoch so far; may save it, and may raise to stop.

    Raises:
      FloatingPointError: a metric that is not finite, one step after it arose; the state is then
        not to be kept.
    """
    config, when, what = run.config, so_far.when, title(run.config, so_far.when)
    inputs = replicate(run.mesh, epoch_inputs(when, config.loss))
    key = epoch_key(config.seed, when)
    batches = epoch_batches(config, run.pictures.train, so_far)
    with Feed(run.mesh, batches) as feed, closing(progress_of(config, so_far)) as progress:
        for i, step_batches in enumerate(feed, len(so_far.history)):
            with jax.profiler.StepTraceAnnotation("step", step_num=i):
                state, banks, metrics = run.train_steps[when.stage](
                    so_far.state,
                    so_far.banks,
                    step_batches,
                    inputs,
                    jax.random.fold_in(key, i),
                )
            feed.given(metrics)
            # One step late: the host reads what is done while the device works on the next.
            history = finite_history(so_far.history, what)
            so_far = so_far._replace(state=state, banks=banks, history=(*history, metrics))
            progress.after(history)
            after_step(so_far)
    return so_far._replace(history=finite_history(so_far.history, what))


class StepProgress(Progress):
    """Pictures that the steps of this start of the epoch took, with the loss."""

    def __init__(self, what: str, sampling: Sampling, has_joint: bool, first: int):
        super().__init__(what)
        shots = sampling.visible_shots + sampling.infrared_shots
        self.pictures = (1 + has_joint) * sampling.clusters_per_batch * shots
        self.first, self.steps = first, sampling.batches_per_epoch - first

    def after(self, history: tuple[dict[str, Any], ...]) -> None:
        """history: metrics on the host, of all steps but the one under way."""
        if done := len(history) - self.first:
            note = f", {loss_note(history[-1])}"
            self(self.pictures * done, self.pictures * self.steps, note)


def progress_of(config: Any, so_far: EpochSoFar) -> StepProgress:
    when, first = so_far.when, len(so_far.history)
    has_joint = when.stage == 2 and not joint_rests(config, so_far.labels)
    return StepProgress(title(config, when), sampling_of(config, when.stage), has_joint, first)


def epoch_batches(config: Any, pictures: TrainPictures, so_far: EpochSoFar) -> Iterator[Batches]:
    """Of the steps still to come."""
    (stage, epoch), labels, first = so_far.when, so_far.labels, len(so_far.history)
    rng = np.random.default_rng([config.seed, stage, epoch])
    sampling = sampling_of(config, stage)
    apart = apart_batches(pictures, labels, sampling, rng, first)
    if stage == 1 or joint_rests(config, labels):
        return map(Batches, apart)
    return map(Batches, apart, joint_batches(pictures, labels, sampling, rng, first))


def joint_rests(config: Any, labels: EpochLabels) -> bool:
    """Whether stage 2 does without the joint step: left out, or nothing to contrast this epoch."""
    return labels.joint_visible_N is None or not config.loss.joint


def finite_history(history: tuple[dict[str, Any], ...], what: str) -> tuple[dict[str, Any], ...]:
    """With the last step's metrics on the host, and finite. Raises as `run_steps`."""
    if not history:
        return history
    last = jax.device_get(history[-1])
    bad = [name for name, value in last.items() if not np.isfinite(value)]
    if bad:
        raise FloatingPointError(
            f"{what}, step {len(history) - 1}: {', '.join(bad)} not finite; nothing of it was "
            "saved, and the last checkpoint is intact. Lower config.optimizer.learning_rate and "
            "start in another --workdir"
        )
    return (*history[:-1], last)


def loss_note(metrics: dict[str, Any]) -> str:
    return f"loss {sum(value for name, value in metrics.items() if name.startswith('loss')):.3f}"


def mean_metrics(history: tuple[dict[str, Any], ...]) -> dict[str, float]:
    """Means over an epoch's steps, with `loss` the sum of the weighted terms."""
    means = {name: float(np.mean([m[name] for m in history])) for name in history[0]}
    loss = sum(value for name, value in means.items() if name.startswith("loss_"))
    return {"loss": loss} | means
