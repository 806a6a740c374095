"""Re-ranking against a naive dense version: all pairs, all distances, one sort."""

import numpy as np
import pytest

from pclhd_jax.using.retrieval.nearest import nearest
from pclhd_jax.using.retrieval.rerank import RerankSettings, distance_blocks, jaccard_of, rerank
from tests.helpers.dense_jaccard import dense_jaccard, people


def sides():
    z_ND = people(60, 8, 0.6)
    return z_ND[:14], z_ND[14:]


def naive(query_QD, gallery_GD, settings):
    """(Q, G) distances: eq. 12 of the paper, with eq. 1 to 11 by `dense_jaccard`."""
    both_ND = np.concatenate([query_QD, gallery_GD])
    jaccard_NN = dense_jaccard(both_ND, k1=settings.k1, k2=settings.k2)
    both_ND = both_ND.astype(np.float64)
    original_NN = ((both_ND[:, None] - both_ND[None]) ** 2).sum(axis=2) / 2
    final_NN = (1 - settings.weight) * jaccard_NN + settings.weight * original_NN
    return final_NN[: len(query_QD), len(query_QD) :]


@pytest.mark.parametrize("k", [1, 5, 46])
@pytest.mark.parametrize(
    "settings", [RerankSettings(6, 3, 0.3), RerankSettings(4, 1, 0.8), RerankSettings(20, 6, 0.3)]
)
def test_the_best_are_those_of_the_dense_definition(settings, k):
    query_QD, gallery_GD = sides()
    found = rerank(query_QD, gallery_GD, nearest(query_QD, gallery_GD, k), settings)
    dense_QG = naive(query_QD, gallery_GD, settings)
    order_QK = np.argsort(dense_QG, axis=1, kind="stable")[:, :k]
    np.testing.assert_allclose(
        found.distances_QK, np.take_along_axis(dense_QG, order_QK, axis=1), atol=2e-6
    )
    np.testing.assert_array_equal(found.indices_QK, order_QK)
    inner_QG = query_QD @ gallery_GD.T
    np.testing.assert_allclose(
        found.similarities_QK, np.take_along_axis(inner_QG, order_QK, axis=1), atol=1e-6
    )


def test_the_distances_to_the_whole_gallery_are_those_of_the_dense_definition(monkeypatch):
    monkeypatch.setattr("pclhd_jax.evaluation.protocol_score._BLOCK_CELLS", 46 * 5)
    query_QD, gallery_GD = sides()
    settings = RerankSettings(6, 3, 0.3)
    jaccard_QG = jaccard_of(query_QD, gallery_GD, settings)
    blocks = list(distance_blocks(query_QD, gallery_GD, jaccard_QG, settings.weight))
    assert len(blocks) > 1
    dense_QG = naive(query_QD, gallery_GD, settings)
    np.testing.assert_allclose(np.concatenate(blocks), dense_QG, atol=2e-6)


def test_re_ranking_finds_another_order_than_the_plain_search_unless_lambda_is_one():
    query_QD, gallery_GD = sides()
    plain = nearest(query_QD, gallery_GD, 10)
    settings = RerankSettings(6, 3, 1.0)
    kept = rerank(query_QD, gallery_GD, plain, settings)
    np.testing.assert_array_equal(kept.indices_QK, plain.indices_Nk)
    moved = rerank(query_QD, gallery_GD, plain, settings._replace(weight=0.3))
    beyond = [set(a) - set(b) for a, b in zip(moved.indices_QK, plain.indices_Nk, strict=True)]
    assert any(beyond)  # pictures that the plain search does not have among its ten


@pytest.mark.parametrize("weight", [-0.1, 1.5, float("nan")])
def test_a_lambda_outside_0_to_1_is_refused(weight):
    query_QD, gallery_GD = sides()
    plain = nearest(query_QD, gallery_GD, 3)
    with pytest.raises(ValueError, match="give a number from 0 to 1"):
        rerank(query_QD, gallery_GD, plain, RerankSettings(6, 3, weight))
