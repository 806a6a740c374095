"""The prototype banks of an epoch, from its features and labels."""

from functools import partial

import jax
import numpy as np

from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.epoch.features import Features
from pclhd_jax.epoch.keys import BANK_KEY, epoch_key
from pclhd_jax.experiment import Run
from pclhd_jax.method.prototypes import build_bank, num_rows
from pclhd_jax.method.terms import Banks
from pclhd_jax.processes.exchange import same_as_first
from pclhd_jax.processes.mesh import replicate


def make_banks(
    run: Run,
    z: Features,
    momentum_z: Features | None,
    labels: EpochLabels,
    stage: int,
    epoch: int,
) -> Banks:
    """The epoch's prototypes; stage 2 adds dynamic ones (momentum features) and the joint bank."""
    prototypes = run.config.prototypes
    build = partial(jitted_build_bank, num_farthest=prototypes.num_farthest)
    if stage == 1:
        visible, infrared = (
            build(z_ND, labels_N, rows=rows_for(labels_N), num_dynamic=0)
            for z_ND, labels_N in zip(z, labels[:2], strict=True)
        )
        return placed_banks(run, Banks(visible, infrared))

    key = jax.random.fold_in(epoch_key(run.config.seed, stage, epoch), BANK_KEY)
    visible, infrared = (
        build(
            z_ND,
            labels_N,
            rows=rows_for(labels_N),
            num_dynamic=prototypes.num_dynamic,
            momentum_z_ND=momentum_z_ND,
            key=bank_key,
        )
        for z_ND, labels_N, momentum_z_ND, bank_key in zip(
            z, labels[:2], momentum_z, jax.random.split(key), strict=True
        )
    )
    if labels.joint_visible_N is None:
        return placed_banks(run, Banks(visible, infrared))
    joint_N = np.concatenate([labels.joint_visible_N, labels.joint_infrared_N])
    joint = build(
        np.concatenate(z),
        joint_N,
        rows=rows_for(joint_N),
        num_dynamic=0,
        modality_N=np.repeat([0, 1], [len(z.visible_ND), len(z.infrared_ND)]),
    )
    return placed_banks(run, Banks(visible, infrared, joint))


def placed_banks(run: Run, banks: Banks) -> Banks:
    """On every device, one and the same: sums of many rows may round apart on two of them."""
    return replicate(run.mesh, same_as_first(banks))


jitted_build_bank = jax.jit(build_bank, static_argnames=("rows", "num_farthest", "num_dynamic"))


def rows_for(labels_N: np.ndarray) -> int:
    return num_rows(int(labels_N.max()) + 1)
