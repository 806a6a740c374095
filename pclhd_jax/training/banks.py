"""The prototype banks of an epoch, from its features and labels."""

from functools import partial
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.method.prototypes import PrototypeBank, build_bank, num_rows
from pclhd_jax.method.step_data import Banks
from pclhd_jax.processes.exchange import same_as_first
from pclhd_jax.processes.mesh import replicate
from pclhd_jax.settings.schedule import When
from pclhd_jax.system.device_memory import SMALLER_RUN, fits
from pclhd_jax.training.features import Features
from pclhd_jax.training.keys import BANK_KEY, epoch_key


@fits("building the prototypes", SMALLER_RUN)
def make_banks(
    config: Any,
    mesh: Mesh,
    when: When,
    z: Features,
    momentum_z: Features | None,
    labels: EpochLabels,
) -> Banks:
    """The epoch's prototypes; stage 2 adds dynamic ones (momentum features) and the joint bank.

    On every device, one and the same: sums of many rows may round apart on two of them.
    """
    num_farthest = config.prototypes.num_farthest
    if when.stage == 1:
        banks = Banks(*map(partial(centroid_bank, num_farthest=num_farthest), z, labels[:2]))
    else:
        key = jax.random.fold_in(epoch_key(config.seed, when), BANK_KEY)
        build = partial(
            dynamic_bank,
            num_farthest=num_farthest,
            num_dynamic=config.prototypes.num_dynamic,
        )
        banks = Banks(
            *map(build, z, labels[:2], momentum_z, jax.random.split(key)),
            joint_bank(z, labels, num_farthest) if config.loss.joint else None,
        )
    return replicate(mesh, same_as_first(banks))


jitted_build_bank = jax.jit(build_bank, static_argnames=("rows", "num_farthest", "num_dynamic"))


def centroid_bank(z_ND: np.ndarray, labels_N: np.ndarray, *, num_farthest: int) -> PrototypeBank:
    """Centroid and hard prototypes alone."""
    rows = rows_for(labels_N)
    return jitted_build_bank(z_ND, labels_N, rows=rows, num_dynamic=0, num_farthest=num_farthest)


def dynamic_bank(
    z_ND: np.ndarray,
    labels_N: np.ndarray,
    momentum_z_ND: np.ndarray,
    key: jax.Array,
    *,
    num_farthest: int,
    num_dynamic: int,
) -> PrototypeBank:
    """With dynamic prototypes, of the momentum encoder's features."""
    return jitted_build_bank(
        z_ND,
        labels_N,
        rows=rows_for(labels_N),
        num_dynamic=num_dynamic,
        num_farthest=num_farthest,
        momentum_z_ND=momentum_z_ND,
        key=key,
    )


def joint_bank(z: Features, labels: EpochLabels, num_farthest: int) -> PrototypeBank | None:
    """Of the clusters of both modalities together, if the epoch has any to contrast."""
    if labels.joint_visible_N is None:
        return None
    joint_N = np.concatenate([labels.joint_visible_N, labels.joint_infrared_N])
    return jitted_build_bank(
        np.concatenate(z),
        joint_N,
        rows=rows_for(joint_N),
        num_dynamic=0,
        num_farthest=num_farthest,
        modality_N=np.repeat([0, 1], [len(z.visible_ND), len(z.infrared_ND)]),
    )


def rows_for(labels_N: np.ndarray) -> int:
    return num_rows(int(labels_N.max()) + 1)
