"""The parts of one epoch, in the order they are called: features, labels, banks, steps, scores."""

import itertools
from collections.abc import Iterator
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from pclhd_jax.batch import Batch, EpochLabels
from pclhd_jax.clustering.epoch import label_apart, label_jointly
from pclhd_jax.clustering.labels import cluster_quality
from pclhd_jax.data.batches import apart_batches, joint_batches
from pclhd_jax.data.loader import prefetch
from pclhd_jax.evaluation.features import extract_features
from pclhd_jax.evaluation.protocols import score
from pclhd_jax.losses import progressive_weights
from pclhd_jax.progress import Progress
from pclhd_jax.prototypes import build_bank, num_rows
from pclhd_jax.run import Run, cluster_settings, sampling_of, schedule
from pclhd_jax.saved_epoch import SavedEpoch, save_epoch
from pclhd_jax.sharding import replicate, shard_batch
from pclhd_jax.state import TrainState
from pclhd_jax.terms import Banks

MODALITIES = ("visible", "infrared")
# Apart from the training steps, whose keys are (seed, stage, epoch, step).
BANK_KEY = 1_000_000


class Features(NamedTuple):
    visible_ND: np.ndarray
    infrared_ND: np.ndarray


def extract(run: Run, variables: Any, images: dict[str, np.ndarray], what: str) -> Features:
    """Features of pictures of each modality, through its own stem."""
    return Features(
        *(
            extract_features(
                run.feature_steps[modality],
                variables,
                images[modality],
                batch_size=run.config.feature_batch_size,
                mesh=run.mesh,
                report=Progress(f"{what}, {modality} features"),
            )
            for modality in MODALITIES
        )
    )


def train_features(run: Run, variables: Any) -> Features:
    pictures = run.work.train
    images = {"visible": pictures.visible_NHWC, "infrared": pictures.infrared_NHWC}
    return extract(run, variables, images, "training")


def label(run: Run, z: Features, stage: int) -> EpochLabels:
    """Pseudo labels; identities take no part."""
    settings = cluster_settings(run.config)
    return (label_apart if stage == 1 else label_jointly)(*z, settings)


def save_labelling(run: Run, z: Features, labels: EpochLabels, stage: int, epoch: int) -> None:
    """Leave labels and the features they were made from in the workdir, for `visualize`."""
    if run.workdir is None:
        return
    epochs_done = schedule(run.config).index((stage, epoch)) + 1
    identities = run.work.visible_identities_N, run.work.infrared_identities_N
    saved = SavedEpoch(*z, labels, *identities, stage, epoch, epochs_done)
    save_epoch(run.workdir, saved, keep=run.config.keep_features)


def label_quality(run: Run, labels: EpochLabels) -> dict[str, dict[str, float]]:
    """Agreement of the pseudo labels with the true identities, for the record only."""
    work = run.work
    pairs = {
        "visible": (labels.visible_N, work.visible_identities_N),
        "infrared": (labels.infrared_N, work.infrared_identities_N),
    }
    if labels.joint_visible_N is not None:
        pairs["joint"] = (
            np.concatenate([labels.joint_visible_N, labels.joint_infrared_N]),
            np.concatenate([work.visible_identities_N, work.infrared_identities_N]),
        )
    return {name: quality_row(*pair) for name, pair in pairs.items()}


def quality_row(labels_N: np.ndarray, identities_N: np.ndarray) -> dict[str, float]:
    """`cluster_quality`; the counts alone where an identity is unknown (-1)."""
    row = cluster_quality(labels_N, identities_N)._asdict()
    if (identities_N < 0).any():
        del row["adjusted_rand_index"], row["normalized_mutual_info"]
    return row


def make_banks(
    run: Run, state: TrainState, z: Features, labels: EpochLabels, stage: int, epoch: int
) -> Banks:
    """The epoch's prototypes; stage 2 adds dynamic ones (momentum features) and the joint bank."""
    prototypes = run.config.prototypes
    build = partial(jitted_build_bank, num_farthest=prototypes.num_farthest)
    if stage == 1:
        visible, infrared = (
            build(z_ND, labels_N, rows=rows_for(labels_N), num_dynamic=0)
            for z_ND, labels_N in zip(z, labels[:2], strict=True)
        )
        return replicate(run.mesh, Banks(visible, infrared))

    momentum_z = train_features(run, state.momentum)
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
        return replicate(run.mesh, Banks(visible, infrared))
    joint_N = np.concatenate([labels.joint_visible_N, labels.joint_infrared_N])
    joint = build(
        np.concatenate(z),
        joint_N,
        rows=rows_for(joint_N),
        num_dynamic=0,
        modality_N=np.repeat([0, 1], [len(z.visible_ND), len(z.infrared_ND)]),
    )
    return replicate(run.mesh, Banks(visible, infrared, joint))


jitted_build_bank = jax.jit(build_bank, static_argnames=("rows", "num_farthest", "num_dynamic"))


def rows_for(labels_N: np.ndarray) -> int:
    return num_rows(int(labels_N.max()) + 1)


def epoch_key(seed: int, stage: int, epoch: int) -> jax.Array:
    """Random keys are derived, never stored: a resumed run draws the same."""
    return jax.random.fold_in(jax.random.fold_in(jax.random.key(seed), stage), epoch)


def epoch_batches(
    run: Run, labels: EpochLabels, stage: int, epoch: int
) -> Iterator[tuple[Batch, ...]]:
    """(batch,) for every step of stage 1, (batch, joint batch or None) for every one of stage 2."""
    rng = np.random.default_rng([run.config.seed, stage, epoch])
    sampling = sampling_of(run.config, stage)
    apart = apart_batches(run.work.train, labels, sampling, rng)
    if stage == 1:
        return zip(apart)
    if labels.joint_visible_N is None:
        return zip(apart, itertools.repeat(None))
    return zip(apart, joint_batches(run.work.train, labels, sampling, rng), strict=True)


def run_steps(
    run: Run,
    state: TrainState,
    banks: Banks,
    labels: EpochLabels,
    stage: int,
    epoch: int,
    what: str,
) -> tuple[TrainState, dict[str, float]]:
    """All steps of an epoch; returns the state and the mean of every metric.

    Raises:
      FloatingPointError: a mean that is not finite; the state is then not to be kept.
    """
    config = run.config
    sampling = sampling_of(config, stage)
    weights = progressive_weights(
        stage,
        epoch,
        stage1=config.loss.stage1_weights,
        stage2=config.loss.stage2_weights,
        ramp_epochs=config.loss.ramp_epochs,
    )
    extra = (weights,) if stage == 1 else (weights, jnp.asarray(epoch % 2 == 1))
    extra = replicate(run.mesh, extra)
    key = epoch_key(config.seed, stage, epoch)
    pictures_per_step = sampling.clusters_per_batch * (
        sampling.visible_shots + sampling.infrared_shots
    )
    progress = Progress(what)
    history = []
    total = sampling.batches_per_epoch
    for i, batches in enumerate(prefetch(epoch_batches(run, labels, stage, epoch))):
        batches = shard_batch(run.mesh, batches)
        state, banks, metrics = run.train_steps[stage](
            state, banks, *batches, *extra, jax.random.fold_in(key, i)
        )
        history.append(metrics)
        if i > 0:
            # One step late: the host reads what is done while the device works on the next.
            history[-2] = jax.device_get(history[-2])
            done = pictures_per_step * stage * i
            progress(done, pictures_per_step * stage * total, f", {loss_note(history[-2])}")
    return state, mean_metrics(jax.device_get(history), what)


def loss_note(metrics: dict[str, Any]) -> str:
    return f"loss {sum(value for name, value in metrics.items() if name.startswith('loss')):.3f}"


def mean_metrics(history: list[dict[str, Any]], what: str) -> dict[str, float]:
    """Means over an epoch's steps, with `loss` the sum of the weighted terms."""
    means = {name: float(np.mean([m[name] for m in history])) for name in history[0]}
    bad = [name for name, value in means.items() if not np.isfinite(value)]
    if bad:
        first = next(
            i for i, m in enumerate(history) if not all(np.isfinite(m[name]) for name in bad)
        )
        raise FloatingPointError(
            f"{what}, step {first}: {', '.join(bad)} not finite; the last checkpoint is intact. "
            "Lower config.optimizer.learning_rate and start in another --workdir"
        )
    loss = sum(value for name, value in means.items() if name.startswith("loss_"))
    return {"loss": loss} | means


def evaluate(run: Run, variables: Any) -> dict[str, dict[str, Any]]:
    """Scores of an encoder by protocol name, as plain numbers; none without a protocol."""
    if not run.work.protocols:
        return {}
    z = extract(run, variables, run.work.test_NHWC, "test")._asdict()
    by_modality = {"visible": z["visible_ND"], "infrared": z["infrared_ND"]}
    scores = {}
    for protocol in run.work.protocols:
        gallery_modality = "visible" if protocol.query_modality == "infrared" else "infrared"
        result = score(
            protocol, by_modality[protocol.query_modality], by_modality[gallery_modality]
        )
        scores[protocol.name] = result._asdict() | {"cmc": result.cmc.tolist()}
    return scores
