"""The whole run on a tiny synthetic set."""

import json
import shutil

import jax
import numpy as np
import pytest

from configs.common import RECIPES
from pclhd_jax import run_pictures, train
from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.clustering.both_modalities import label_jointly
from pclhd_jax.epoch import step_loop
from pclhd_jax.epoch.banks import make_banks
from pclhd_jax.epoch.features import train_features
from pclhd_jax.epoch.step_loop import EpochSoFar, run_steps
from pclhd_jax.epoch.unfinished import Unfinished
from pclhd_jax.experiment import cluster_settings, fresh_state, start_run, term_weights
from pclhd_jax.method.state import hand_over
from pclhd_jax.reports.eps_report import report_clusters
from pclhd_jax.reports.records import read_records
from pclhd_jax.saving.labelled_features import load_epoch
from pclhd_jax.settings import schedule, settings_of
from tests.helpers.finished_run import assert_same_end, assert_same_tree, checkpointed
from tests.helpers.tiny import tiny_config


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
    }
    assert all(np.isfinite(value) for value in last["losses"].values())


def test_a_run_leaves_the_newest_epochs_features_and_the_labels_they_give(finished, pictures):
    workdir, last = finished
    assert [path.name for path in (workdir / "features").iterdir()] == ["epoch-0003.npz"]
    saved = load_epoch(workdir)
    assert (saved.stage, saved.epoch, saved.epochs_done) == (2, 1, 3)
    settings = cluster_settings(tiny_config(pictures))
    assert_same_tree(label_jointly(saved.visible_ND, saved.infrared_ND, settings), saved.labels)
    quality = last["clusters"]["visible"]
    assert saved.labels.visible_N.max() + 1 == quality["num_clusters"]
    assert np.sum(saved.labels.visible_N < 0) == quality["num_outliers"]
    # 9 + 3 people of four shots, by four visible and two infrared cameras.
    assert np.bincount(saved.visible_identities_N).tolist().count(16) == 12
    assert np.bincount(saved.infrared_identities_N).tolist().count(8) == 12


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

    def watched(run, state, stage, epoch, unfinished):
        entering[stage, epoch] = jax.tree.map(np.array, state)
        return real_run_epoch(run, state, stage, epoch, unfinished)

    monkeypatch.setattr(train, "run_epoch", watched)
    train.train_and_evaluate(tiny_config(pictures), tmp_path / "watched")
    after_stage_1, hand_over, later = checkpointed(finished[0], 1), entering[2, 0], entering[2, 1]
    assert_same_tree(hand_over.params, after_stage_1["params"])
    assert_same_tree(hand_over.momentum, hand_over.online)
    assert differs(hand_over.momentum_params, later.momentum_params)
    assert differs(hand_over.momentum_batch_stats, later.momentum_batch_stats)
    assert differs(later.params, later.momentum_params)


def test_a_run_stopped_after_any_epoch_and_started_again_ends_bit_identical(
    finished, pictures, tmp_path, monkeypatch
):
    class Stopped(Exception):
        pass

    workdir = tmp_path / "stopped"
    real_run_epoch = train.run_epoch

    def stop_in_second_epoch_of_each_start(*args):
        if calls.pop():
            raise Stopped
        return real_run_epoch(*args)

    monkeypatch.setattr(train, "run_epoch", stop_in_second_epoch_of_each_start)
    for _ in range(2):
        calls = [True, False]
        with pytest.raises(Stopped):
            train.train_and_evaluate(tiny_config(pictures), workdir)
    monkeypatch.setattr(train, "run_epoch", real_run_epoch)
    train.train_and_evaluate(tiny_config(pictures), workdir)

    assert_same_end(workdir, finished[0])


def test_a_finished_run_started_again_returns_the_same_record(finished, pictures):
    workdir, last = finished
    before = (workdir / "metrics.jsonl").read_bytes()
    assert train.train_and_evaluate(tiny_config(pictures), workdir) == last
    assert (workdir / "metrics.jsonl").read_bytes() == before


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


def test_a_workdir_of_other_settings_is_refused_with_the_difference(finished, pictures):
    config = tiny_config(pictures)
    config.cluster.eps = 0.65
    with pytest.raises(ValueError, match=r"config\.cluster\.eps: there 0\.7, here 0\.65"):
        train.train_and_evaluate(config, finished[0])


def test_the_released_recipe_runs_and_resumes_and_its_features_are_no_unit_rows(
    pictures, tmp_path, monkeypatch, capsys
):
    config = tiny_config(pictures, "released")
    config.checkpoint_every_steps = 1
    last = train.train_and_evaluate(config, tmp_path / "released")
    assert last["recipe"] == "released"
    assert last["losses"]["loss_dynamic_visible"] > 0
    saved = load_epoch(tmp_path / "released")
    assert np.linalg.norm(saved.visible_ND, axis=1).min() < 0.999
    report_clusters(tmp_path / "released")  # clusters them as they were clustered
    assert "WARNING" not in capsys.readouterr().out

    real_batches = step_loop.epoch_batches

    def batches(run, labels, stage, epoch, first):
        for i, batch in enumerate(real_batches(run, labels, stage, epoch, first), first):
            if (stage, epoch, i) == (2, 1, 1):
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


def labels_of(z, num_clusters, stage):
    visible_N = np.arange(len(z.visible_ND), dtype=np.int32) % num_clusters
    infrared_N = np.arange(len(z.infrared_ND), dtype=np.int32) % num_clusters
    match_K = np.arange(num_clusters, dtype=np.int32)
    if stage == 1:
        return EpochLabels(visible_N, infrared_N)
    return EpochLabels(visible_N, infrared_N, match_K, match_K, visible_N, infrared_N)


@pytest.mark.parametrize("recipe", RECIPES)
def test_one_compilation_per_stage_while_the_cluster_count_moves(
    pictures, tmp_path, monkeypatch, recipe
):
    config = tiny_config(pictures, recipe)
    config.stage1.epochs = 2
    config.encoder_decay = 0.5  # steps of its own: those of other tests are compiled already
    run = start_run(config)
    num_clusters = iter((5, 9, 7, 4))
    monkeypatch.setattr(
        "pclhd_jax.epoch.clusters.label",
        lambda run, z, stage: labels_of(z, next(num_clusters), stage),
    )
    state, unfinished = fresh_state(run), Unfinished(tmp_path, every_steps=0)
    for stage in (1, 2):
        if stage == 2:
            state = hand_over(state, run.tx)
        for epoch in (0, 1):
            state, _, _ = train.run_epoch(run, state, stage, epoch, unfinished)
        assert run.train_steps[stage]._cache_size() == 1


def test_infrared_crosses_on_odd_epochs_and_rests_of_the_joint_term_reach_the_step(pictures):
    run = start_run(tiny_config(pictures))
    state = fresh_state(run)
    seen = []

    def step(state, banks, batch, joint_batch, weights, infrared_crosses, key):
        seen.append((bool(infrared_crosses), joint_batch is None))
        np.testing.assert_allclose(weights, term_weights(run.config, 2, len(seen) > 3))
        return state, banks, {"loss_x": np.float32(1)}

    run = run._replace(train_steps={2: step})
    z = train_features(run, state.online, run.cluster_feature_steps)
    with_joint = labels_of(z, 4, 2)
    without = with_joint._replace(joint_visible_N=None, joint_infrared_N=None)
    for epoch, labels in enumerate((with_joint, without)):
        banks = make_banks(run, z, z, labels, 2, epoch)
        run_steps(run, EpochSoFar(state, banks, labels, {}), 2, epoch, "test")
    assert seen == [(False, False)] * 3 + [(True, True)] * 3


def test_a_mistake_put_right_does_not_need_another_workdir(pictures, tmp_path):
    config = tiny_config(pictures)
    config.data.height = 0
    with pytest.raises(ValueError, match=r"config\.data\.height is 0; give at least 16"):
        train.train_and_evaluate(config, tmp_path / "run")
    config.data.height = 32
    config.optimizer.learning_rate = 1e30
    with pytest.raises(FloatingPointError):
        train.train_and_evaluate(config, tmp_path / "run")
    config.optimizer.learning_rate = 1e29  # no checkpoint yet: the new settings are taken
    with pytest.raises(FloatingPointError):
        train.train_and_evaluate(config, tmp_path / "run")


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


def test_a_run_whose_newest_checkpoint_is_damaged_goes_on_from_the_one_before(
    finished, pictures, tmp_path, capsys
):
    undisturbed, last = finished
    workdir = tmp_path / "damaged"
    shutil.copytree(undisturbed, workdir)
    files = [path for path in (workdir / "checkpoints/3/state").rglob("d/*") if path.is_file()]
    lost = max(files, key=lambda path: path.stat().st_size)
    lost.write_bytes(lost.read_bytes()[:-1])
    assert train.train_and_evaluate(tiny_config(pictures), workdir) == last
    out = capsys.readouterr().out
    assert f"warning: checkpoint 3 in {workdir / 'checkpoints'} is damaged: " in out
    assert f"{lost.name} has " in out and f"resuming {workdir} after epoch 2 of 3" in out
    assert_same_end(workdir, undisturbed)
    assert (workdir / "damaged" / "checkpoints-3" / "state").is_dir()


def test_a_run_whose_checkpoints_are_all_damaged_stops_and_keeps_its_records(
    finished, pictures, tmp_path
):
    workdir = tmp_path / "damaged"
    shutil.copytree(finished[0], workdir)
    for path in workdir.glob("checkpoints/*/progress/metadata"):
        path.write_text("")

    def contents():
        paths = (path for path in workdir.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in paths if path.name != "run.lock"}

    before = contents()
    with pytest.raises(ValueError, match=r"checkpoint 3 .*\n.*2 .*\n.*1 .*\nrestore the folder"):
        train.train_and_evaluate(tiny_config(pictures), workdir)
    assert contents() == before
