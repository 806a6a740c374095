"""Ends of a histogram's bins, for whole numbers."""

import numpy as np

MOST_BINS = 64


def edges_of(size_K: np.ndarray) -> np.ndarray:
    """Ends of the bins: one for each size, or `MOST_BINS` of equal width."""
    low, high = size_K.min() - 0.5, size_K.max() + 0.5
    return np.linspace(low, high, min(MOST_BINS, int(high - low)) + 1)
