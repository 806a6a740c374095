"""The report of the terms' gradients, against gradients of the steps' own losses."""

import jax
import numpy as np
import optax
import pytest

from pclhd_jax.batches.batch import Batches
from pclhd_jax.method import steps
from pclhd_jax.method.gradients import stage1_gradients, stage2_gradients
from pclhd_jax.method.schedules import epoch_inputs
from pclhd_jax.settings.schedule import When
from pclhd_jax.training.experiment import fixed_of
from tests.helpers.step_cases import (
    BATCH,
    JOINT,
    KEY,
    ToyEncoder,
    assert_same,
    make_banks,
    make_state,
)
from tests.helpers.toy_recipe import toy_config

KINDS = ("centroid", "cross", "dynamic", "hard")


def of_step(function, config, odd=True, joint=None, stage=2):
    """`function` with what the step of an epoch is given; the start state, and what comes back."""
    fixed = fixed_of(config, ToyEncoder(), optax.sgd(1.0))
    state = make_state(fixed.model, fixed.tx, momentum_seed=1)
    inputs = epoch_inputs(When(stage, int(odd)), config.loss)
    given = make_banks(8), Batches(BATCH, joint), inputs, KEY
    return state, function(state, *given, fixed=fixed)


def reported(config, joint=JOINT, odd=True):
    return jax.tree.map(float, of_step(stage2_gradients, config, odd, joint)[1])


def moved(config, odd=True):
    """The parameters' movement in one step of plain descent at rate 1: minus the gradient."""
    state, (after, _, _) = of_step(steps.stage2_step, config, odd)
    leaves = zip(jax.tree.leaves(after.params), jax.tree.leaves(state.params), strict=True)
    return np.concatenate([np.ravel(old - new) for new, old in leaves])


def alone(recipe, kind):
    """A recipe of which one kind of term weighs something."""
    config = toy_config(recipe)
    centroid, hard, dynamic = config.loss.stage2_weights
    config.loss.stage2_weights = {
        "centroid": (centroid, 0.0, 0.0),
        "hard": (0.0, hard, 0.0),
        "dynamic": (0.0, 0.0, dynamic),
        "cross": (0.0, 0.0, 0.0),
    }[kind]
    if kind != "cross":
        config.loss.cross_weight = 0.0
    return config


def pairs(kinds):
    return [(one, other) for i, one in enumerate(kinds) for other in kinds[i + 1 :]]


@pytest.mark.parametrize("odd", [True, False], ids=["odd", "even"])
def test_norms_and_cosines_are_those_of_steps_with_one_term_alone(odd):
    gradients = {kind: moved(alone("paper", kind), odd) for kind in KINDS}
    report = reported(toy_config("paper"), joint=None, odd=odd)
    norms = {kind: np.linalg.norm(gradient) for kind, gradient in gradients.items()}
    assert min(norms.values()) > 1e-3
    assert set(report["norm"]) == set(report["share"]) == set(KINDS)
    for kind in KINDS:
        np.testing.assert_allclose(report["norm"][kind], norms[kind], rtol=1e-4)
        share = norms[kind] / sum(norms.values())
        np.testing.assert_allclose(report["share"][kind], share, rtol=1e-4)
    for one, other in pairs(KINDS):
        want = gradients[one] @ gradients[other] / (norms[one] * norms[other])
        np.testing.assert_allclose(report["cosine"][one][other], want, atol=1e-4)


@pytest.mark.parametrize("recipe", ["paper", "released"])
def test_the_kinds_together_are_the_gradient_of_the_step(recipe):
    config = toy_config(recipe)
    report = reported(config, joint=None)
    norm, cosine = report["norm"], report["cosine"]
    squared = sum(norm[kind] ** 2 for kind in KINDS)
    for one, other in pairs(KINDS):
        product = norm[one] * norm[other]
        squared += 2 * cosine[one][other] * product if product else 0.0
    np.testing.assert_allclose(np.sqrt(squared), np.linalg.norm(moved(config)), rtol=1e-4)
    # The released program's dynamic term has no gradient, and so no direction.
    assert (norm["dynamic"] == 0) == (recipe == "released")
    assert np.isnan(cosine["dynamic"]["hard"]) == (recipe == "released")


def test_the_joint_term_is_reported_where_there_is_one():
    config = toy_config("paper")
    whole = reported(config)
    assert whole["norm"]["joint"] > 0 and set(whole["norm"]) == {*KINDS, "joint"}
    assert set(reported(config, joint=None)["norm"]) == set(KINDS)
    config.loss.cross_weight = 0.0
    without = reported(config)
    assert set(without["norm"]) == {*KINDS, "joint"} - {"cross"}
    assert without["norm"]["joint"] == pytest.approx(whole["norm"]["joint"], rel=1e-6)


def test_stage_one_has_its_own_terms_and_the_report_moves_nothing():
    config = toy_config("released")
    state, report = of_step(stage1_gradients, config, stage=1)
    assert_same(state.params, of_step(stage1_gradients, config, stage=1)[0].params)
    assert set(report["norm"]) == {"centroid", "hard"}
    _, (_, _, metrics) = of_step(steps.stage1_step, config, stage=1)
    one, other = (report["norm"][kind] for kind in ("centroid", "hard"))
    squared = one**2 + other**2 + 2 * one * other * report["cosine"]["centroid"]["hard"]
    np.testing.assert_allclose(np.sqrt(squared), metrics["gradient_norm"], rtol=1e-4)
