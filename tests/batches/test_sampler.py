"""Sampler: whom a batch may hold, from which cameras, and the same rows for the same seed."""

import time

import numpy as np
import pytest

from pclhd_jax.batches.sampler import BatchShape, cluster_order, draw_shots, sample_batches


def rng(seed=0):
    return np.random.default_rng(seed)


def a_labelling(num_pictures=600, num_clusters=23, seed=1):
    labels = rng(seed).integers(-1, num_clusters, num_pictures)
    return labels, rng(seed + 1).choice([1, 2, 4, 5], num_pictures)


SETTING = BatchShape(clusters_per_batch=5, shots=4, num_batches=40)


def test_outliers_never_reach_a_batch():
    labels, cameras = a_labelling()
    labels[rng().random(600) < 0.5] = -1
    for cams in (cameras, None):
        rows = sample_batches(labels, cams, SETTING, rng=rng())
        assert rows.shape == (40, 20) and rows.dtype == np.int32
        assert (labels[rows] >= 0).all()


def test_each_run_of_s_rows_is_one_cluster_and_a_batch_holds_p_different_ones():
    labels, cameras = a_labelling()
    groups = labels[sample_batches(labels, cameras, SETTING, rng=rng())].reshape(40, 5, 4)
    assert (groups == groups[..., :1]).all()
    assert all(len(set(batch)) == 5 for batch in groups[..., 0].tolist())


def test_all_but_the_anchor_come_from_other_cameras():
    labels, cameras = a_labelling(num_clusters=6)
    ids = rng().integers(0, 6, (50, 3))
    picked = cameras[draw_shots(ids, labels, cameras, shots=5, rng=rng())].reshape(50, 3, 5)
    assert (picked[..., 1:] != picked[..., :1]).all()
    free = cameras[draw_shots(ids, labels, None, shots=5, rng=rng())].reshape(50, 3, 5)
    assert (free[..., 1:] == free[..., :1]).any()


def test_every_allowed_picture_and_no_other_is_drawn_with_each_anchor():
    # Rows 1, 3, 4, 6 are the cluster; cameras 2, 1, 2, 3. Anchor 1 excludes 4 and the reverse.
    labels = np.array([-1, 0, 1, 0, 0, 1, 0])
    cameras = np.array([1, 2, 2, 1, 2, 3, 3])
    rows = draw_shots(np.zeros((4000, 1), int), labels, cameras, shots=2, rng=rng())
    pairs, counts = np.unique(rows, axis=0, return_counts=True)
    partners = {1: (3, 6), 3: (1, 4, 6), 4: (3, 6), 6: (1, 3, 4)}
    assert [tuple(pair) for pair in pairs.tolist()] == [
        (anchor, other) for anchor in partners for other in partners[anchor]
    ]
    expected = [1000 / len(partners[anchor]) for anchor in partners for _ in partners[anchor]]
    assert (abs(counts - expected) < 5 * np.sqrt(expected)).all()


def test_a_cluster_of_one_camera_gives_its_other_pictures():
    labels, cameras = np.array([0, 1, 1, 1, 1]), np.full(5, 3)
    rows = draw_shots(np.ones((30, 1), int), labels, cameras, shots=4, rng=rng())
    assert all(sorted(row) == [1, 2, 3, 4] for row in rows.tolist())


def test_pictures_repeat_only_when_the_pool_is_too_small():
    labels, cameras = np.zeros(9, int), np.array([1, 1, 1, 1, 2, 2, 2, 2, 2])
    enough = draw_shots(np.zeros((60, 1), int), labels, cameras, shots=5, rng=rng())
    assert all(len(set(row)) == 5 for row in enough.tolist())
    scarce = draw_shots(np.zeros((60, 1), int), labels, cameras, shots=8, rng=rng())
    assert scarce.shape == (60, 8)
    assert (cameras[scarce[:, 1:]] != cameras[scarce[:, :1]]).all()
    assert any(len(set(row)) < 8 for row in scarce.tolist())


@pytest.mark.parametrize("cameras", [np.array([1, 1, 1, 1, 2, 2, 2, 2]), None])
def test_a_pool_of_exactly_s_minus_one_repeats_only_as_the_released_program_has_it(cameras):
    labels = np.zeros(8, int)
    others = 4 if cameras is not None else 7  # besides the anchor, or of the other camera
    for spare, may_repeat in ((0, True), (1, False)):
        shots = others + 1 - spare
        draw = dict(shots=shots, rng=rng())
        ids = np.zeros((60, 1), int)
        plain = draw_shots(ids, labels, cameras, **draw)
        assert all(len(set(row)) == shots for row in plain.tolist())
        released = draw_shots(ids, labels, cameras, **draw, exact_pool_repeats=True)
        assert any(len(set(row)) < shots for row in released.tolist()) == may_repeat


def test_a_cluster_of_one_picture_repeats_it():
    rows = draw_shots(np.array([[7]]), np.array([-1, 7]), np.array([1, 1]), shots=3, rng=rng())
    assert rows.tolist() == [[1, 1, 1]]


def test_one_shot_is_the_anchor_alone():
    labels, cameras = a_labelling()
    rows = draw_shots(np.array([[3, 1]]), labels, cameras, shots=1, rng=rng())
    assert labels[rows].tolist() == [[3, 1]]


@pytest.mark.parametrize(
    ("clusters", "per_batch"), [(23, 5), (8, 8), (9, 8), (16, 8), (3, 8), (1, 4)]
)
def test_clusters_are_used_equally_often_and_not_twice_in_a_batch(clusters, per_batch):
    order = cluster_order(clusters, clusters_per_batch=per_batch, num_batches=57, rng=rng())
    assert order.shape == (57, per_batch) and order.dtype == np.int32
    counts = np.bincount(order.ravel(), minlength=clusters)
    assert len(counts) == clusters and counts.max() - counts.min() <= 1
    passes = order.ravel()[: order.size // clusters * clusters].reshape(-1, clusters)
    assert (np.sort(passes) == np.arange(clusters)).all()
    if clusters >= per_batch:
        assert all(len(set(batch)) == per_batch for batch in order.tolist())


def test_the_order_changes_at_every_restart():
    order = cluster_order(40, clusters_per_batch=8, num_batches=25, rng=rng()).reshape(5, 40)
    assert len({tuple(one) for one in order.tolist()}) == 5


def test_clusters_that_met_at_a_restart_are_mixed_again():
    # 10 clusters, 4 a batch: each third batch of five starts with the 2 left over. They come again
    # in the fourth or fifth, among 8 places: together with a chance of 2 * (4 * 3) / (8 * 7).
    order = cluster_order(10, clusters_per_batch=4, num_batches=10_000, rng=rng()).reshape(-1, 5, 4)
    left_over = order[:, 2, :2]
    in_fifth = (order[:, 4, :, None] == left_over[:, None]).any(axis=1)
    assert abs((in_fifth[:, 0] == in_fifth[:, 1]).mean() - 3 / 7) < 0.05


def test_the_same_seed_gives_the_same_rows_and_another_seed_others():
    labels, cameras = a_labelling()
    first, again, other = (
        sample_batches(labels, cameras, SETTING, rng=rng(seed)) for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_labels_with_gaps_are_fine():
    labels = np.array([5, 5, 90, 90, -1])
    rows = sample_batches(labels, None, BatchShape(2, 2, num_batches=9), rng=rng())
    assert all(sorted(row) == [0, 1, 2, 3] for row in rows.tolist())


def test_no_cluster_is_refused_with_the_count_and_a_remedy():
    with pytest.raises(ValueError, match=r"no cluster.*1,200 of 1,200.*raise the DBSCAN eps"):
        sample_batches(np.full(1200, -1), None, SETTING, rng=rng())
    with pytest.raises(ValueError, match="num_clusters is 0"):
        cluster_order(0, clusters_per_batch=1, num_batches=1, rng=rng())


def test_drawing_outliers_or_an_empty_cluster_is_refused():
    for bad in (-1, 2):
        with pytest.raises(ValueError, match=f"1 of 2 clusters.*first is {bad} "):
            draw_shots(np.array([[1, bad]]), np.array([-1, 1, 3]), None, shots=2, rng=rng())


def test_counts_below_one_and_wrong_lengths_are_refused():
    labels = np.zeros(4, int)
    with pytest.raises(ValueError, match="shots is 0"):
        draw_shots(np.array([[0]]), labels, None, shots=0, rng=rng())
    with pytest.raises(ValueError, match=r"cameras have shape \(3,\), labels \(4,\)"):
        draw_shots(np.array([[0]]), labels, labels[:3], shots=2, rng=rng())
    with pytest.raises(ValueError, match="num_batches is 0"):
        cluster_order(3, clusters_per_batch=1, num_batches=0, rng=rng())


def test_an_epoch_of_sysu_size_is_drawn_in_well_under_a_second():
    labels, cameras = a_labelling(22_258, 763)
    start = time.perf_counter()
    sample_batches(labels, cameras, BatchShape(8, 16, num_batches=200), rng=rng())
    assert time.perf_counter() - start < 1
