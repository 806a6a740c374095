"""The steps of an epoch: compiled once, given the labels and what the epoch's number decides."""

import numpy as np
import pytest

from configs.common import RECIPES
from pclhd_jax.batches.apart_and_joint import Sampling
from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.method import steps
from pclhd_jax.method.schedules import progressive_weights
from pclhd_jax.method.state import hand_over
from pclhd_jax.training import train
from pclhd_jax.training.banks import make_banks
from pclhd_jax.training.experiment import fresh_state, start_run
from pclhd_jax.training.features import train_features
from pclhd_jax.training.step_loop import EpochSoFar, StepProgress, run_steps
from pclhd_jax.training.unfinished import Unfinished
from tests.helpers.tiny import tiniest_config, tiny_config


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
    config = tiniest_config(pictures, recipe)
    config.stage1.epochs = config.stage2.epochs = 2
    config.stage1.batches_per_epoch = 3
    config.encoder_decay = 0.43  # steps of its own: those of other tests are compiled already
    traced = {1: 0, 2: 0}

    def counted(stage, step):
        def stage_step(*args, **fixed):  # Python runs a step once for each program that is made
            traced[stage] += 1
            return step(*args, **fixed)

        return stage_step

    for stage in (1, 2):
        name = f"stage{stage}_step"
        monkeypatch.setattr(steps, name, counted(stage, getattr(steps, name)))
    run = start_run(config)
    num_clusters = iter((5, 9, 7, 4))
    monkeypatch.setattr(
        "pclhd_jax.training.clusters.label",
        lambda run, z, stage, lists: labels_of(z, next(num_clusters), stage),
    )
    state, unfinished = fresh_state(run), Unfinished(tmp_path, every_steps=0)
    for stage in (1, 2):
        if stage == 2:
            state = hand_over(state, run.tx)
        for epoch in (0, 1):
            state = train.run_epoch(run, state, stage, epoch, unfinished).state
        assert traced[stage] == 1


def test_infrared_crosses_on_odd_epochs_and_rests_of_the_joint_term_reach_the_step(pictures):
    run = start_run(tiny_config(pictures))
    state = fresh_state(run)
    seen = []

    def step(state, banks, batches, inputs, key):
        seen.append((bool(inputs.infrared_crosses), batches.joint is None))
        want = progressive_weights(2, len(seen) > 3, run.config.loss)
        np.testing.assert_allclose(inputs.weights, want)
        return state, banks, {"loss_x": np.float32(1)}

    run = run._replace(train_steps={2: step})
    z = train_features(run, state.online, run.cluster_feature_steps)
    with_joint = labels_of(z, 4, 2)
    without = with_joint._replace(joint_visible_N=None, joint_infrared_N=None)
    for epoch, labels in enumerate((with_joint, without)):
        banks = make_banks(run, z, z, labels, 2, epoch)
        run_steps(run, EpochSoFar(state, banks, labels, {}, {}), 2, epoch, "test")
    assert seen == [(False, False)] * 3 + [(True, True)] * 3


@pytest.mark.parametrize("has_joint, pictures_each", [(False, 10), (True, 20)])
def test_progress_counts_the_pictures_of_the_steps_of_this_start(
    monkeypatch, has_joint, pictures_each
):
    told = []
    monkeypatch.setattr(StepProgress, "__call__", lambda self, *args: told.append(args))
    sampling = Sampling(5, 2, 3, 2)  # 5 steps of 2 clusters, 3 + 2 shots; the first was done before
    progress = StepProgress("stage 1", sampling, has_joint, first=1)
    for done in (1, 2, 4):
        progress.after(({"loss_a": 0.5, "loss_b": 1.0},) * done)
    each, total = pictures_each, 4 * pictures_each
    assert told == [(each, total, ", loss 1.500"), (3 * each, total, ", loss 1.500")]
