"""Which pictures stand for prototypes: against plain loops, and against the epoch's own banks."""

from types import SimpleNamespace

import jax
import numpy as np

from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.processes.mesh import make_mesh
from pclhd_jax.saving.labelled_features import SavedEpoch
from pclhd_jax.settings.schedule import When
from pclhd_jax.training.banks import make_banks
from pclhd_jax.training.diagnosis import least_similar
from pclhd_jax.training.features import Features
from pclhd_jax.using.pages.prototype_picks import (
    banks_of_rows,
    picks_of,
    same_cluster,
    similarities,
    telling_clusters,
)
from tests.helpers.unit_rows import unit_rows

LABELS_N = np.array([0, 1, -1, 0, 1, 1, 0, 0, 1, -1, 0, 2, 2], np.int32)


def saved_epoch(rng, stage):
    z = unit_rows(rng, len(LABELS_N), 4), unit_rows(rng, len(LABELS_N), 4)
    labels = EpochLabels(LABELS_N, LABELS_N[::-1].copy())
    nobody = np.full(len(LABELS_N), -1)
    return SavedEpoch(*z, labels, nobody, nobody, stage, 1, 3)


def settings():
    prototypes = SimpleNamespace(num_farthest=1, num_dynamic=5)
    loss = SimpleNamespace(joint=False)
    return SimpleNamespace(seed=7, prototypes=prototypes, loss=loss)


def test_the_dynamic_pictures_are_those_that_the_epoch_draws_its_prototypes_from():
    rng = np.random.default_rng(0)
    saved = saved_epoch(rng, stage=2)
    momentum_z = Features(*(unit_rows(rng, len(LABELS_N), 4) for _ in range(2)))
    z = Features(saved.visible_ND, saved.infrared_ND)
    banks = make_banks(settings(), make_mesh(), When(2, 1), z, momentum_z, saved.labels)
    rows = banks_of_rows(settings(), saved)
    for place, modality in enumerate(("visible", "infrared")):
        rows_KS = np.asarray(rows[modality].dynamic_KSD)[:3, :, 0].astype(int)
        drawn_KSD = np.asarray(banks[place].dynamic_KSD)[:3]
        np.testing.assert_array_equal(drawn_KSD, momentum_z[place][rows_KS])
        labels_N = saved.labels[place]
        assert (labels_N[rows_KS] == np.arange(3)[:, None]).all()


def test_stage_1_draws_no_dynamic_picture():
    bank = banks_of_rows(settings(), saved_epoch(np.random.default_rng(1), stage=1))["visible"]
    assert bank.dynamic_KSD.shape[1] == 0


def test_the_nearest_come_nearest_first_and_the_hard_one_is_the_epochs_hard_picture():
    saved = saved_epoch(np.random.default_rng(2), stage=1)
    z_ND, labels_N = saved.visible_ND, LABELS_N
    bank = jax.tree.map(np.asarray, banks_of_rows(settings(), saved)["visible"])
    similarity_N = similarities(z_ND, labels_N, bank.centroid_KD)
    hard_K = least_similar(z_ND, labels_N)
    for cluster in range(3):
        members = [row for row, label in enumerate(labels_N) if label == cluster]
        mean_D = np.mean([z_ND[row] for row in members], axis=0)
        naive = sorted(members, key=lambda row: -float(z_ND[row] @ mean_D))
        picks = picks_of(cluster, labels_N, similarity_N, np.zeros((3, 0), int), 1)
        assert picks.nearest == naive[:4] and picks.size == len(members)
        assert picks.hard == [hard_K[cluster]] and picks.drawn == []
    assert np.isnan(similarity_N[labels_N < 0]).all()


def test_several_farthest_are_shown_where_the_hard_prototype_is_their_mean():
    picks = picks_of(
        0, np.zeros(5, int), np.array([0.9, 0.2, 0.5, 0.1, 0.3]), np.ones((1, 9), int), 3
    )
    assert picks.hard == [3, 1, 4] and picks.drawn == [1] * 6


def test_the_telling_clusters_are_the_widest_and_the_middle_one():
    labels_N = np.array([0, 0, 1, 1, 2, 2, -1])
    similarity_N = np.array([0.9, 0.6, 0.9, 0.1, 0.9, 0.8, np.nan])
    assert telling_clusters(labels_N, similarity_N) == (1, 0)
    assert telling_clusters(np.zeros(2, int), similarity_N[:2]) == (0,)


def test_a_cluster_is_found_again_by_the_pictures_it_shares():
    labels_N = np.array([4, 4, 4, 4, 1])
    assert same_cluster(labels_N, 4, np.array([2, 2, 0, -1, 0])) == 2
    assert same_cluster(labels_N, 4, np.array([-1, -1, -1, -1, 0])) is None
