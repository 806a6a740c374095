"""The parts of one epoch but its labels and its steps: features, banks, scores."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.epoch.features import Report, extract_features
from pclhd_jax.evaluation.protocols import Protocol, score
from pclhd_jax.experiment import Run
from pclhd_jax.method.prototypes import build_bank, num_rows
from pclhd_jax.method.terms import Banks
from pclhd_jax.processes.exchange import from_first, same_as_first
from pclhd_jax.processes.mesh import replicate
from pclhd_jax.processes.progress import Progress

MODALITIES = ("visible", "infrared")
# Apart from the training steps, whose keys are (seed, stage, epoch, step).
BANK_KEY = 1_000_000


class Features(NamedTuple):
    """Of all pictures of a set: unit rows, or means of them (config.cluster.unit_features)."""

    visible_ND: np.ndarray
    infrared_ND: np.ndarray


def extract(
    run: Run,
    steps: dict[str, Callable],
    variables: Any,
    images: dict[str, np.ndarray],
    what: str,
) -> Features:
    """Features of pictures of each modality, through its own stem. steps: by modality."""

    def report(modality: str) -> Report:
        progress = Progress(f"{what}, {modality} features")

        def between_batches(done: int, total: int) -> None:
            run.pause()
            progress(done, total)

        return between_batches

    return Features(
        *(
            extract_features(
                steps[modality],
                variables,
                images[modality],
                batch_size=run.config.feature_batch_size,
                mesh=run.mesh,
                report=report(modality),
            )
            for modality in MODALITIES
        )
    )


def train_features(run: Run, variables: Any, steps: dict[str, Callable]) -> Features:
    """Of all training pictures. steps: by modality."""
    pictures = run.work.train
    images = {"visible": pictures.visible_NHWC, "infrared": pictures.infrared_NHWC}
    return extract(run, steps, variables, images, "training")


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


def epoch_key(seed: int, stage: int, epoch: int) -> jax.Array:
    """Random keys are derived, never stored: a resumed run draws the same."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), stage), epoch)


def evaluate(run: Run, variables: Any) -> dict[str, dict[str, Any]]:
    """Scores of an encoder by protocol name, as plain numbers; none without a protocol."""
    if not run.work.protocols:
        return {}
    z = extract(run, run.feature_steps, variables, run.work.test_NHWC, "test")
    return from_first(score_all, run.work.protocols, z)


def score_all(protocols: list[Protocol], z: Features) -> dict[str, dict[str, Any]]:
    by_modality = {"visible": z.visible_ND, "infrared": z.infrared_ND}
    scores = {}
    for protocol in protocols:
        gallery_modality = "visible" if protocol.query_modality == "infrared" else "infrared"
        result = score(
            protocol, by_modality[protocol.query_modality], by_modality[gallery_modality]
        )
        scores[protocol.name] = result._asdict() | {"cmc": result.cmc.tolist()}
    return scores
