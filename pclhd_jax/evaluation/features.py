"""Features of many pictures: batches of one size through one compiled step."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh

from pclhd_jax.sharding import readable, shard_batch

Report = Callable[[int, int], None]


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

    images_NHWC: uint8.

    step: `steps.feature_step` of the pictures' modality, jitted. The last batch is filled
    up with copies of its first picture, so that one compilation serves all.
    """
    N = len(images_NHWC)
    outputs = []
    for start in range(0, N, batch_size):
        chunk_BHWC = images_NHWC[start : start + batch_size]
        missing = batch_size - len(chunk_BHWC)
        if missing:
            filler_BHWC = np.repeat(chunk_BHWC[:1], missing, axis=0)
            chunk_BHWC = np.concatenate([chunk_BHWC, filler_BHWC])
        images_BHWC = shard_batch(mesh, np.ascontiguousarray(chunk_BHWC))
        outputs.append(readable(step(variables, images_BHWC)))
        # Fetch one batch late: the device works on the next one meanwhile.
        if len(outputs) > 1:
            outputs[-2] = np.asarray(outputs[-2])
        if report is not None:
            report(min(start + batch_size, N), N)
    return np.concatenate([np.asarray(z_BD) for z_BD in outputs])[:N]
