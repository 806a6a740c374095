"""k-reciprocal re-ranking: the Jaccard distance of neighbour sets beside the original distance.

Zhong et al., Re-ranking Person Re-identification with k-reciprocal Encoding, CVPR 2017, eq. 12.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix

from pclhd_jax.clustering.jaccard import jaccard_distance
from pclhd_jax.clustering.neighbour_lists import NeighbourLists
from pclhd_jax.evaluation.protocol_score import similarity_blocks


class RerankSettings(NamedTuple):
    """The paper's values. weight: lambda, of the original distance; 1 - lambda of Jaccard's."""

    k1: int = 20
    k2: int = 6
    weight: float = 0.3

    def check(self) -> None:
        """Raises ValueError for k1 or k2 below 1, and lambda outside 0..1."""
        for name, k in (("k1", self.k1), ("k2", self.k2)):
            if k < 1:
                raise ValueError(f"{name} of the re-ranking is {k}; give at least 1")
        if not 0 <= self.weight <= 1:
            raise ValueError(f"lambda is {self.weight}; give a number from 0 to 1")


PUBLISHED = RerankSettings()


class Reranked(NamedTuple):
    """Smallest distance first; equal ones by row number."""

    indices_QK: np.ndarray  # int32
    distances_QK: np.ndarray  # float32
    similarities_QK: np.ndarray  # float32, inner products


def jaccard_of(
    query_QD: np.ndarray, gallery_GD: np.ndarray, settings: RerankSettings = PUBLISHED
) -> csr_matrix:
    """(Q, G) Jaccard distances among queries and gallery together; those not stored are 1.

    As published, the result depends on which queries are searched together.
    Raises ValueError for rows that are not unit (within 1e-3), and as `RerankSettings.check`.
    """
    settings.check()
    both_ND = np.concatenate([query_QD, gallery_GD])
    jaccard_NN = jaccard_distance(both_ND, k1=settings.k1, k2=settings.k2)
    return jaccard_NN[: len(query_QD), len(query_QD) :]


def rerank(
    query_QD: np.ndarray,
    gallery_GD: np.ndarray,
    plain: NeighbourLists,
    settings: RerankSettings = PUBLISHED,
    *,
    jaccard_QG: csr_matrix | None = None,
) -> Reranked:
    """The K nearest of each query by (1 - lambda) d_J + lambda d, exact.

    d_J: the Jaccard distance. d = 1 - z_q.z_g, half the squared L2 distance.
    No Q x G array: a pair whose Jaccard distance is not stored has d_J = 1, and among those of a
    query the K nearest by d are in `plain`. So only stored pairs and `plain` are compared.

    Args:
      query_QD, gallery_GD: unit rows (within 1e-3).
      plain: the K nearest by inner product, as `nearest.nearest` finds them.
      jaccard_QG: by `jaccard_of`, where it is there already.

    Raises as `jaccard_of`.
    """
    settings.check()
    if jaccard_QG is None:
        jaccard_QG = jaccard_of(query_QD, gallery_GD, settings)
    num_queries, K = plain.indices_Nk.shape
    found = Reranked(
        np.empty((num_queries, K), np.int32),
        np.empty((num_queries, K), np.float32),
        np.empty((num_queries, K), np.float32),
    )
    for q in range(num_queries):
        entries = slice(*jaccard_QG.indptr[q : q + 2])
        stored, jaccard = jaccard_QG.indices[entries], jaccard_QG.data[entries]
        columns = np.union1d(stored, plain.indices_Nk[q])
        jaccard_C = np.ones(len(columns), np.float32)
        jaccard_C[np.searchsorted(columns, stored)] = jaccard
        similarity_C = gallery_GD[columns] @ query_QD[q]
        # The products of the plain search, where it has them: one picture, one similarity.
        similarity_C[np.searchsorted(columns, plain.indices_Nk[q])] = plain.similarities_Nk[q]
        distance_C = distances(jaccard_C, similarity_C, settings.weight)
        order = np.argsort(distance_C, kind="stable")[:K]
        for out, values in zip(found, (columns, distance_C, similarity_C), strict=True):
            out[q] = values[order]
    return found


def distances(jaccard: np.ndarray, similarity: np.ndarray, weight: float) -> np.ndarray:
    return (1 - weight) * jaccard + weight * (1 - similarity)


def distance_blocks(
    query_QD: np.ndarray, gallery_GD: np.ndarray, jaccard_QG: csr_matrix, weight: float
) -> Iterator[np.ndarray]:
    """Of every query the distances to the whole gallery, some rows at a time."""
    first = 0
    for similarity_BG in similarity_blocks(query_QD, gallery_GD):
        part = jaccard_QG[first : first + len(similarity_BG)].tocoo()
        jaccard_BG = np.ones_like(similarity_BG)
        jaccard_BG[part.row, part.col] = part.data
        yield distances(jaccard_BG, similarity_BG, weight)
        first += len(similarity_BG)
