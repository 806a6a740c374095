"""What the record says of prototypes and gradients, on sets small enough to count by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.method.prototypes import PrototypeBank
from pclhd_jax.method.step_data import Banks
from pclhd_jax.reports.records import read_records
from pclhd_jax.training import train
from pclhd_jax.training.diagnosis import bank_report, hard_pictures, least_similar, prototype_report
from pclhd_jax.training.features import Features
from tests.helpers.tiny import tiniest_config


def test_the_hard_picture_is_the_one_farthest_from_its_clusters_centroid():
    rng = np.random.default_rng(0)
    z_ND = rng.normal(size=(40, 8)).astype(np.float32)
    labels_N = np.append(rng.integers(-1, 4, 36), np.arange(4))
    want = []
    for cluster in range(4):
        members = np.flatnonzero(labels_N == cluster)
        centre = z_ND[members].mean(axis=0)
        cosines = z_ND[members] @ centre / np.linalg.norm(z_ND[members], axis=1)
        want.append(members[cosines.argmin()])
    assert least_similar(z_ND, labels_N).tolist() == want


def test_of_equally_far_pictures_the_first_is_the_hard_one():
    z_ND = np.array([[1, 0], [0, 1], [1, 0], [0, 1]], np.float32)
    assert least_similar(z_ND, np.array([0, 0, -1, -1])).tolist() == [0]


def bank(centroid, hard, dynamic):
    live = jnp.array([True, True, False])  # the last is padding, whatever it holds
    return PrototypeBank(*(jnp.float32(x) for x in (centroid, hard, dynamic)), live)


def test_distances_and_spread_are_those_worked_by_hand():
    report = bank_report(
        bank(
            centroid=[[1, 0], [0, 1], [5, 5]],
            hard=[[0.6, 0.8], [0, 1], [5, -5]],
            dynamic=[[[1, 0], [0, 1]], [[0, 1], [0, 1]], [[9, 9], [9, 9]]],
        )
    )
    assert report["hard_distance"] == pytest.approx((0.4 + 0.0) / 2)
    # The mean of two unit vectors at a right angle has squared length 1/2.
    assert report["dynamic_spread"] == pytest.approx((0.5 + 0.0) / 2)
    no_dynamic = bank(np.eye(3), np.eye(3), np.zeros((3, 0, 3)))
    assert bank_report(no_dynamic) == {"hard_distance": 0.0}


def test_a_hard_picture_counts_as_changed_if_it_was_nobodys_before():
    plain = bank(np.eye(3), np.eye(3), np.zeros((3, 0, 3)))
    now = {"visible": [3, 8, 5, 1], "infrared": [2]}
    before = {"visible": [1, 9, 3], "infrared": [2, 7]}
    report = prototype_report(Banks(plain, plain), now, before)
    assert report["visible"]["hard_changed"] == 0.5 and report["infrared"]["hard_changed"] == 0.0
    assert "hard_changed" not in prototype_report(Banks(plain, plain), now, None)["visible"]
    labels = EpochLabels(np.array([0, 0, 1]), np.array([0, -1, 0]))
    z = Features(*(np.eye(3, dtype=np.float32) + 0.1 * n for n in (1, 2)))
    assert {name: len(rows) for name, rows in hard_pictures(z, labels).items()} == {
        "visible": 2,
        "infrared": 1,
    }


def test_a_run_records_prototypes_and_where_asked_gradients(finished, pictures, tmp_path):
    rows = read_records(finished[0])[1:]
    assert all("gradients" not in row for row in rows)
    assert "hard_changed" not in rows[0]["prototypes"]["visible"]
    for row in rows[1:]:
        assert 0 <= row["prototypes"]["infrared"]["hard_changed"] <= 1
        assert 0 < row["prototypes"]["visible"]["dynamic_spread"] < 1
    config = tiniest_config(pictures)
    config.stage2.epochs = 2
    train.train_and_evaluate(config, tmp_path / "plain")
    config.report_gradients = True
    train.train_and_evaluate(config, tmp_path / "reported")
    rows, reported = (read_records(tmp_path / name)[1:] for name in ("plain", "reported"))
    # Hard prototypes weigh nothing in stage 1 of `paper`: no gradient, no direction.
    first, second, third = (row["gradients"] for row in reported)
    assert first == {"norm": first["norm"], "share": {"centroid": 1.0, "hard": 0.0}}
    assert second["norm"]["joint"] > 0 and -1 <= second["cosine"]["centroid"]["hard"] <= 1
    assert sum(third["share"].values()) == pytest.approx(1)
    # To look is not to touch.
    for row, plain in zip(reported, rows, strict=True):
        del row["gradients"]
        assert row == plain
