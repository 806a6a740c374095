"""Every degenerate clustering goes on in the documented way, or stops with the remedy."""

from types import SimpleNamespace

import numpy as np
import pytest

from configs import synthetic
from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.batches.sampler import BatchShape, sample_batches
from pclhd_jax.clustering.both_modalities import check_contrast, label_epoch
from pclhd_jax.clustering.cluster_settings import ClusterSettings, JaccardSettings
from pclhd_jax.reports.eps_report import report_clusters
from pclhd_jax.reports.records import read_records
from pclhd_jax.settings.schedule import When
from pclhd_jax.training import run_pictures, train
from pclhd_jax.training.clusters import cluster_notes, label_quality
from tests.helpers.tiny import tiny_config

JOINTLY = ClusterSettings(0.6, 3, own=JaccardSettings(6, 2), joint=JaccardSettings(8, 4))
APART = JOINTLY._replace(joint=None)
EITHER_STAGE = pytest.mark.parametrize("settings", [APART, JOINTLY], ids=["apart", "jointly"])


def with_k1(k1):
    return APART._replace(own=JaccardSettings(k1, 2))


def people(num_people, pictures_each, noise=0.05, width=16, seed=0):
    rng = np.random.default_rng(seed)
    z_ND = np.repeat(np.eye(width)[:num_people], pictures_each, axis=0)
    z_ND = z_ND + noise * rng.normal(size=z_ND.shape)
    return (z_ND / np.linalg.norm(z_ND, axis=1, keepdims=True)).astype(np.float32)


@EITHER_STAGE
@pytest.mark.parametrize("modality", ["visible", "infrared"])
def test_a_modality_of_outliers_alone_stops_with_a_larger_eps_as_the_remedy(settings, modality):
    parts = {"visible": people(4, 8), "infrared": people(4, 8)}
    parts[modality] = people(1, 40, noise=9.0)
    strict = settings._replace(eps=0.01, min_samples=5)
    with pytest.raises(ValueError) as error:
        label_epoch(*parts.values(), strict if modality == "visible" else strict._replace(eps=0.2))
    message = str(error.value)
    assert f"0 clusters of 40 {modality} pictures (40 outliers)" in message
    assert "raise config.cluster.eps" in message and "config.cluster.min_samples (5)" in message


@EITHER_STAGE
@pytest.mark.parametrize("pictures", [5, 40])
def test_identical_features_stop_with_a_word_about_the_encoder(settings, pictures):
    same = np.tile(people(1, 1), (pictures, 1))
    shorter = JaccardSettings(6, 2, unit_features=False)
    for scale, own in ((1.0, settings.own), (0.9, shorter)):
        with pytest.raises(ValueError) as error:
            label_epoch(people(4, 8), np.float32(scale * same), settings._replace(own=own))
        message = str(error.value)
        assert f"1 cluster of {pictures} infrared pictures" in message
        assert "the same feature" in message and "starting weights" in message


def test_one_large_cluster_stops_with_a_smaller_eps_as_the_remedy():
    labels_N = np.array([0] * 30 + [-1] * 10)
    with pytest.raises(ValueError, match=r"1 cluster of 40 .*lower config\.cluster\.eps \(0\.6\)"):
        check_contrast(labels_N, people(4, 10), "visible", APART)


def test_fewer_pictures_than_k1_go_on_if_their_distances_still_part_them():
    labels = label_epoch(people(5, 4), people(4, 10), with_k1(60))
    assert labels.visible_N.max() >= 1 and labels.infrared_N.max() >= 1


def test_fewer_pictures_than_k1_in_one_cluster_stop_with_k1_as_the_remedy():
    with pytest.raises(ValueError, match=r"of 20 visible.*config\.cluster\.k1 \(30\) makes every"):
        label_epoch(people(1, 20, noise=0.3), people(4, 10), with_k1(30))


def test_one_picture_a_modality_is_no_crash():
    one = people(1, 1)
    with pytest.raises(ValueError, match="0 clusters of 1 visible pictures"):
        label_epoch(one, one, JOINTLY)
    with pytest.raises(ValueError, match="0 clusters of 1 infrared pictures"):
        label_epoch(people(4, 8), one, APART)


def test_two_clusters_are_enough():
    check_contrast(np.array([0, 0, 1, 1]), people(2, 2), "visible", APART)


def test_a_cluster_smaller_than_its_shots_repeats_its_pictures():
    labels_N = np.array([0, 0, 0, 1, 1, 1, 1, 1, 1, -1])
    (rows_B,) = sample_batches(
        labels_N,
        None,
        BatchShape(clusters_per_batch=2, shots=6, num_batches=1),
        rng=np.random.default_rng(0),
    )
    small_B, large_B = (rows_B[labels_N[rows_B] == k] for k in (0, 1))
    assert len(small_B) == len(large_B) == 6
    assert set(small_B) <= {0, 1, 2} and set(large_B) == {3, 4, 5, 6, 7, 8}


def config_like(visible_shots, infrared_shots, clusters_per_batch, k1=2):
    config = synthetic.get_config()
    config.cluster.k1 = k1
    for stage in (config.stage1, config.stage2):
        stage.clusters_per_batch = clusters_per_batch
        stage.visible_shots, stage.infrared_shots = visible_shots, infrared_shots
    return config


def test_the_record_counts_clusters_that_are_smaller_than_the_shots():
    labels = EpochLabels(
        visible_N=np.array([0, 0, 0, 1, 1, 1, 1, -1]),
        infrared_N=np.array([0, 0, 1, 1]),
        joint_visible_N=np.array([0, 0, 0, 0, 1, 1, 1, 1]),
        joint_infrared_N=np.array([0, 0, 0, 1]),
    )
    config = config_like(visible_shots=4, infrared_shots=2, clusters_per_batch=2)
    pictures = SimpleNamespace(visible_identities_N=np.zeros(8), infrared_identities_N=np.zeros(4))
    rows = label_quality(config, pictures, When(2, 0), labels)
    assert {name: row["num_below_shots"] for name, row in rows.items()} == {
        "visible": 1,
        "infrared": 0,
        "joint": 1,  # its infrared part
    }


def test_joint_clusters_are_counted_with_those_of_one_modality_and_judged_by_the_mixed_ones():
    """By hand: clusters 0 and 1 hold both modalities, 2 is visible alone, 3 infrared alone."""
    visible_N = np.array([0, 0, 0, 1, 2, 2])
    infrared_N = np.array([0, 0, 1, 1, 3])
    labels = EpochLabels(visible_N, infrared_N, None, None, visible_N, infrared_N)
    config = config_like(2, 2, clusters_per_batch=3)
    pictures = SimpleNamespace(
        visible_identities_N=np.array([7, 7, 7, 8, 9, 9]),
        infrared_identities_N=np.array([7, 7, 8, 8, 6]),
    )
    joint = label_quality(config, pictures, When(2, 0), labels)["joint"]
    assert (joint["num_clusters"], joint["num_mixed"], joint["num_outliers"]) == (4, 2, 0)
    # Of the mixed ones, cluster 1 has a single visible picture for two shots; 3 is never drawn.
    assert joint["num_below_shots"] == 1
    assert joint["adjusted_rand_index"] == 1.0
    assert cluster_notes(config, When(2, 0), labels) == [
        "2 joint clusters of both modalities for batches of 3: clusters repeat within a batch"
    ]


def test_notes_tell_of_few_clusters_few_pictures_and_a_resting_joint_term():
    labels = EpochLabels(np.array([0, 0, 0, 1, 1, 1]), np.array([0, 0, 1, 1, 2, 2, 2]))
    config = config_like(2, 2, clusters_per_batch=3)
    assert cluster_notes(config, When(1, 0), labels) == [
        "2 visible clusters for batches of 3: clusters repeat within a batch"
    ]
    config = config_like(2, 2, clusters_per_batch=2, k1=5)
    few, joint = cluster_notes(config, When(2, 0), labels)
    assert "6 visible pictures and config.cluster.k1 5" in few and "lower k1" in few
    assert "no two joint clusters to contrast" in joint and "no joint term" in joint


def test_a_run_without_clusters_stops_with_the_remedy_and_leaves_what_led_there(tmp_path, capsys):
    config = tiny_config(tmp_path / "pictures")
    run_pictures.draw_if_missing(config.data)
    config.cluster.min_samples = 150
    with pytest.raises(ValueError, match=r"0 clusters of \d+ visible.*min_samples \(150\)"):
        train.train_and_evaluate(config, tmp_path / "run")
    assert [row["epochs_done"] for row in read_records(tmp_path / "run")] == [0]
    # What led there can be looked at, and shows a way out.
    report_clusters(tmp_path / "run")
    output = capsys.readouterr().out
    assert "the run stopped here" in output and "WARNING" not in output
    assert (tmp_path / "run" / "clusters-epoch-0001.png").exists()


@pytest.mark.parametrize("setting, value", [("eps", 1.5), ("k2", 0)])
def test_a_run_with_a_setting_out_of_range_makes_no_workdir(tmp_path, setting, value):
    config = tiny_config(tmp_path / "pictures")
    config.cluster[setting] = value
    with pytest.raises(ValueError, match=f"{setting} is {value}"):
        train.train_and_evaluate(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
