"""The upper bound: the same program with the true identities as labels, in place of clusters.

    python -m benchmarks.supervised --config=configs/synthetic.py --workdir=runs/supervised

All flags are those of pclhd_jax.main; the recipe's name gets "-supervised", so that no workdir of
another kind is gone on with. Each person is a cluster of both modalities, matched to
itself, nobody is an outlier; prototypes, terms, schedules and budget stay as they are. What it
scores is what these terms make of perfect labels: a bound for clustering, not for the encoder.
"""

import sys
from pathlib import Path

import numpy as np

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from pclhd_jax import main
from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.method.state import TrainState
from pclhd_jax.settings.schedule import When
from pclhd_jax.training import run_epoch
from pclhd_jax.training.experiment import Run
from pclhd_jax.training.features import Features, train_features
from pclhd_jax.training.run_pictures import RunPictures
from pclhd_jax.training.services import Services


def true_labels(pictures: RunPictures, stage: int) -> EpochLabels:
    """Of the people that both modalities show; a person whom one alone shows takes no part.

    Raises:
      ValueError: a training picture of an unknown person.
    """
    visible_N, infrared_N = pictures.visible_identities_N, pictures.infrared_identities_N
    if min(visible_N.min(), infrared_N.min()) < 0:
        raise ValueError(
            "training pictures of unknown people: a bound by identity needs them all; use a set "
            "whose training identities are known"
        )
    people = np.intersect1d(visible_N, infrared_N)

    def numbered(identities_N: np.ndarray) -> np.ndarray:
        found_N = np.searchsorted(people, identities_N).clip(max=len(people) - 1)
        return np.where(people[found_N] == identities_N, found_N, -1).astype(np.int32)

    labels = EpochLabels(numbered(visible_N), numbered(infrared_N))
    if stage == 1:
        return labels
    themselves = np.arange(len(people), dtype=np.int32)
    return labels._replace(
        visible_to_infrared_K=themselves,
        infrared_to_visible_K=themselves,
        joint_visible_N=labels.visible_N,
        joint_infrared_N=labels.infrared_N,
    )


def true_labels_and_momentum_features(
    run: Run, services: Services, when: When, state: TrainState, z: Features
) -> tuple[EpochLabels, Features | None]:
    """As `training.clusters` has it, but nobody is clustered."""
    labels = true_labels(run.pictures, when.stage)
    if when.stage == 1:
        return labels, None
    return labels, train_features(run, state.momentum, run.feature_steps, services.pause)


def supervised(argv: list[str]) -> None:
    run_epoch.labels_and_momentum_features = true_labels_and_momentum_features
    if main.CONFIG.value is not None:
        main.CONFIG.value.recipe += "-supervised"
    main.main(argv)


if __name__ == "__main__":
    main.run(supervised)
