"""The prototype bank as it is built, against loops over clusters written from the method."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pclhd_jax.method.prototypes import build_bank, num_rows
from tests.helpers.unit_rows import ROWS, D, S, normalised, unit_rows


@pytest.fixture(scope="module")
def epoch():
    """30 pictures, clusters 0..4 of 12, 6, 3, 2 and 1, and 6 outliers, shuffled."""
    rng = np.random.default_rng(1)
    labels = rng.permutation(np.repeat([0, 1, 2, 3, 4, -1], [12, 6, 3, 2, 1, 6]))
    return unit_rows(rng, 30, D), unit_rows(rng, 30, D), labels.astype(np.int32)


def naive_farthest(z, labels, c, centroid, k):
    mine = sorted(z[labels == c].astype(float), key=lambda row: row @ centroid)
    return normalised(np.mean(mine[:k], axis=0))


def build(z, labels, **options):
    options = dict(rows=ROWS, num_farthest=0, num_dynamic=0) | options
    return build_bank(jnp.asarray(z), jnp.asarray(labels), **options)


def test_centroids_are_normalised_means_and_outliers_count_for_nothing(epoch):
    z, _, labels = epoch
    bank = build(z, labels)
    for c in range(5):
        want = normalised(z[labels == c].astype(float).mean(axis=0))
        np.testing.assert_allclose(bank.centroid_KD[c], want, atol=1e-6)
    np.testing.assert_array_equal(bank.live_K, [True] * 5 + [False] * 2)
    louder = np.where((labels < 0)[:, None], 100.0, z).astype(np.float32)
    # Not to the bit: a GPU adds the rows of a cluster in any order.
    again = build(louder, labels).centroid_KD
    np.testing.assert_allclose(again, bank.centroid_KD, rtol=0, atol=1e-6)


@pytest.mark.parametrize("k", [1, 2, 50])
def test_hard_prototypes_average_the_k_farthest_samples(epoch, k):
    z, _, labels = epoch
    bank = build(z, labels, num_farthest=k)
    for c in range(5):
        centroid = normalised(z[labels == c].astype(float).mean(axis=0))
        want = naive_farthest(z, labels, c, centroid, k)
        np.testing.assert_allclose(bank.hard_KD[c], want, atol=1e-6)


def test_no_farthest_samples_start_the_hard_prototypes_at_the_centroids(epoch):
    z, _, labels = epoch
    bank = build(z, labels, num_farthest=0)
    np.testing.assert_array_equal(bank.hard_KD, bank.centroid_KD)


def test_joint_centroids_are_the_mean_of_the_two_modality_means(epoch):
    z, _, _ = epoch
    labels = np.resize([0, 0, 0, 1, -1], 30).astype(np.int32)
    modality = (np.arange(30) >= 22).astype(np.int32)  # far from balanced
    bank = build(z, labels, modality_N=jnp.asarray(modality), num_farthest=1)
    for c in (0, 1):
        means = [z[(labels == c) & (modality == m)].astype(float).mean(axis=0) for m in (0, 1)]
        want = normalised((means[0] + means[1]) / 2)
        np.testing.assert_allclose(bank.centroid_KD[c], want, atol=1e-6)
        assert np.abs(want - normalised(z[labels == c].mean(axis=0))).max() > 0.01
        np.testing.assert_allclose(
            bank.hard_KD[c], naive_farthest(z, labels, c, want, 1), atol=1e-6
        )


def test_means_of_pictures_and_mirrors_are_averaged_at_the_length_they_have(epoch):
    unit_z, _, labels = epoch
    z = unit_z * np.random.default_rng(5).uniform(0.3, 1, (30, 1)).astype(np.float32)
    bank = build(z, labels, num_farthest=2)
    for c in range(5):
        centroid = normalised(z[labels == c].astype(float).mean(axis=0))
        np.testing.assert_allclose(bank.centroid_KD[c], centroid, atol=1e-6)
        # Farthest by angle, and averaged as unit rows.
        want = naive_farthest(unit_z, labels, c, centroid, 2)
        np.testing.assert_allclose(bank.hard_KD[c], want, atol=1e-6)


def test_dynamic_prototypes_are_momentum_features_of_the_own_cluster(epoch):
    z, momentum_z, labels = epoch
    many = 3000
    bank = build(
        z, labels, num_dynamic=many, momentum_z_ND=jnp.asarray(momentum_z), key=jax.random.key(3)
    )
    for c in range(5):
        mine = momentum_z[labels == c]
        picked = np.asarray(bank.dynamic_KSD[c])
        is_row = (picked[:, None] == mine[None]).all(axis=2)
        assert (is_row.sum(axis=1) == 1).all(), "a prototype that is no sample of the cluster"
        # With replacement, uniformly: 3000 / n each, give or take five deviations.
        share = 1 / len(mine)
        np.testing.assert_allclose(
            is_row.mean(axis=0), share, atol=5 * np.sqrt(share * (1 - share) / many) + 1e-9
        )


def test_dynamic_prototypes_depend_on_the_key_alone(epoch):
    z, momentum_z, labels = epoch
    first, again, other = (
        build(
            z, labels, num_dynamic=S, momentum_z_ND=jnp.asarray(momentum_z), key=jax.random.key(k)
        )
        for k in (0, 0, 1)
    )
    np.testing.assert_array_equal(first.dynamic_KSD, again.dynamic_KSD)
    assert (np.asarray(first.dynamic_KSD) != np.asarray(other.dynamic_KSD)).any()


def test_padded_rows_are_zero_and_dead_under_jit_too(epoch):
    z, momentum_z, labels = epoch
    jitted = jax.jit(build_bank, static_argnames=("rows", "num_farthest", "num_dynamic"))
    bank = jitted(
        z,
        labels,
        rows=ROWS,
        num_farthest=1,
        num_dynamic=S,
        momentum_z_ND=momentum_z,
        key=jax.random.key(0),
    )
    assert not bank.live_K[5:].any()
    for x in (bank.centroid_KD, bank.hard_KD, bank.dynamic_KSD):
        np.testing.assert_array_equal(x[5:], 0)
        np.testing.assert_allclose(np.linalg.norm(x[:5], axis=-1), 1, atol=1e-6)


def test_without_dynamic_prototypes_the_bank_holds_none(epoch):
    z, _, labels = epoch
    assert build(z, labels).dynamic_KSD.shape == (ROWS, 0, D)


@pytest.mark.parametrize(
    ("clusters", "rows"), [(0, 256), (1, 256), (255, 256), (256, 256), (257, 512), (1025, 2048)]
)
def test_the_bank_grows_in_powers_of_two(clusters, rows):
    assert num_rows(clusters) == rows
