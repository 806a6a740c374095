"""Features of many pictures: batches of one size through one compiled step."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh

from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.processes.mesh import readable
from pclhd_jax.processes.progress import Progress
from pclhd_jax.system.device_memory import SMALLER_FEATURES, fits
from pclhd_jax.training.experiment import Run
from pclhd_jax.training.feed import Feed

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
    pause: Callable[[], None],
) -> Features:
    """Features of pictures of each modality, through its own stem.

    steps, images: by modality. pause: called after each batch; may raise to stop.
    """

    def report(modality: str) -> Report:
        progress = Progress(f"{what}, {modality} features")

        def between_batches(done: int, total: int) -> None:
            pause()
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


def train_features(
    run: Run, variables: Any, steps: dict[str, Callable], pause: Callable[[], None]
) -> Features:
    """Of all training pictures. steps, pause: as for `extract`."""
    pictures = run.pictures.train
    images = {"visible": pictures.visible_NHWC, "infrared": pictures.infrared_NHWC}
    return extract(run, steps, variables, images, "training", pause)


@fits("extracting features", SMALLER_FEATURES)
def extract_features(
    step: Callable[[Any, jax.Array], jax.Array],
    variables: Any,
    images_NHWC: np.ndarray,
    *,
    batch_size: int,
    mesh: Mesh,
    report: Report | None = None,
) -> np.ndarray:
    """(N, D) float32 features on the host, as `step` makes them, in the order of `images_NHWC`.

    images_NHWC: uint8. step: `steps.feature_step` of the pictures' modality, jitted.
    """
    N, outputs = len(images_NHWC), []
    with Feed(mesh, filled_batches(images_NHWC, batch_size), ahead=1) as feed:
        for images_BHWC in feed:
            outputs.append(readable(step(variables, images_BHWC)))
            feed.given(outputs[-1])
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
