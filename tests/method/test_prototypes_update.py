"""The update of the prototype bank against loops over clusters written from the method."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pclhd_jax.method.prototypes import PrototypeBank, update_bank
from tests.helpers.unit_rows import ROWS, D, S, normalised, unit_rows

MU = 0.1
LABELS = np.array([2, 0, 2, -1, 2, 0, 5, -1, 2, 2], np.int32)  # 1, 3, 4 and 6 are absent
update = jax.jit(update_bank, static_argnames=("momentum", "num_farthest"))


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(2)
    bank = PrototypeBank(
        *(jnp.asarray(unit_rows(rng, *shape)) for shape in ((ROWS, D), (ROWS, D), (ROWS, S, D))),
        jnp.arange(ROWS) < 6,
    )
    return bank, unit_rows(rng, len(LABELS), D), unit_rows(rng, len(LABELS), D)


def naive_update(bank, z, labels, mu, k=1, modality=None):
    """Centroids and hard prototypes after the update, in float64."""
    modality = np.zeros(len(labels)) if modality is None else modality
    centroid, hard = np.array(bank.centroid_KD, float), np.array(bank.hard_KD, float)
    for c in set(labels.tolist()) - {-1}:
        mine = z[labels == c].astype(float)
        farthest = np.mean(sorted(mine, key=lambda row: row @ centroid[c])[:k], axis=0)
        hard[c] = normalised(mu * hard[c] + (1 - mu) * farthest)
        parts = [z[(labels == c) & (modality == m)].astype(float) for m in (0, 1)]
        mean = np.mean([part.mean(axis=0) for part in parts if len(part)], axis=0)
        centroid[c] = normalised(mu * centroid[c] + (1 - mu) * mean)
    return centroid, hard


@pytest.mark.parametrize("mu", [0.1, 0.8])
def test_an_update_is_the_naive_loop_over_the_clusters_of_the_batch(batch, mu):
    bank, z, _ = batch
    got = update(bank, z, LABELS, momentum=mu)
    centroid, hard = naive_update(bank, z, LABELS, mu)
    np.testing.assert_allclose(got.centroid_KD, centroid, atol=1e-6)
    np.testing.assert_allclose(got.hard_KD, hard, atol=1e-6)


@pytest.mark.parametrize("k", [1, 2, 3, 50])
def test_hard_prototypes_move_by_the_mean_of_the_k_farthest_rows_of_the_batch(batch, k):
    bank, z, _ = batch
    got = update(bank, z, LABELS, momentum=MU, num_farthest=k)
    centroid, hard = naive_update(bank, z, LABELS, MU, k=k)
    np.testing.assert_allclose(got.centroid_KD, centroid, atol=1e-6)
    np.testing.assert_allclose(got.hard_KD, hard, atol=1e-6)
    alone = update(bank, z, LABELS, momentum=MU)
    assert (np.abs(got.hard_KD - alone.hard_KD).max() > 0.01) == (k > 1)


def test_of_equally_far_rows_the_first_ones_count():
    z = jnp.asarray(normalised(np.array([[1.0, 1], [1, -1], [1, 1], [1, -1]])), jnp.float32)
    along = jnp.array([[1.0, 0]])
    bank = PrototypeBank(along, along, jnp.zeros((1, 0, 2)), jnp.array([True]))
    for k, want in ((1, z[0]), (2, along[0]), (3, normalised(z[:3].mean(axis=0)))):
        got = update_bank(bank, z, jnp.zeros(4, int), momentum=0.0, num_farthest=k)
        np.testing.assert_allclose(got.hard_KD[0], want, atol=1e-6)


def test_a_joint_centroid_moves_by_the_mean_of_the_two_modalities_means(batch):
    bank, z, _ = batch
    modality = np.array([0, 0, 0, 0, 0, 0, 1, 1, 0, 1])  # cluster 2: four rows against one
    got = update(bank, z, LABELS, momentum=MU, modality_B=modality)
    centroid, hard = naive_update(bank, z, LABELS, MU, modality=modality)
    np.testing.assert_allclose(got.centroid_KD, centroid, atol=1e-6)
    np.testing.assert_allclose(got.hard_KD, hard, atol=1e-6)
    by_rows = update(bank, z, LABELS, momentum=MU)
    assert np.abs(got.centroid_KD[2] - by_rows.centroid_KD[2]).max() > 0.01
    # Clusters 0 and 5 hold one modality each: its mean is the mean.
    np.testing.assert_allclose(got.centroid_KD[0], by_rows.centroid_KD[0], atol=1e-6)
    np.testing.assert_allclose(got.centroid_KD[5], by_rows.centroid_KD[5], atol=1e-6)


def test_absent_clusters_stay_bit_identical(batch):
    bank, z, momentum_z = batch
    got = update(bank, z, LABELS, momentum=MU, momentum_z_BD=momentum_z, key=jax.random.key(0))
    absent, present = [1, 3, 4, 6], [0, 2, 5]
    for name in ("centroid_KD", "hard_KD", "dynamic_KSD"):
        new, old = np.asarray(getattr(got, name)), np.asarray(getattr(bank, name))
        np.testing.assert_array_equal(new[absent], old[absent])
        assert (new[present] != old[present]).any(axis=-1).all()
    np.testing.assert_array_equal(got.live_K, bank.live_K)


def test_rows_without_a_label_change_nothing(batch):
    bank, z, momentum_z = batch
    nobody = np.full_like(LABELS, -1)
    got = update(bank, z, nobody, momentum=MU, momentum_z_BD=momentum_z, key=jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, got, bank)
    louder = np.where((LABELS < 0)[:, None], 100.0, z).astype(np.float32)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6),
        update(bank, louder, LABELS, momentum=MU),
        update(bank, z, LABELS, momentum=MU),
    )


def test_the_hard_sample_is_judged_by_the_centroid_before_its_update():
    def at(degrees):
        angle = np.radians(degrees)
        return np.stack([np.cos(angle), np.sin(angle)], axis=-1).astype(np.float32)

    # Centroid at 0: farthest is 50. After the update it lies near 33: farthest would be 10.
    z = at(np.array([30.0, 50.0, 50.0, 10.0]))
    bank = PrototypeBank(
        jnp.asarray(at(np.array([0.0]))),
        jnp.asarray(at(np.array([90.0]))),
        jnp.zeros((1, 0, 2)),
        jnp.array([True]),
    )
    got = update_bank(bank, jnp.asarray(z), jnp.zeros(4, int), momentum=MU)
    np.testing.assert_allclose(got.hard_KD[0], normalised(0.1 * at(90) + 0.9 * at(50)), atol=1e-6)


def dynamic_picks(batch, keys=60):
    """(keys, ROWS, S) which row of the batch each dynamic prototype became; -1: none."""
    bank, z, momentum_z = batch
    banks = jax.jit(
        jax.vmap(
            lambda key: update_bank(bank, z, LABELS, momentum=MU, momentum_z_BD=momentum_z, key=key)
        )
    )(jax.random.split(jax.random.key(4), keys))
    is_row = (np.asarray(banks.dynamic_KSD)[..., None, :] == momentum_z).all(axis=-1)
    return np.where(is_row.any(axis=-1), is_row.argmax(axis=-1), -1)


def test_dynamic_prototypes_become_momentum_features_of_the_own_cluster(batch):
    picks = dynamic_picks(batch)
    for c in (0, 2, 5):
        mine = [row for row, label in enumerate(LABELS) if label == c]
        assert set(picks[:, c].ravel()) == set(mine), "every member is drawn, and nobody else"


def test_a_cluster_with_enough_rows_gives_different_picks(batch):
    picks = dynamic_picks(batch)[:, 2]  # five rows for four prototypes
    assert all(len(set(row)) == S for row in picks)
    assert len({frozenset(row) for row in picks.tolist()}) == 5, "each row is left out sometimes"


def test_a_small_cluster_repeats_its_rows_at_random(batch):
    picks = dynamic_picks(batch)[:, 0]  # two rows for four prototypes
    assert len({tuple(row) for row in picks.tolist()}) > 8  # of 16 equally likely ones
    assert 0.35 < (picks == 1).mean() < 0.65


def test_without_momentum_features_the_dynamic_prototypes_stay(batch):
    bank, z, _ = batch
    np.testing.assert_array_equal(
        update(bank, z, LABELS, momentum=MU).dynamic_KSD, bank.dynamic_KSD
    )


def test_no_gradient_flows_through_an_update(batch):
    bank, z, momentum_z = batch

    @jax.jit
    def total(z, momentum_z):
        new = update_bank(
            bank, z, LABELS, momentum=MU, momentum_z_BD=momentum_z, key=jax.random.key(0)
        )
        return new.centroid_KD.sum() + new.hard_KD.sum() + new.dynamic_KSD.sum()

    for grad in jax.grad(total, (0, 1))(jnp.asarray(z), jnp.asarray(momentum_z)):
        np.testing.assert_array_equal(grad, 0)
