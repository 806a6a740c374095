"""Features of many pictures: batches of one size through one compiled step."""

from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from pclhd_jax.batches.prefetch import prefetch
from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.processes.mesh import readable, shard_batch
from pclhd_jax.processes.progress import Progress
from pclhd_jax.processes.waiting import Waiting
from pclhd_jax.system.device_memory import SMALLER_FEATURES, fits
from pclhd_jax.training.experiment import Run

Report = Callable[[int, int], None]


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
                waiting=run.waiting,
            )
            for modality in MODALITIES
        )
    )


def train_features(run: Run, variables: Any, steps: dict[str, Callable]) -> Features:
    """Of all training pictures. steps: by modality."""
    pictures = run.pictures.train
    images = {"visible": pictures.visible_NHWC, "infrared": pictures.infrared_NHWC}
    return extract(run, steps, variables, images, "training")


@fits("extracting features", SMALLER_FEATURES)
def extract_features(
    step: Callable[[Any, jax.Array], jax.Array],
    variables: Any,
    images_NHWC: np.ndarray,
    *,
    batch_size: int,
    mesh: Mesh,
    report: Report | None = None,
    waiting: Waiting | None = None,
) -> np.ndarray:
    """(N, D) float32 features on the host, as `step` makes them, in the order of `images_NHWC`.

    images_NHWC: uint8. step: `steps.feature_step` of the pictures' modality, jitted.
    waiting: told what the device waits for.
    """
    N, outputs, waiting = len(images_NHWC), [], waiting or Waiting()
    with closing(prefetch(filled_batches(images_NHWC, batch_size), 1, waiting.look)) as batches:
        for _ in range(0, N, batch_size):
            with waiting.on("pictures"):
                images_BHWC = shard_batch(mesh, next(batches))
            outputs.append(readable(step(variables, images_BHWC)))
            waiting.given(outputs[-1])
            # Fetch one batch late: the device works on the next one meanwhile.
            if len(outputs) > 1:
                outputs[-2] = np.asarray(outputs[-2])
            if report is not None:
                report(min(len(outputs) * batch_size, N), N)
    return np.concatenate([np.asarray(z_BD) for z_BD in outputs])[:N]


def filled_batches(images_NHWC: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """The last one filled up with copies of its first picture: one compilation serves all."""
    for start in range(0, len(images_NHWC), batch_size):
        chunk_BHWC = images_NHWC[start : start + batch_size]
        filler_BHWC = np.repeat(chunk_BHWC[:1], batch_size - len(chunk_BHWC), axis=0)
        yield np.concatenate([chunk_BHWC, filler_BHWC])
