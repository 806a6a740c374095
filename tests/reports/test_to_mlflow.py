"""MLflow's record, read back with its own client from a store in a folder."""

import numpy as np
import pytest

from pclhd_jax.reports.record_writers import Epoch, Start
from pclhd_jax.reports.to_mlflow import Mlflow, check_place

NAME = "evaluation/sysu all-search single-shot/rank1"


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")


def opened(tmp_path, **changes):
    settings = changes.pop("settings", {"seed": 3, "loss.weights": (1.0, 0.5)})
    return Mlflow(Start(tmp_path / "my-run", settings, **{"last": -1} | changes))


def steps(writer, name):
    history = writer.client.get_metric_history(writer.run, name)
    return [(metric.step, metric.value) for metric in history]


def test_numbers_settings_texts_and_pictures_come_back(tmp_path):
    writer = opened(tmp_path)
    sizes = {"cluster_sizes/visible": np.array([4, 4, 9])}
    pictures = {"rank_lists/sysu (all)": np.zeros((4, 8, 3), np.uint8)}
    writer.write(Epoch(0, {NAME: 0.25, "losses/c,d": 2.0}))
    writer.write(Epoch(1, {NAME: 0.5}, sizes, pictures, {"log": "two\nlines"}))
    writer.close(finished=True)
    assert steps(writer, NAME) == [(0, 0.25), (1, 0.5)]
    assert steps(writer, "losses/c_d") == [(0, 2.0)]  # MLflow takes no comma
    assert steps(writer, "cluster_sizes/visible/median") == [(1, 4.0)]
    assert steps(writer, "cluster_sizes/visible/most") == [(1, 9.0)]
    run = writer.client.get_run(writer.run)
    assert run.data.params == {"seed": "3", "loss.weights": "(1.0, 0.5)"}
    assert run.data.tags["log"] == "two\nlines"
    assert (run.info.run_name, run.info.status) == ("my-run", "FINISHED")
    assert any(
        "sysu _all" in file.path for file in writer.client.list_artifacts(writer.run, "images")
    )


def test_a_resume_goes_on_in_the_same_run_and_notes_a_setting_that_changed(tmp_path):
    before = opened(tmp_path)
    before.write(Epoch(1, {NAME: 0.5}))
    before.close(finished=False)
    status = before.client.get_run(before.run).info.status
    resumed = opened(tmp_path, settings={"seed": 4, "new": 1}, last=1, run=before.run, has=1)
    assert (resumed.run, resumed.has, status) == (before.run, 1, "KILLED")
    run = resumed.client.get_run(resumed.run)
    assert run.info.status == "RUNNING"
    assert run.data.params["seed"] == "3" and run.data.params["new"] == "1"
    assert run.data.tags["seed from epoch 2"] == "4"


def test_a_run_that_was_removed_or_has_epochs_that_come_again_is_begun_anew(tmp_path):
    before = opened(tmp_path)
    again = opened(tmp_path, last=1, run=before.run, has=2)
    assert again.run != before.run and again.has == -1
    before.client.delete_run(before.run)
    removed = opened(tmp_path, last=1, run=before.run, has=1)
    assert removed.run != before.run and removed.has == -1
    unknown = opened(tmp_path, last=1, run="0" * 32, has=1)
    assert unknown.run != "0" * 32 and unknown.has == -1


def test_many_numbers_and_settings_go_in_parts(tmp_path):
    writer = opened(tmp_path, settings={f"s{n}": n for n in range(250)})
    writer.write(Epoch(0, {f"m{n}": float(n) for n in range(2500)}))
    run = writer.client.get_run(writer.run)
    assert len(run.data.params) == 250 and len(run.data.metrics) == 2500


def test_a_place_that_nobody_named_is_an_error_with_the_remedy(monkeypatch):
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    with pytest.raises(ValueError, match="MLFLOW_TRACKING_URI is not set; set it to"):
        check_place()
