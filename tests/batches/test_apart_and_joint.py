from dataclasses import replace

import numpy as np
import pytest

from configs import common
from pclhd_jax.batches.apart_and_joint import Sampling, TrainPictures, apart_batches, joint_batches
from pclhd_jax.batches.batch import EpochLabels, mixed_clusters
from pclhd_jax.settings.sections import settings_of

SAMPLING = Sampling(
    batches_per_epoch=6,
    clusters_per_batch=2,
    visible_shots=3,
    infrared_shots=4,
    sampler=settings_of(common.base("paper")).sampler,
)


def with_sampler(sampling, **settings):
    return sampling._replace(sampler=replace(sampling.sampler, **settings))


@pytest.fixture
def pictures():
    """Every picture is filled with its own number: 12 visible, 10 infrared."""
    visible_NHWC = np.broadcast_to(
        np.arange(12, dtype=np.uint8)[:, None, None, None], (12, 2, 1, 3)
    )
    infrared_NHWC = np.broadcast_to(
        np.arange(100, 110, dtype=np.uint8)[:, None, None, None], (10, 2, 1, 3)
    )
    return TrainPictures(visible_NHWC, infrared_NHWC, np.arange(12) % 3, None)


@pytest.fixture
def labels():
    return EpochLabels(
        visible_N=np.array([0, 0, 1, 1, 2, 2, -1, -1, 0, 1, 2, -1], np.int32),
        infrared_N=np.array([1, 0, 0, 1, -1, 0, 1, -1, 0, 1], np.int32),
        visible_to_infrared_K=np.array([1, 0, 1], np.int32),
        infrared_to_visible_K=np.array([1, 2], np.int32),
        joint_visible_N=np.array([0, 1, 0, 1, -1, -1, -1, 0, 1, -1, -1, 0], np.int32),
        joint_infrared_N=np.array([0, 1, -1, 0, 1, -1, -1, 0, 1, -1], np.int32),
    )


def test_outliers_never_reach_a_batch(pictures, labels):
    rng = np.random.default_rng(0)
    for make, v_labels, r_labels in (
        (apart_batches, labels.visible_N, labels.infrared_N),
        (joint_batches, labels.joint_visible_N, labels.joint_infrared_N),
    ):
        for batch in make(pictures, labels, SAMPLING, rng):
            assert (v_labels[batch.visible_BHWC[:, 0, 0, 0]] >= 0).all()
            assert (r_labels[batch.infrared_BHWC[:, 0, 0, 0] - 100] >= 0).all()


def test_labels_and_matches_belong_to_the_pictures_of_their_row(pictures, labels):
    for batch in apart_batches(pictures, labels, SAMPLING, np.random.default_rng(0)):
        visible, infrared = batch.visible_BHWC[:, 0, 0, 0], batch.infrared_BHWC[:, 0, 0, 0] - 100
        assert len(visible) == 2 * 3 and len(infrared) == 2 * 4
        np.testing.assert_array_equal(batch.visible_labels_B, labels.visible_N[visible])
        np.testing.assert_array_equal(batch.infrared_labels_B, labels.infrared_N[infrared])
        for row, label in enumerate(batch.visible_labels_B):
            assert batch.visible_matches_B[row] == {0: 1, 1: 0, 2: 1}[label]
        for row, label in enumerate(batch.infrared_labels_B):
            assert batch.infrared_matches_B[row] == {0: 1, 1: 2}[label]


def test_a_joint_batch_shows_the_same_clusters_in_both_modalities(pictures, labels):
    for batch in joint_batches(pictures, labels, SAMPLING, np.random.default_rng(0)):
        assert set(batch.visible_labels_B) == set(batch.infrared_labels_B)
        assert batch.visible_matches_B is None


def test_joint_clusters_drawn_for_each_modality_are_both_of_the_mixed_ones(pictures, labels):
    """Cluster 2 is visible alone, 3 infrared alone: kept as negatives, they are never drawn."""
    alone = labels._replace(
        joint_visible_N=np.where(np.arange(12) == 4, 2, labels.joint_visible_N),
        joint_infrared_N=np.where(np.arange(10) == 9, 3, labels.joint_infrared_N),
    )
    mixed = mixed_clusters(alone.joint_visible_N, alone.joint_infrared_N)
    np.testing.assert_array_equal(mixed, [0, 1])
    sampling = SAMPLING._replace(clusters_per_batch=1, batches_per_epoch=40)
    for joint_clusters, differ in (("same", False), ("independent", True)):
        draw = with_sampler(sampling, joint_clusters=joint_clusters)
        batches = list(joint_batches(pictures, alone, draw, np.random.default_rng(0)))
        visible = [set(batch.visible_labels_B.tolist()) for batch in batches]
        infrared = [set(batch.infrared_labels_B.tolist()) for batch in batches]
        assert set().union(*visible) == set().union(*infrared) == {0, 1}
        assert (visible != infrared) == differ


def test_the_sampling_of_pools_reaches_both_kinds_of_batches(pictures, labels):
    """Without cameras, S - 1 others: 3 visible pictures of a cluster, 4 infrared ones."""
    pictures = pictures._replace(visible_cameras_N=None)
    sampling = SAMPLING._replace(batches_per_epoch=30)
    for make, v_labels, r_labels in (
        (apart_batches, np.resize([0, 1, 2, 3], 12), np.resize([0, 1], 8)),
        (joint_batches, np.resize([0, 1, 2, 3], 12), np.resize([0, 1], 8)),
    ):
        given = labels._replace(
            visible_N=v_labels,
            infrared_N=np.append(r_labels, [-1, -1])[:10],
            visible_to_infrared_K=None,
            joint_visible_N=v_labels,
            joint_infrared_N=np.append(r_labels, [-1, -1])[:10],
        )
        for repeats in (False, True):
            draw = with_sampler(sampling, exact_pool_repeats=repeats)
            batches = list(make(pictures, given, draw, np.random.default_rng(0)))
            for name, distinct in (("visible_BHWC", 6), ("infrared_BHWC", 8)):
                pixels = [getattr(batch, name)[:, 0, 0, 0] for batch in batches]
                assert (min(len(set(p.tolist())) for p in pixels) < distinct) == repeats


def test_an_epoch_is_the_same_for_the_same_seed_and_another_for_another(pictures, labels):
    def drawn(seed):
        rng = np.random.default_rng(seed)
        return np.array(
            [b.visible_BHWC[:, 0, 0, 0] for b in apart_batches(pictures, labels, SAMPLING, rng)]
        )

    np.testing.assert_array_equal(drawn(3), drawn(3))
    assert (drawn(3) != drawn(4)).any()
