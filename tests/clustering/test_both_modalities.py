import numpy as np
import pytest

from pclhd_jax.batches.batch import mixed_clusters
from pclhd_jax.clustering.both_modalities import (
    cluster_centroids,
    keep_joint,
    keep_mixed,
    label_epoch,
    search_epoch,
)
from pclhd_jax.clustering.cluster_settings import ClusterSettings, JaccardSettings
from pclhd_jax.clustering.neighbour_search import SearchOptions

JOINTLY = ClusterSettings(0.6, 3, own=JaccardSettings(6, 2), joint=JaccardSettings(8, 4))
APART = JOINTLY._replace(joint=None)


def people(rng, num_people, pictures_each, shift=0.0, width=16):
    """Unit features of well separated people; `shift` moves all of them along one axis."""
    centre_PD = np.eye(width)[:num_people]
    z_ND = np.repeat(centre_PD, pictures_each, axis=0)
    z_ND = z_ND + 0.05 * rng.normal(size=z_ND.shape)
    z_ND[:, -1] += shift
    return (z_ND / np.linalg.norm(z_ND, axis=1, keepdims=True)).astype(np.float32)


def test_joint_clusters_of_one_modality_are_dropped_and_the_rest_numbered_anew():
    labels_N = np.array([0, 1, 2, 3, -1, 0, 2, 3, 4, -1])
    modality_N = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    np.testing.assert_array_equal(
        keep_mixed(labels_N, modality_N), [0, -1, 1, 2, -1, 0, 1, 2, -1, -1]
    )


def test_all_joint_clusters_are_kept_as_they_are_numbered_if_one_holds_both_modalities():
    labels_N = np.array([0, 1, 2, 3, -1, 0, 2, 3, 4, -1])
    modality_N = np.array([0, 0, 0, 0, 0, 1, 1, 1, 1, 1])
    np.testing.assert_array_equal(keep_joint(labels_N, modality_N, "all"), labels_N)
    mixed_N = keep_mixed(labels_N, modality_N)
    np.testing.assert_array_equal(keep_joint(labels_N, modality_N, "mixed"), mixed_N)


@pytest.mark.parametrize(
    ("labels", "mixed_rests", "all_rests"),
    [
        ([-1, -1, -1, -1], True, True),
        ([0, 0, 0, 0], True, True),  # nothing to contrast with
        ([0, 0, 1, 1], True, True),  # nothing to draw from
        ([0, 1, 0, -1], True, False),  # one mixed cluster, and a negative
        ([0, 1, 0, 1], False, False),
    ],
)
def test_the_joint_term_rests_where_there_is_nothing_to_draw_or_to_contrast(
    labels, mixed_rests, all_rests
):
    labels_N, modality_N = np.array(labels), np.array([0, 0, 1, 1])
    assert (keep_joint(labels_N, modality_N, "mixed") is None) == mixed_rests
    assert (keep_joint(labels_N, modality_N, "all") is None) == all_rests


def test_joint_clusters_of_one_modality_stay_where_the_settings_keep_all():
    rng = np.random.default_rng(0)
    # Four people in both modalities, one more in visible pictures alone.
    visible, infrared = people(rng, 5, 6), people(rng, 4, 6)
    kept = label_epoch(visible, infrared, JOINTLY._replace(joint_keeps="all"))
    mixed = label_epoch(visible, infrared, JOINTLY)
    assert kept.joint_visible_N.max() == 4 and mixed.joint_visible_N.max() == 3
    np.testing.assert_array_equal(
        mixed_clusters(kept.joint_visible_N, kept.joint_infrared_N), range(4)
    )
    np.testing.assert_array_equal(kept.joint_visible_N[:24], mixed.joint_visible_N[:24])
    assert (mixed.joint_visible_N[24:] == -1).all() and (kept.joint_visible_N[24:] == 4).all()


def test_cluster_centroids_are_plain_means_without_outliers():
    z_ND = np.array([[1.0, 0.0], [0.0, 1.0], [5.0, 5.0], [0.0, 3.0]], np.float32)
    centroid_KD = cluster_centroids(z_ND, np.array([1, 0, -1, 0]))
    np.testing.assert_allclose(centroid_KD, [[0.0, 2.0], [1.0, 0.0]])


def test_separate_people_are_found_apart_jointly_and_matched():
    rng = np.random.default_rng(0)
    visible, infrared = people(rng, 5, 6), people(rng, 5, 6)
    labels = label_epoch(visible, infrared, JOINTLY)
    truth = np.repeat(np.arange(5), 6)
    for found in (labels.visible_N, labels.infrared_N, labels.joint_visible_N):
        assert len(set(zip(found, truth, strict=True))) == 5
    np.testing.assert_array_equal(labels.joint_visible_N, labels.joint_infrared_N)
    matched = labels.visible_to_infrared_K[labels.visible_N]
    np.testing.assert_array_equal(matched, labels.infrared_N)


def test_modalities_far_apart_leave_no_joint_labels():
    rng = np.random.default_rng(0)
    visible, infrared = people(rng, 5, 6, shift=3.0), people(rng, 5, 6, shift=-3.0)
    labels = label_epoch(visible, infrared, JOINTLY)
    assert labels.joint_visible_N is None and labels.joint_infrared_N is None
    assert labels.visible_to_infrared_K is not None


def test_a_modality_without_contrast_is_named_with_counts_and_remedy():
    rng = np.random.default_rng(0)
    one_person = people(rng, 1, 12)
    with pytest.raises(
        ValueError, match=r"1 cluster.* of 12 infrared pictures.*config\.cluster\.eps"
    ):
        label_epoch(people(rng, 3, 6), one_person, APART)


def test_apart_the_search_counts_the_pairs_of_both_modalities():
    rng, seen = np.random.default_rng(0), []
    parts = people(rng, 4, 6), people(rng, 4, 4)
    report = SearchOptions(report=lambda done, total: seen.append((done, total)))
    search_epoch(*parts, APART, report)
    assert {total for _, total in seen} == {24**2 + 16**2}
    assert [done for done, _ in seen] == [24**2, 24**2 + 16**2]


def test_lists_searched_before_give_the_same_labels():
    rng = np.random.default_rng(0)
    parts = people(rng, 5, 6), people(rng, 5, 6)
    lists = search_epoch(*parts, JOINTLY)
    for one, other in zip(
        label_epoch(*parts, JOINTLY, lists), label_epoch(*parts, JOINTLY), strict=True
    ):
        np.testing.assert_array_equal(one, other)
