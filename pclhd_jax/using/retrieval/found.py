"""What a search found."""

from typing import NamedTuple

import numpy as np

from pclhd_jax.data.lists import UNKNOWN, Pictures
from pclhd_jax.using.retrieval.search_score import SearchScore


class Found(NamedTuple):
    """indices_QK: rows of the index, best first; distances_QK: None unless re-ranked.

    score: None if it was not computed, as when identities are not known on both sides.
    """

    query: Pictures
    gallery: Pictures
    indices_QK: np.ndarray
    similarities_QK: np.ndarray
    distances_QK: np.ndarray | None
    score: SearchScore | None = None

    def same(self, q: int, row: int) -> bool | None:
        """Whether query q and a row of the index show the same person; None if unknown."""
        pair = self.query.identities_N[q], self.gallery.identities_N[row]
        return None if UNKNOWN in pair else bool(pair[0] == pair[1])
