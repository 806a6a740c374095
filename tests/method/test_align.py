"""The alignment terms, against loops in NumPy: who meets which prototypes, moved by whom."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pclhd_jax.method.align import align_terms, joint_align_terms
from pclhd_jax.method.terms import Encoded, both_views
from tests.helpers.step_cases import BATCH, EVEN, JOINT, MU, ODD, PAPER, make_banks
from tests.helpers.toy_recipe import outcome, toy_config

WEIGHT = 0.7
SETTINGS = PAPER._replace(align_weight=WEIGHT, hybrid_margin=0.1, hybrid_hard=0.3)


def unit(x):
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def features(batch):
    rng = np.random.default_rng(5)
    visible, infrared = (unit(rng.normal(size=(n, 8))) for n in (8, len(batch.infrared_labels_B)))
    return Encoded(jnp.float32(visible), jnp.float32(infrared), None)


def moved(bank, z_BD, labels_B):
    """Centroids and hard prototypes after an update by these rows."""
    centroid_KD, hard_KD = np.array(bank.centroid_KD), np.array(bank.hard_KD)
    for c in set(np.asarray(labels_B).tolist()):
        own = np.asarray(z_BD)[np.asarray(labels_B) == c]
        farthest = own[np.argmin(own @ centroid_KD[c])]
        hard_KD[c] = unit(MU * hard_KD[c] + (1 - MU) * farthest)
        centroid_KD[c] = unit(MU * centroid_KD[c] + (1 - MU) * own.mean(axis=0))
    return centroid_KD[:4], hard_KD[:4]  # the live ones


def hybrid(z_BD, prototypes, labels_B):
    def entropy(rows_KD):
        logits = np.asarray(z_BD) @ rows_KD.T / SETTINGS.temperature
        return np.mean(
            [np.log(np.exp(row).sum()) - row[c] for row, c in zip(logits, labels_B, strict=True)]
        )

    centroid_KD, hard_KD = prototypes
    return 0.7 * max(0, entropy(centroid_KD) - 0.1) + 0.3 * entropy(hard_KD)


@pytest.mark.parametrize("crosses", [ODD, EVEN], ids=["odd", "even"])
def test_the_modality_that_stays_meets_its_bank_as_the_other_moves_it(crosses):
    z, banks = features(BATCH), make_banks(8)
    got = align_terms(z, banks, BATCH, crosses, SETTINGS)["align"]
    labels_v, labels_r = both_views(BATCH.visible_labels_B), BATCH.infrared_labels_B
    if crosses:  # infrared features have met the visible bank
        bank = moved(banks.visible, z.infrared_BD, BATCH.infrared_matches_B)
        want = hybrid(z.visible_BD, bank, labels_v)
    else:
        bank = moved(banks.infrared, z.visible_BD, both_views(BATCH.visible_matches_B))
        want = hybrid(z.infrared_BD, bank, labels_r)
    np.testing.assert_allclose(got, WEIGHT * want, rtol=1e-5)


def test_on_joint_clusters_each_modality_meets_the_bank_as_the_other_moves_it():
    z, banks = features(JOINT), make_banks(8)
    got = joint_align_terms(z, banks, JOINT, SETTINGS)["align_joint"]
    labels_v, labels_r = both_views(JOINT.visible_labels_B), JOINT.infrared_labels_B
    want = hybrid(z.visible_BD, moved(banks.joint, z.infrared_BD, labels_r), labels_v)
    want += hybrid(z.infrared_BD, moved(banks.joint, z.visible_BD, labels_v), labels_r)
    np.testing.assert_allclose(got, WEIGHT * want, rtol=1e-5)


def test_only_the_modality_that_stays_has_a_gradient():
    """The prototypes are the crossing features, and yet constants."""
    z, banks = features(BATCH), make_banks(8)
    for crosses, silent in ((ODD, 1), (EVEN, 0)):
        gradients = jax.grad(
            lambda pair, crosses=crosses: align_terms(
                Encoded(*pair, None), banks, BATCH, crosses, SETTINGS
            )["align"]
        )(z[:2])
        assert not np.any(gradients[silent]) and np.any(gradients[1 - silent])


@pytest.mark.parametrize("recipe", ["paper", "released"])
def test_its_weight_reaches_both_steps_and_leaves_the_other_terms(recipe):
    config = toy_config(recipe)
    plain = outcome(config)[2]
    assert not [name for name in plain if "align" in name]
    config.loss.align_weight = 0.5
    half = outcome(config)[2]
    config.loss.align_weight = 1.0
    whole = outcome(config)[2]
    # Not the joint step's own terms: it starts where the first step ends.
    for name in ("loss_visible", "loss_cross", "loss_dynamic_visible"):
        np.testing.assert_allclose(half[name], plain[name], rtol=1e-6)
    np.testing.assert_allclose(whole["loss_align"], 2 * half["loss_align"], rtol=1e-5)
    assert half["loss_align"] > 0.1 and half["loss_align_joint"] > 0.1
