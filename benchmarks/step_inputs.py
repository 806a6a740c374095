"""Arrays for a step of training, random ones, of the shapes that an experiment gives them."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from benchmarks.programs import CLUSTERS, Program
from pclhd_jax.batches.batch import Batch, Batches
from pclhd_jax.method.prototypes import PrototypeBank
from pclhd_jax.method.schedules import EpochInputs, epoch_inputs
from pclhd_jax.method.state import TrainState, init_state, make_optimizer, set_learning_rate
from pclhd_jax.method.step_data import Banks
from pclhd_jax.settings.schedule import When
from pclhd_jax.settings.sections import Settings
from pclhd_jax.training.experiment import make_model, sampling_of


class StepInputs(NamedTuple):
    """state: on the device; the rest NumPy's."""

    state: TrainState
    banks: Banks
    batches: Batches
    by_epoch: EpochInputs


def clusters_of(settings: Settings) -> tuple[int, int, int]:
    """Of visible, infrared and both: a synthetic set's people, else what SYSU-MM01 may fill."""
    drawn = settings.data.synthetic
    return CLUSTERS if drawn is None else (drawn.train_ids + drawn.val_ids,) * 3


def step_inputs(
    settings: Settings, stage: int, program: Program, clusters: Sequence[int]
) -> StepInputs:
    """program: of the stage, with the shapes. clusters: live rows of the three banks."""
    rng = np.random.default_rng([settings.seed, stage])
    banks, sampling = program.shapes[1], sampling_of(settings, stage)
    batches = program.shapes[2]
    fill = partial(filled_batch, rng, per_batch=sampling.clusters_per_batch)
    own = clusters[:2]
    last = getattr(settings, f"stage{stage}").epochs
    by_epoch = epoch_inputs(When(stage, last), settings.loss)
    return StepInputs(
        start(settings),
        Banks(
            *(
                None if bank is None else filled_bank(rng, bank, live)
                for bank, live in zip(banks, clusters, strict=True)
            )
        ),
        Batches(
            fill(batches.apart, own),
            None if batches.joint is None else fill(batches.joint, (clusters[2],) * 2),
        ),
        by_epoch._replace(infrared_crosses=np.bool_(True)),
    )


def start(settings: Settings) -> TrainState:
    tx = make_optimizer(settings.optimizer.weight_decay)
    size = {"height": settings.data.height, "width": settings.data.width}
    state = init_state(make_model(settings), tx, **size, key=jax.random.key(settings.seed))
    return set_learning_rate(state, settings.optimizer.learning_rate)


def filled_bank(rng: np.random.Generator, bank: PrototypeBank, live: int) -> PrototypeBank:
    """bank: of shapes."""

    def rows(like: Any) -> np.ndarray:
        x = rng.standard_normal(like.shape, np.float32)
        x[live:] = 0
        return x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-12)

    prototypes = map(rows, (bank.centroid_KD, bank.hard_KD, bank.dynamic_KSD))
    return PrototypeBank(*prototypes, np.arange(len(bank.live_K)) < live)


def filled_batch(
    rng: np.random.Generator, batch: Batch, clusters: Sequence[int], per_batch: int
) -> Batch:
    """batch: of shapes. clusters: that the labels of each modality may name."""

    def labels(like: Any, num_clusters: int) -> np.ndarray:
        drawn_P = rng.permutation(num_clusters)[:per_batch].astype(np.int32)
        drawn_P = np.resize(drawn_P, per_batch)  # fewer clusters than a batch asks for: some twice
        return np.repeat(drawn_P, like.shape[0] // per_batch)

    matches = zip(batch[4:], clusters[::-1], strict=True)  # rows of the other modality's bank
    return Batch(
        *(rng.integers(0, 256, like.shape, np.uint8) for like in batch[:2]),
        *map(labels, batch[2:4], clusters),
        *(None if like is None else labels(like, n) for like, n in matches),
    )
