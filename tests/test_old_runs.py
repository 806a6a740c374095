"""Runs that version 0.1.0 wrote at commit 10fa31c (tests/data/old_runs) stay readable.

The settings and terms that came later stand at what those runs did without them.
"""

import json
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

import pclhd_jax
from pclhd_jax.reports.records import read_records

OLD = Path(__file__).parent / "data" / "old_runs"
RECIPES = ("paper", "released")


def copied(recipe, tmp_path, pictures):
    """A copy of an old run, and its own settings with the pictures where they are here."""
    workdir = tmp_path / recipe
    shutil.copytree(OLD / recipe, workdir)
    config = pclhd_jax.load_config(workdir)
    config.data.source = str(pictures)
    config.data.prepared, config.data.cache = f"{pictures}-prepared", f"{pictures}-cache"
    return workdir, config


def assert_near(one, other):
    """Numbers of another machine; ranks of a few pictures may change by one place."""
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for x, y in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        assert x == y if isinstance(x, str) else x == pytest.approx(y, rel=2e-3, abs=0.07)


def test_the_run_that_was_stopped_resumes_and_ends_as_its_own_version_ended_it(tmp_path, pictures):
    workdir, config = copied("paper", tmp_path, pictures)
    last = pclhd_jax.train(config, workdir)
    expected = [json.loads(line) for line in (OLD / "paper_resumed.jsonl").open()]
    rows = read_records(workdir)
    assert rows[:3] == expected[:3]  # kept as they were
    assert last == rows[3] and len(rows) == 4
    assert last["clusters"] == expected[3]["clusters"]  # of before the stop
    assert_near(last["losses"], expected[3]["losses"])
    assert_near(last["evaluation"], expected[3]["evaluation"])
    assert not (workdir / "changes.jsonl").exists()


def test_a_finished_run_resumes_to_nothing(tmp_path, pictures):
    workdir, config = copied("released", tmp_path, pictures)
    before = (workdir / "metrics.jsonl").read_bytes()
    assert pclhd_jax.train(config, workdir) == read_records(OLD / "released")[-1]
    assert (workdir / "metrics.jsonl").read_bytes() == before


@pytest.mark.parametrize("recipe", RECIPES)
def test_an_old_run_is_evaluated_as_its_record_says(recipe, tmp_path, pictures):
    workdir, config = copied(recipe, tmp_path, pictures)
    scores = pclhd_jax.evaluate(config, workdir)
    done = 2 if recipe == "paper" else 3  # epochs that have a checkpoint
    (recorded,) = (row for row in read_records(OLD / recipe) if row["epochs_done"] == done)
    assert_near(json.loads(json.dumps(scores)), recorded["evaluation"])


@pytest.mark.parametrize("recipe", RECIPES)
def test_an_old_run_embeds_searches_is_inspected_and_drawn(recipe, tmp_path, pictures):
    workdir, _ = copied(recipe, tmp_path, pictures)
    settings = dict(layout="sysu", batch_size=32)
    index = pclhd_jax.embed(workdir, pictures, "visible", tmp_path / "gallery", **settings)
    np.testing.assert_allclose(np.linalg.norm(index.features_ND, axis=1), 1, atol=1e-5)
    assert pclhd_jax.inspect(workdir).sound
    params = pclhd_jax.load_params(workdir)
    assert set(params) == {"params", "batch_stats"}
    page = pclhd_jax.visualize(workdir, tmp_path / "page", pictures_root=pictures)
    text = page.read_text()
    assert "Rank-1" in text and "Terms of the loss and their weights by epoch" in text
    assert (tmp_path / "page" / "losses.png").is_file() and "align" not in text.split("</style>")[1]
