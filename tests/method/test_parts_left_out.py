"""A part of the method that a setting leaves out leaves nothing behind."""

import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from configs import common
from pclhd_jax.batches.apart_and_joint import TrainPictures
from pclhd_jax.method.losses import centroid_cross_entropy, hard_cross_entropy, hybrid_loss
from pclhd_jax.training.clusters import cluster_notes
from pclhd_jax.training.step_loop import EpochSoFar, epoch_batches
from tests.helpers.step_cases import BATCH, assert_same, differs
from tests.helpers.step_cases import make_banks as toy_banks
from tests.helpers.toy_recipe import (
    FIRST_OF_STAGE_2,
    an_epoch,
    first_banks,
    outcome,
    toy_config,
)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.5, 1.0])
def test_the_hybrid_term_shares_between_centroid_and_hard_prototypes(share):
    bank = toy_banks(8).visible
    z_BD = np.random.default_rng(0).normal(size=(6, bank.centroid_KD.shape[1]))
    z_BD = jnp.float32(z_BD / np.linalg.norm(z_BD, axis=1, keepdims=True))
    labels_B = jnp.asarray(np.resize(np.flatnonzero(bank.live_K), 6))
    centroid = centroid_cross_entropy(z_BD, bank, labels_B, temperature=0.2).mean()
    hard = hard_cross_entropy(z_BD, bank, labels_B, temperature=0.2).mean()
    assert centroid > 0.2 and hard > 0.2
    got = hybrid_loss(z_BD, bank, labels_B, temperature=0.2, margin=0.1, hard_share=share)
    np.testing.assert_allclose(got, (1 - share) * (centroid - 0.1) + share * hard, rtol=1e-5)


@pytest.mark.parametrize("recipe", common.RECIPES)
@pytest.mark.parametrize("odd", [True, False], ids=["odd", "even"])
def test_without_cross_weight_no_match_reaches_a_gradient_or_a_bank(recipe, odd):
    config = toy_config(recipe)
    config.loss.cross_weight = 0.0
    rematched = BATCH._replace(
        visible_matches_B=BATCH.visible_matches_B[::-1],
        infrared_matches_B=BATCH.infrared_matches_B[::-1],
    )
    state, banks, metrics = outcome(config, odd)
    other = outcome(config, odd, batch=rematched)
    assert "loss_cross" not in metrics
    assert_same(state.params, other[0].params)
    assert_same(banks, other[1])
    # With it they do.
    with_cross = outcome(toy_config(recipe), odd)
    rematched_cross = outcome(toy_config(recipe), odd, batch=rematched)
    assert any(differs(with_cross[0].params, rematched_cross[0].params))
    assert any(differs(with_cross[1][:2], rematched_cross[1][:2]))


@pytest.mark.parametrize("joint", [True, False])
def test_without_the_joint_term_there_is_no_joint_bank_and_no_joint_batch(joint):
    z, _, labels = an_epoch()
    config, when = common.base("paper"), FIRST_OF_STAGE_2
    config.loss.joint = joint
    banks = first_banks(config)
    assert (banks.joint is not None) == joint
    pixels = [np.zeros((len(z_ND), 2, 1, 3), np.uint8) for z_ND in z]
    pictures = TrainPictures(*pixels, None, None)
    config.stage2.clusters_per_batch = 3  # more than the two joint clusters there are
    config.stage2.visible_shots = config.stage2.infrared_shots = 2
    assert any("joint" in note for note in cluster_notes(config, when, labels)) == joint
    begun = EpochSoFar(when, None, banks, labels, {}, {})
    batches = list(itertools.islice(epoch_batches(config, pictures, begun), 3))
    assert [both.joint is not None for both in batches] == [joint] * 3
