"""A run whose record goes to services too: what it computes and keeps stays the same."""

import json
import shutil

import pytest
import wandb

from pclhd_jax.reports.records import read_records
from pclhd_jax.training import train
from tests.helpers.tiny import tiny_config


@pytest.fixture
def offline(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", (tmp_path / "store").as_uri())
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    wandb.teardown()  # it reads its environment once
    monkeypatch.setenv("WANDB_MODE", "offline")
    yield
    wandb.teardown()


def test_writers_may_be_switched_on_later_and_get_the_epochs_so_far(
    finished, pictures, tmp_path, offline
):
    from mlflow import MlflowClient

    workdir = tmp_path / "run"
    shutil.copytree(finished[0], workdir)
    config = tiny_config(pictures)
    config.writers = ("mlflow", "wandb")
    assert train.train_and_evaluate(config, workdir) == finished[1]
    rows = (workdir / "metrics.jsonl").read_bytes()
    assert rows == (finished[0] / "metrics.jsonl").read_bytes()
    kept = json.loads((workdir / "writers.json").read_text())
    assert {word: kept[word]["has"] for word in kept} == dict.fromkeys(kept, 3)
    assert {"tensorboard", "mlflow", "wandb"} == set(kept)
    history = MlflowClient().get_metric_history(kept["mlflow"]["run"], "losses/loss")
    losses = [(row["epochs_done"], row["losses"]["loss"]) for row in read_records(workdir)[1:]]
    assert [(metric.step, metric.value) for metric in history] == losses


def test_a_writer_that_cannot_work_is_refused_before_a_workdir_is_made(
    pictures, tmp_path, monkeypatch
):
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    config = tiny_config(pictures)
    config.writers = ("mlflow",)
    with pytest.raises(ValueError, match="MLFLOW_TRACKING_URI is not set"):
        train.train_and_evaluate(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    config.writers = ("mlfow",)
    with pytest.raises(ValueError, match=r"config\.writers is \('mlfow',\); give some of tensor"):
        train.train_and_evaluate(config, tmp_path / "run")
