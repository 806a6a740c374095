"""Unit rows, and the sizes of a small bank of prototypes."""

import numpy as np

ROWS, D, S = 7, 5, 4


def normalised(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def unit_rows(rng, *shape):
    return normalised(rng.normal(size=shape)).astype(np.float32)
