"""The numbers and words of both recipes, from the config to what a step computes.

Each setting is given another value; exactly the losses named beside it may then differ, and the
first step's gradient, banks or averages must. A setting that is dropped on the way fails here.
"""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from configs import common
from pclhd_jax.batches.batch import Batches
from pclhd_jax.method import steps
from pclhd_jax.method.schedules import epoch_inputs
from pclhd_jax.settings.schedule import When
from pclhd_jax.training.experiment import fixed_of, sampling_of
from tests.helpers.step_cases import (
    BATCH,
    KEY,
    ToyEncoder,
    assert_close,
    assert_same,
    differs,
    make_state,
)
from tests.helpers.step_cases import make_banks as toy_banks
from tests.helpers.toy_recipe import an_epoch, first_banks, outcome, toy_config

OWN = {"loss_visible", "loss_infrared"}
CROSS = {"loss_cross"}
DYNAMIC = {"loss_dynamic_visible", "loss_dynamic_infrared"}
JOINT_LOSSES = {"loss_joint_visible", "loss_joint_infrared"}
ALL = OWN | CROSS | DYNAMIC

# Setting: (another value, losses of the first step that it moves, parts that differ in `paper`, in
# `released`). Where banks are written in turn, how far they move shapes the gradient as well.
NOTHING, ENCODERS = set(), {"params", "momentum"}
SETTINGS = {
    "loss.temperature": (0.11, ALL, ENCODERS, ENCODERS),
    # Both margins leave the relu open: the value moves, the gradient does not.
    "loss.own_margin": (0.07, OWN, NOTHING, NOTHING),
    "loss.hybrid_margin": (0.07, CROSS, NOTHING, NOTHING),
    "loss.hybrid_hard": (0.3, CROSS, ENCODERS, ENCODERS),
    "loss.cross_weight": (0.5, CROSS, ENCODERS, ENCODERS),
    "loss.dynamic_choice": ("random", DYNAMIC, ENCODERS, NOTHING),
    "loss.bank_order": ("other", NOTHING, ENCODERS | {"banks"}, ENCODERS | {"banks"}),
    "loss.stage2_weights": ((0.3, 0.4, 1.8), OWN | DYNAMIC, ENCODERS, ENCODERS),
    "loss.balance": (0.8, OWN | DYNAMIC, ENCODERS, ENCODERS),
    "prototypes.momentum": (0.6, NOTHING, {"banks"}, ENCODERS | {"banks"}),
    "prototypes.num_farthest": (2, NOTHING, {"banks"}, ENCODERS | {"banks"}),
    "encoder_decay": (0.5, NOTHING, {"momentum"}, {"momentum"}),
    "augment_pad": (7, ALL, ENCODERS | {"banks"}, ENCODERS | {"banks"}),
}


@cache
def plain(recipe):
    return outcome(toy_config(recipe))


def changed(recipe, name, value):
    config = toy_config(recipe)
    if value == "other":
        value = "in_turn" if config.loss.bank_order == "together" else "together"

    config.update_from_flattened_dict({name: value})
    return config


@pytest.mark.parametrize("recipe", common.RECIPES)
@pytest.mark.parametrize("name", SETTINGS)
def test_a_setting_moves_its_losses_and_no_other(recipe, name):
    value, losses, *parts_by_recipe = SETTINGS[name]
    parts = parts_by_recipe[recipe == "released"]
    state, banks, metrics = outcome(changed(recipe, name, value))
    old_state, old_banks, old = plain(recipe)
    moved = {key for key in ALL if not np.allclose(metrics[key], old[key], rtol=1e-6)}
    assert moved == losses
    for part, new, before in (
        ("params", state.params, old_state.params),
        ("momentum", state.momentum_params, old_state.momentum_params),
        ("banks", banks[:2], old_banks[:2]),
    ):
        assert any(differs(new, before)) == (part in parts), part


@pytest.mark.parametrize("recipe", common.RECIPES)
def test_stage_one_takes_its_weights_and_its_margin(recipe):
    def losses(config):
        fixed = fixed_of(config, ToyEncoder(), optax.sgd(0.05))
        state, banks = make_state(fixed.model, fixed.tx), toy_banks(8)
        inputs = epoch_inputs(When(1, 0), config.loss)
        _, _, metrics = steps.stage1_step(state, banks, Batches(BATCH), inputs, KEY, fixed=fixed)
        return {key: float(metrics[key]) for key in OWN}

    old = losses(toy_config(recipe))
    centroid_weight = toy_config(recipe).loss.stage1_weights[0]
    config = toy_config(recipe)
    config.loss.own_margin += 0.05
    for key, value in losses(config).items():
        np.testing.assert_allclose(old[key] - value, 0.05 * centroid_weight, atol=1e-5)
    config = toy_config(recipe)
    config.loss.own_margin = 0.0
    whole = losses(config)
    config.loss.stage1_weights = tuple(2 * w for w in config.loss.stage1_weights)
    for key, value in losses(config).items():
        np.testing.assert_allclose(value, 2 * whole[key], rtol=1e-5)


def test_the_weights_of_an_epoch_are_those_of_the_settings():
    config = common.base("paper")
    config.loss.stage1_weights, config.loss.stage2_weights = (0.8, 0.2, 0.0), (0.0, 2.0, 1.25)
    config.loss.balance = 0.2
    config.loss.ramp_epochs = 3

    def weights(stage, epoch):
        return epoch_inputs(When(stage, epoch), config.loss).weights

    np.testing.assert_allclose(weights(1, 7), (0.8, 0.2, 0.0), rtol=1e-6)
    np.testing.assert_allclose(weights(2, 1), (0.4, 0.3, 0.5), rtol=1e-6)
    config.loss.ramp_shape = "cosine"
    np.testing.assert_allclose(weights(2, 0)[2], (1 - 0.5**0.5) / 2, rtol=1e-6)
    np.testing.assert_allclose(weights(2, 9), (0.0, 0.4, 1.0), rtol=1e-6)


@pytest.mark.parametrize(
    ("recipe", "expected"), [("paper", (False, "same")), ("released", (True, "independent"))]
)
@pytest.mark.parametrize("stage", [1, 2])
def test_the_sampler_takes_pools_and_joint_clusters_from_the_settings(recipe, expected, stage):
    config = common.base(recipe)
    sampling = sampling_of(config, stage)
    drawn = sampling.sampler
    assert (drawn.exact_pool_repeats, drawn.joint_clusters) == expected
    assert sampling.visible_shots == config[f"stage{stage}"].visible_shots
    config.sampler.exact_pool_repeats = not expected[0]
    assert sampling_of(config, stage).sampler.exact_pool_repeats != expected[0]


@pytest.mark.parametrize("recipe", common.RECIPES)
def test_margins_are_taken_off_their_own_terms(recipe):
    """Worked by hand: an open relu takes weight x margin off a term."""
    old = plain(recipe)[2]
    config = toy_config(recipe)
    config.loss.own_margin += 0.05
    own = outcome(config)[2]
    centroid_weight = config.loss.stage2_weights[0]
    for key in OWN:
        np.testing.assert_allclose(old[key] - own[key], 0.05 * centroid_weight, atol=1e-5)
    config = toy_config(recipe)
    config.loss.hybrid_margin += 0.05
    hybrid = outcome(config)[2]
    np.testing.assert_allclose(
        old["loss_cross"] - hybrid["loss_cross"], 0.25 * 0.5 * 0.05, atol=1e-5
    )
    for key in JOINT_LOSSES:
        np.testing.assert_allclose(old[key] - hybrid[key], 0.5 * 0.05, atol=1e-5)


@pytest.mark.parametrize("recipe", common.RECIPES)
def test_the_query_of_the_dynamic_term_decides_on_its_gradient_and_on_the_refresh(recipe):
    for query, is_online in (("online", True), ("momentum", False)):
        config = changed(recipe, "loss.dynamic_query", query)
        state, banks, metrics = outcome(config)
        without = changed(recipe, "loss.dynamic_query", query)
        without.loss.stage2_weights = (*config.loss.stage2_weights[:2], 0.0)
        silent, _, _ = outcome(without)
        assert any(differs(state.params, silent.params)) == is_online
        refreshed = banks.visible.dynamic_KSD, banks.infrared.dynamic_KSD
        before = toy_banks(8)
        kept = before.visible.dynamic_KSD, before.infrared.dynamic_KSD
        assert any(differs(refreshed, kept)) == is_online
        other = "momentum" if is_online else "online"
        swapped = outcome(changed(recipe, "loss.dynamic_query", other))[2]
        for key in DYNAMIC:
            assert not np.allclose(metrics[key], swapped[key], rtol=1e-4)


@pytest.mark.parametrize("recipe", common.RECIPES)
@pytest.mark.parametrize("odd", [True, False], ids=["odd", "even"])
def test_a_step_without_joint_batch_is_the_first_step_and_the_moving_average(recipe, odd):
    config = toy_config(recipe)
    state, banks, metrics = outcome(config, odd, joint=None)
    assert not JOINT_LOSSES & metrics.keys() and "gradient_norm_joint" not in metrics
    assert metrics.keys() >= ALL
    assert_same(banks.joint, toy_banks(8).joint)
    with_joint, banks_with, _ = outcome(config, odd)
    assert_close(banks[:2], banks_with[:2])  # the joint step leaves these alone
    assert any(differs(state.params, with_joint.params))
    start = make_state(ToyEncoder(), optax.sgd(0.05), momentum_seed=1)
    want = jax.tree.map(
        lambda old, new: config.encoder_decay * old + (1 - config.encoder_decay) * new,
        start.momentum_params,
        state.params,
    )
    assert_close(state.momentum_params, want, atol=1e-6)


@pytest.mark.parametrize("recipe", common.RECIPES)
def test_dynamic_prototypes_start_as_momentum_features_and_not_as_online_ones(recipe):
    z, momentum_z, labels = an_epoch()
    banks = first_banks(common.base(recipe))
    for bank, mine, others, labels_N in zip(
        banks[:2], momentum_z, z, (labels.visible_N, labels.infrared_N), strict=True
    ):
        assert bank.dynamic_KSD.shape[1] == 3
        for c in range(labels_N.max() + 1):
            for drawn_D in np.asarray(bank.dynamic_KSD[c]):
                assert np.abs(mine[labels_N == c] - drawn_D).max(axis=1).min() < 1e-6
                assert np.abs(others - drawn_D).max(axis=1).min() > 1e-3


@pytest.mark.parametrize("recipe", common.RECIPES)
def test_hard_prototypes_start_where_the_recipe_says(recipe):
    banks = first_banks(common.base(recipe))
    starts_at_centroid = recipe == "released"
    for bank in banks:
        live = np.asarray(bank.live_K)
        same = np.asarray(bank.hard_KD)[live] == np.asarray(bank.centroid_KD)[live]
        assert same.all() if starts_at_centroid else not same.all(axis=1).any()


def test_a_joint_cluster_of_one_modality_starts_at_the_mean_of_that_one():
    z, _, labels = an_epoch()
    banks = first_banks(common.base("released"))
    mean_D = z.visible_ND[labels.joint_visible_N == 2].mean(axis=0)  # no infrared picture has it
    np.testing.assert_allclose(
        banks.joint.centroid_KD[2], mean_D / np.linalg.norm(mean_D), atol=1e-6
    )
    assert jnp.array_equal(banks.joint.live_K[:4], np.array([True, True, True, False]))
