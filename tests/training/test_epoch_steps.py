"""The steps of an epoch: compiled once, given the labels and what the epoch's number decides."""

import numpy as np
import pytest

from configs.common import RECIPES
from pclhd_jax.batches.apart_and_joint import Sampling
from pclhd_jax.batches.batch import EpochLabels
from pclhd_jax.method.schedules import progressive_weights
from pclhd_jax.method.state import hand_over
from pclhd_jax.processes.compiling import seconds_compiling
from pclhd_jax.settings.schedule import When, schedule
from pclhd_jax.training.banks import make_banks
from pclhd_jax.training.experiment import fresh_state, optimizer_of, start_run
from pclhd_jax.training.features import train_features
from pclhd_jax.training.run_epoch import begin_epoch
from pclhd_jax.training.services import Services, go_on
from pclhd_jax.training.step_loop import EpochSoFar, StepProgress, run_steps
from tests.helpers.tiny import tiniest_config, tiny_config


def labels_of(z, num_clusters, stage):
    visible_N = np.arange(len(z.visible_ND), dtype=np.int32) % num_clusters
    infrared_N = np.arange(len(z.infrared_ND), dtype=np.int32) % num_clusters
    match_K = np.arange(num_clusters, dtype=np.int32)
    if stage == 1:
        return EpochLabels(visible_N, infrared_N)
    return EpochLabels(visible_N, infrared_N, match_K, match_K, visible_N, infrared_N)


@pytest.mark.parametrize("recipe", RECIPES)
def test_one_compilation_per_stage_while_the_cluster_count_moves(pictures, tmp_path, recipe):
    config = tiniest_config(pictures, recipe)
    config.stage1.epochs = config.stage2.epochs = 2
    config.stage1.batches_per_epoch = 3
    run = start_run(config)
    state, compiled_s, num_clusters = fresh_state(config, run.mesh), [], iter((5, 9, 7, 4))
    z = train_features(run, state.online, run.cluster_feature_steps, go_on)
    for when in schedule(config):
        if when == (2, 0):
            state = hand_over(state, optimizer_of(config))
        labels = labels_of(z, next(num_clusters), when.stage)
        begun = begin_epoch(run, Services(tmp_path), when, state)._replace(
            labels=labels, banks=make_banks(config, run.mesh, when, z, z, labels)
        )
        before = seconds_compiling()
        state = run_steps(run, begun).state
        compiled_s.append(seconds_compiling() - before)
    assert compiled_s[1] == compiled_s[3] == 0


def test_infrared_crosses_on_odd_epochs_and_rests_of_the_joint_term_reach_the_step(pictures):
    config = tiny_config(pictures)
    run = start_run(config)
    state = fresh_state(config, run.mesh)
    seen = []

    def step(state, banks, batches, inputs, key):
        seen.append((bool(inputs.infrared_crosses), batches.joint is None))
        want = progressive_weights(When(2, len(seen) > 3), config.loss)
        np.testing.assert_allclose(inputs.weights, want)
        return state, banks, {"loss_x": np.float32(1)}

    run = run._replace(train_steps={2: step})
    z = train_features(run, state.online, run.cluster_feature_steps, go_on)
    with_joint = labels_of(z, 4, 2)
    without = with_joint._replace(joint_visible_N=None, joint_infrared_N=None)
    for epoch, labels in enumerate((with_joint, without)):
        when = When(2, epoch)
        banks = make_banks(config, run.mesh, when, z, z, labels)
        run_steps(run, EpochSoFar(when, state, banks, labels, {}, {}))
    assert seen == [(False, False)] * 3 + [(True, True)] * 3


@pytest.mark.parametrize("has_joint, pictures_each", [(False, 10), (True, 20)])
def test_progress_counts_the_pictures_of_the_steps_of_this_start(capsys, has_joint, pictures_each):
    # 5 steps of 2 clusters, 3 + 2 shots; the first was done before.
    sampling = Sampling(5, 2, 3, 2, sampler=None)
    progress = StepProgress("stage 1", sampling, has_joint, first=1)
    progress.every_s = 0  # a line each time
    for done in (1, 2, 4):
        progress.after(({"loss_a": 0.5, "loss_b": 1.0},) * done)
    each, total = pictures_each, 4 * pictures_each
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" images,")[0] for line in lines] == [
        f"stage 1: {each}/{total}",
        f"stage 1: {3 * each}/{total}",
    ]
    assert all(line.endswith(" left, loss 1.500") for line in lines)
