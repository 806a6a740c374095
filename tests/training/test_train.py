"""The whole run on a tiny synthetic set."""

import json

import jax
import numpy as np
import pytest

from pclhd_jax.clustering.both_modalities import label_epoch
from pclhd_jax.clustering.cluster_settings import cluster_settings
from pclhd_jax.reports.eps_report import report_clusters
from pclhd_jax.reports.records import read_records
from pclhd_jax.saving.labelled_features import load_epoch
from pclhd_jax.settings.schedule import When, schedule
from pclhd_jax.settings.sections import settings_of
from pclhd_jax.training import run_pictures, step_loop, train
from tests.helpers.finished_run import assert_same_end, assert_same_tree, checkpointed
from tests.helpers.tiny import tiniest_config, tiny_config


def differs(one, other):
    return any(jax.tree.leaves(jax.tree.map(lambda a, b: (a != b).any(), one, other)))


def test_a_run_leaves_one_record_per_epoch_and_a_score_for_the_untrained_encoder(finished):
    workdir, last = finished
    rows = read_records(workdir)
    assert [row["epochs_done"] for row in rows] == [0, 1, 2, 3]
    assert [row.get("stage") for row in rows] == [None, 1, 2, 2]
    assert last == rows[-1]
    assert set(rows[0]["evaluation"]) == set(last["evaluation"])
    for score in last["evaluation"].values():
        assert 0 <= score["cmc"][0] <= score["cmc"][19] <= 1
        assert score["num_queries"] == 4 * 2 * 4  # identities, infrared cameras, shots
    quality = rows[1]["clusters"]["visible"]
    assert set(quality) == {
        "num_clusters",
        "num_outliers",
        "num_below_shots",
        "adjusted_rand_index",
        "normalized_mutual_info",
        "purity",
    }
    matched = last["clusters"]["visible"]["right_matches"]
    assert 0 <= matched <= 1 and 0 < last["clusters"]["joint"]["purity"] <= 1
    assert all(np.isfinite(value) for value in last["losses"].values())


def test_a_run_leaves_the_newest_epochs_features_and_the_labels_they_give(finished, pictures):
    workdir, last = finished
    assert [path.name for path in (workdir / "features").iterdir()] == ["epoch-0003.npz"]
    saved = load_epoch(workdir)
    assert (saved.stage, saved.epoch, saved.epochs_done) == (2, 1, 3)
    settings = cluster_settings(tiny_config(pictures), When(saved.stage, saved.epoch))
    assert_same_tree(label_epoch(saved.visible_ND, saved.infrared_ND, settings), saved.labels)
    quality = last["clusters"]["visible"]
    assert saved.labels.visible_N.max() + 1 == quality["num_clusters"]
    assert np.sum(saved.labels.visible_N < 0) == quality["num_outliers"]
    # 9 + 3 people of four shots, by four visible and two infrared cameras.
    assert np.bincount(saved.visible_identities_N).tolist().count(16) == 12
    assert np.bincount(saved.infrared_identities_N).tolist().count(8) == 12


def test_an_epoch_leaves_its_seconds_and_those_that_the_device_waited(finished):
    rows = [json.loads(line) for line in (finished[0] / "timing.jsonl").open()]
    assert [row.pop("epochs_done") for row in rows] == [1, 2, 3]
    waits = [row.pop("waiting") for row in rows]
    on_devices = {"features", "neighbours", "banks", "steps", "test_features"}
    on_the_host = {"clustering", "records", "saves", "scoring"}
    for row, waiting in zip(rows, waits, strict=True):
        assert set(row) == on_devices | on_the_host
        assert set(waiting) == on_the_host | {"compilation", "pictures"}
        assert all(0 < waiting[part] <= row[part] for part in on_the_host)
        assert 0 <= sum(waiting.values()) <= sum(row.values())


def test_a_folder_that_cannot_take_a_trace_is_refused_before_the_work(pictures, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OSError, match=r"cannot write a trace to .*file/x .*name another --profile"):
        train.train_and_evaluate(
            tiny_config(pictures), tmp_path / "run", profile=tmp_path / "file" / "x"
        )
    assert not (tmp_path / "run").exists()


def test_the_sum_of_the_weighted_terms_is_the_recorded_loss(finished):
    for row in read_records(finished[0])[1:]:
        losses = row["losses"]
        terms = [value for name, value in losses.items() if name.startswith("loss_")]
        assert losses["loss"] == pytest.approx(sum(terms))


def test_stage_2_starts_both_encoders_from_stage_1_and_moves_the_momentum_encoder(
    finished, pictures, tmp_path, monkeypatch
):
    entering = {}
    real_run_epoch = train.run_epoch

    def watched(run, services, when, state, *more):
        entering[when] = jax.tree.map(np.array, state)
        return real_run_epoch(run, services, when, state, *more)

    monkeypatch.setattr(train, "run_epoch", watched)
    train.train_and_evaluate(tiny_config(pictures), tmp_path / "watched")
    after_stage_1, hand_over, later = checkpointed(finished[0], 1), entering[2, 0], entering[2, 1]
    assert_same_tree(hand_over.params, after_stage_1["params"])
    assert_same_tree(hand_over.momentum, hand_over.online)
    assert differs(hand_over.momentum_params, later.momentum_params)
    assert differs(hand_over.momentum_batch_stats, later.momentum_batch_stats)
    assert differs(later.params, later.momentum_params)


def test_shuffling_the_identity_labels_changes_no_parameter(
    finished, pictures, tmp_path, monkeypatch
):
    real_open_source = run_pictures.open_source

    def shuffled(config):
        rng = np.random.default_rng(1)
        source = real_open_source(config)
        lists = dict(source.lists)
        for split in ("train_visible", "train_infrared"):
            identities_N = rng.permutation(lists[split].identities_N)
            lists[split] = lists[split]._replace(identities_N=identities_N)
        return source._replace(lists=lists)

    monkeypatch.setattr(run_pictures, "open_source", shuffled)
    train.train_and_evaluate(tiny_config(pictures), tmp_path / "shuffled")
    undisturbed, _ = finished
    assert_same_tree(checkpointed(tmp_path / "shuffled", 3), checkpointed(undisturbed, 3))
    # The shuffle did reach the run: its report of the clusters is another one.
    rows, others = read_records(tmp_path / "shuffled"), read_records(undisturbed)
    assert rows[1]["clusters"] != others[1]["clusters"]
    assert rows[1]["losses"] == others[1]["losses"]


def test_the_released_recipe_runs_and_resumes_and_its_features_are_no_unit_rows(
    pictures, tmp_path, monkeypatch, capsys
):
    config = tiniest_config(pictures, "released")
    config.stage2.epochs = 2
    config.checkpoint_every_steps = 1
    traces = []
    monkeypatch.setattr(jax.profiler, "start_trace", lambda folder, **_: traces.append(folder))
    monkeypatch.setattr(jax.profiler, "stop_trace", lambda: traces.append("end"))
    last = train.train_and_evaluate(config, tmp_path / "released", profile=tmp_path)
    assert traces == [f"{tmp_path}/stage1", "end", f"{tmp_path}/stage2", "end"]
    assert last["recipe"] == "released"
    assert last["losses"]["loss_dynamic_visible"] > 0
    saved = load_epoch(tmp_path / "released")
    assert np.linalg.norm(saved.visible_ND, axis=1).min() < 0.999
    report_clusters(tmp_path / "released")  # clusters them as they were clustered
    assert "WARNING" not in capsys.readouterr().out

    real_batches = step_loop.epoch_batches

    def batches(config, pictures, so_far):
        for i, batch in enumerate(real_batches(config, pictures, so_far), len(so_far.history)):
            if (*so_far.when, i) == (2, 1, 1):
                raise KeyboardInterrupt
            yield batch

    monkeypatch.setattr(step_loop, "epoch_batches", batches)
    with pytest.raises(KeyboardInterrupt):
        train.train_and_evaluate(config, tmp_path / "stopped")
    monkeypatch.undo()
    train.train_and_evaluate(config, tmp_path / "stopped")
    assert_same_end(tmp_path / "stopped", tmp_path / "released")


def test_a_loss_that_is_not_finite_stops_the_run_and_names_term_and_step(pictures, tmp_path):
    config = tiny_config(pictures)
    config.optimizer.learning_rate = 1e30
    with pytest.raises(FloatingPointError, match=r"stage 1 epoch 1/1, step \d.*loss_visible"):
        train.train_and_evaluate(config, tmp_path / "diverged")
    # The stopped epoch left no record behind.
    rows = [json.loads(line) for line in (tmp_path / "diverged" / "metrics.jsonl").open()]
    assert [row["epochs_done"] for row in rows] == [0]


def test_a_negative_number_of_epochs_to_keep_is_refused(pictures):
    config = tiny_config(pictures)
    config.keep_features = -1
    with pytest.raises(ValueError, match=r"config\.keep_features is -1; give at least 0"):
        settings_of(config)


def test_pictures_drawn_from_other_settings_are_refused(pictures, tmp_path):
    config = tiny_config(pictures)
    config.data.synthetic.seed = 5
    with pytest.raises(ValueError, match=r"other settings than config\.data\.synthetic"):
        train.train_and_evaluate(config, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_schedule_runs_stage_1_then_stage_2(pictures):
    assert schedule(tiny_config(pictures)) == [(1, 0), (2, 0), (2, 1)]
