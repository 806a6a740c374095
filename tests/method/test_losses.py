"""Losses against NumPy loops written from the method, and numbers worked by hand."""

import itertools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pclhd_jax.method.losses import (
    centroid_cross_entropy,
    centroid_loss,
    dynamic_cross_entropy,
    dynamic_loss,
    hard_cross_entropy,
    hard_loss,
    hybrid_loss,
)
from pclhd_jax.method.prototypes import PrototypeBank

LIVE, ROWS, S, D, B = 5, 8, 3, 6, 7
TAU = 0.1


def unit_rows(rng, *shape):
    x = rng.normal(size=shape)
    return (x / np.linalg.norm(x, axis=-1, keepdims=True)).astype(np.float32)


def padded_bank(centroid, hard, dynamic, rows, filler=0.0):
    """A bank of `rows` rows; `filler` stands in the dead ones."""
    live = len(centroid)

    def pad(x):
        padded = np.full((rows, *x.shape[1:]), filler, np.float32)
        padded[:live] = x
        return jnp.asarray(padded)

    return PrototypeBank(pad(centroid), pad(hard), pad(dynamic), jnp.arange(rows) < live)


@pytest.fixture(scope="module")
def problem():
    rng = np.random.default_rng(0)
    prototypes = unit_rows(rng, LIVE, D), unit_rows(rng, LIVE, D), unit_rows(rng, LIVE, S, D)
    return unit_rows(rng, B, D), np.array([0, 4, 2, 2, 1, 3, 0]), prototypes


def naive_cross_entropy(similarities, label, tau):
    """One example, live clusters only."""
    return -similarities[label] / tau + math.log(sum(math.exp(s / tau) for s in similarities))


def naive_flat(z, prototypes, labels, tau=TAU):
    return [
        naive_cross_entropy([float(z_D @ p) for p in prototypes], y, tau)
        for z_D, y in zip(z.astype(float), labels, strict=True)
    ]


def naive_dynamic(z, dynamic, labels, tau=TAU):
    losses = []
    for z_D, y in zip(z.astype(float), labels, strict=True):
        similarities = []
        for c in range(len(dynamic)):
            all_of_c = [float(z_D @ p) for p in dynamic[c]]
            similarities.append(min(all_of_c) if c == y else max(all_of_c))
        losses.append(naive_cross_entropy(similarities, y, tau))
    return losses


def test_each_cross_entropy_is_the_naive_loop_over_live_clusters(problem):
    z, labels, (centroid, hard, dynamic) = problem
    bank = padded_bank(centroid, hard, dynamic, ROWS)
    for got, want in (
        (centroid_cross_entropy, naive_flat(z, centroid, labels)),
        (hard_cross_entropy, naive_flat(z, hard, labels)),
        (dynamic_cross_entropy, naive_dynamic(z, dynamic, labels)),
    ):
        np.testing.assert_allclose(got(z, bank, labels, temperature=TAU), want, rtol=1e-5)


def hand_bank():
    """z = (1, 0) has centroid similarities 1, 0 and hard similarities 0.6, 0.8."""
    centroid = np.array([[1.0, 0.0], [0.0, 1.0]])
    hard = np.array([[0.6, 0.8], [0.8, -0.6]])
    return padded_bank(centroid, hard, np.zeros((2, 0, 2)), 4)


def test_hybrid_loss_is_the_number_worked_by_hand():
    z, labels = jnp.array([[1.0, 0.0]]), jnp.array([0])
    # CE_centroid = log(1 + e^-1) = 0.313262, CE_hard = log(1 + e^0.2) = 0.798139
    for margin, want in (
        (0.2, 0.455700),  # 0.5 (0.798139 + 0.113262)
        (0.0, 0.555700),  # 0.5 (0.798139 + 0.313262)
        (0.5, 0.399069),  # the relu is shut: 0.5 * 0.798139
    ):
        got = hybrid_loss(z, hand_bank(), labels, temperature=1.0, margin=margin)
        np.testing.assert_allclose(got, want, atol=2e-6)


def test_a_satisfied_margin_leaves_only_the_hard_gradient():
    bank, labels = hand_bank(), jnp.array([0])
    grad = jax.jit(jax.grad(lambda z, m: hybrid_loss(z, bank, labels, temperature=1.0, margin=m)))
    z = jnp.array([[1.0, 0.0]])
    p = 1 / (1 + math.exp(-0.2))  # of cluster 1 among the hard prototypes
    hard = 0.5 * p * (np.array([0.8, -0.6]) - np.array([0.6, 0.8]))
    np.testing.assert_allclose(grad(z, 0.5)[0], hard, atol=1e-6)
    q = 1 / (1 + math.exp(1))  # of cluster 1 among the centroids
    both = hard + 0.5 * q * np.array([-1.0, 1.0])
    np.testing.assert_allclose(grad(z, 0.2)[0], both, atol=1e-6)


def test_the_margin_is_taken_from_the_batch_mean_not_from_each_example():
    z, labels = jnp.array([[1.0, 0.0], [0.0, 1.0]]), jnp.array([0, 0])
    # CE_centroid: 0.313262 and 1.313262, mean 0.813262. CE_hard: 0.798139 and
    # log(1 + e^-1.4) = 0.220417, mean 0.509278. Example by example the relu would give 0.4066.
    got = hybrid_loss(z, hand_bank(), labels, temperature=1.0, margin=0.5)
    np.testing.assert_allclose(got, 0.5 * (0.509278 + 0.313262), atol=2e-6)


def test_the_centroid_loss_has_a_margin_and_the_hard_loss_has_none(problem):
    z, labels, (centroid, hard, dynamic) = problem
    bank = padded_bank(centroid, hard, dynamic, ROWS)
    want = np.mean(naive_flat(z, centroid, labels))
    assert want > 0.2
    got = centroid_loss(z, bank, labels, temperature=TAU, margin=0.2)
    np.testing.assert_allclose(got, want - 0.2, rtol=1e-5)
    assert centroid_loss(z, bank, labels, temperature=TAU, margin=want + 0.1) == 0
    got = hard_loss(z, bank, labels, temperature=TAU)
    np.testing.assert_allclose(got, np.mean(naive_flat(z, hard, labels)), rtol=1e-5)


def all_losses(z, bank, labels):
    return hybrid_loss(z, bank, labels, temperature=TAU, margin=0.2) + dynamic_loss(
        z, bank, labels, temperature=TAU
    )


@pytest.mark.parametrize("filler", [0.0, 0.9])
def test_padded_rows_change_no_value_and_no_gradient(problem, filler):
    z, labels, prototypes = problem
    value_and_grads = jax.jit(jax.value_and_grad(all_losses, (0, 1), allow_int=True))
    tight, (tight_z, tight_bank) = value_and_grads(z, padded_bank(*prototypes, LIVE), labels)
    wide, (wide_z, wide_bank) = value_and_grads(z, padded_bank(*prototypes, 19, filler), labels)
    np.testing.assert_allclose(wide, tight, rtol=1e-6)
    np.testing.assert_allclose(wide_z, tight_z, rtol=1e-5, atol=1e-6)
    for name in ("centroid_KD", "hard_KD", "dynamic_KSD"):
        grad = np.asarray(getattr(wide_bank, name))
        assert np.isfinite(grad).all()
        assert np.abs(grad[:LIVE]).max() > 1e-3
        np.testing.assert_allclose(grad[:LIVE], getattr(tight_bank, name), rtol=1e-5, atol=1e-6)
        np.testing.assert_array_equal(grad[LIVE:], 0)


def test_loss_and_gradient_stay_finite_at_a_tiny_temperature(problem):
    z, labels, (centroid, hard, dynamic) = problem
    bank = padded_bank(centroid, hard, dynamic, ROWS)
    value, grad = jax.value_and_grad(
        lambda z: hybrid_loss(z, bank, labels, temperature=1e-3, margin=0.2)
    )(jnp.asarray(z))
    want = np.mean(naive_flat_max(z, centroid, labels)) - 0.2
    want += np.mean(naive_flat_max(z, hard, labels))
    np.testing.assert_allclose(value, 0.5 * want, rtol=1e-3)  # exp(1000) overflows float32
    assert np.isfinite(grad).all()


def naive_flat_max(z, prototypes, labels):
    """CE / tau -> (max - own) / tau as tau -> 0."""
    similarity = z.astype(float) @ prototypes.T.astype(float)
    return (similarity.max(axis=1) - similarity[np.arange(len(z)), labels]) / 1e-3


def test_random_choice_uses_one_prototype_per_cluster_for_the_whole_batch(problem):
    z, labels, (centroid, hard, dynamic) = problem
    live = 3  # 27 possible draws
    labels = labels % live
    bank = padded_bank(centroid[:live], hard[:live], dynamic[:live], 4)
    draws = list(itertools.product(range(S), repeat=live))
    possible = np.array(
        [naive_flat(z, [dynamic[c, s] for c, s in enumerate(draw)], labels) for draw in draws]
    )
    loss = jax.jit(
        jax.vmap(lambda key: dynamic_cross_entropy(z, bank, labels, temperature=TAU, key=key))
    )
    got = np.asarray(loss(jax.random.split(jax.random.key(0), 300)))
    gaps = np.abs(got[:, None] - possible[None]).max(axis=2)
    assert gaps.min(axis=1).max() < 1e-4, "a loss that no draw of one prototype a cluster gives"
    seen = {draws[i] for i in gaps.argmin(axis=1)}
    assert len(seen) == 27
    assert np.ptp(possible, axis=0).max() > 0.1  # the draws differ, so that the test can fail


def test_losses_agree_under_jit_and_vmap(problem):
    z, labels, prototypes = problem
    bank = padded_bank(*prototypes, ROWS)
    z_2BD, labels_2B = np.stack([z, z[::-1]]), np.stack([labels, (labels + 1) % LIVE])
    got = jax.jit(jax.vmap(all_losses, in_axes=(0, None, 0)))(z_2BD, bank, labels_2B)
    centroid, hard, dynamic = prototypes
    for g, one_z, one_y in zip(got, z_2BD, labels_2B, strict=True):
        want = 0.5 * np.mean(naive_flat(one_z, hard, one_y))
        want += 0.5 * (np.mean(naive_flat(one_z, centroid, one_y)) - 0.2)
        want += np.mean(naive_dynamic(one_z, dynamic, one_y))
        np.testing.assert_allclose(g, want, rtol=1e-5)


def test_ranks_do_not_broadcast_by_accident_in_these_tests():
    with pytest.raises(ValueError, match="rank_promotion"):
        jnp.ones((2, 3)) + jnp.ones(3)
