"""The report of the terms' gradients, against gradients of the steps' own losses."""

import jax
import numpy as np
import optax
import pytest

from pclhd_jax.method import steps
from pclhd_jax.method.gradients import gradient_report
from pclhd_jax.training.experiment import fixed_of, term_weights
from tests.helpers.step_cases import (
    BATCH,
    EVEN,
    JOINT,
    KEY,
    ODD,
    ToyEncoder,
    assert_same,
    make_banks,
    make_state,
)
from tests.helpers.toy_recipe import toy_config


def reported(config, stage=2, joint=JOINT, crosses=ODD):
    fixed = fixed_of(config, ToyEncoder(), optax.sgd(1.0))
    state = make_state(fixed.model, fixed.tx, momentum_seed=1)
    weights = term_weights(config, stage, 0)
    crosses = crosses if stage == 2 else None
    report = gradient_report(state, make_banks(8), BATCH, joint, weights, crosses, KEY, fixed=fixed)
    return {name: float(value) for name, value in report.items()}


def moved(config, joint=None, crosses=ODD):
    """The parameters' movement in one step of plain descent at rate 1: minus the gradient."""
    fixed = fixed_of(config, ToyEncoder(), optax.sgd(1.0))
    state = make_state(fixed.model, fixed.tx, momentum_seed=1)
    weights = term_weights(config, 2, 0)
    after, _, _ = steps.stage2_step(
        state, make_banks(8), BATCH, joint, weights, crosses, KEY, fixed=fixed
    )
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


@pytest.mark.parametrize("crosses", [ODD, EVEN], ids=["odd", "even"])
def test_norms_and_cosines_are_those_of_steps_with_one_term_alone(crosses):
    kinds = ("centroid", "hard", "cross", "dynamic")
    gradients = {kind: moved(alone("paper", kind), crosses=crosses) for kind in kinds}
    report = reported(toy_config("paper"), joint=None, crosses=crosses)
    norms = {kind: np.linalg.norm(gradient) for kind, gradient in gradients.items()}
    assert min(norms.values()) > 1e-3
    for kind in kinds:
        np.testing.assert_allclose(report[f"norm_{kind}"], norms[kind], rtol=1e-4)
        share = norms[kind] / sum(norms.values())
        np.testing.assert_allclose(report[f"share_{kind}"], share, rtol=1e-4)
    for i, one in enumerate(kinds):
        for other in kinds[i + 1 :]:
            want = gradients[one] @ gradients[other] / (norms[one] * norms[other])
            np.testing.assert_allclose(report[f"cosine_{one}_{other}"], want, atol=1e-4)


@pytest.mark.parametrize("recipe", ["paper", "released"])
def test_the_kinds_together_are_the_gradient_of_the_step(recipe):
    config = toy_config(recipe)
    report = reported(config, joint=None)
    kinds = ("centroid", "hard", "cross", "dynamic")
    squared = sum(report[f"norm_{kind}"] ** 2 for kind in kinds)
    for i, one in enumerate(kinds):
        for other in kinds[i + 1 :]:
            cosine = report[f"cosine_{one}_{other}"]
            product = report[f"norm_{one}"] * report[f"norm_{other}"]
            squared += 2 * cosine * product if product else 0.0
    np.testing.assert_allclose(np.sqrt(squared), np.linalg.norm(moved(config)), rtol=1e-4)
    # The released program's dynamic term has no gradient, and so no direction.
    assert (report["norm_dynamic"] == 0) == (recipe == "released")
    assert np.isnan(report["cosine_hard_dynamic"]) == (recipe == "released")


def test_the_joint_term_is_reported_where_there_is_one():
    config = toy_config("paper")
    assert reported(config)["norm_joint"] > 0
    assert not [name for name in reported(config, joint=None) if "joint" in name]
    without = reported(config)
    assert not [name for name in without if "align" in name]
    config.loss.align_weight = 0.5
    aligned = reported(config)
    assert aligned["norm_align"] > 0 and aligned["norm_align_joint"] > 0
    assert aligned["norm_joint"] == pytest.approx(without["norm_joint"], rel=1e-6)
    config.loss.cross_weight = 0.0
    assert not [name for name in reported(config) if "cross" in name]


def test_stage_one_has_its_own_terms_and_the_report_moves_nothing():
    config = toy_config("released")
    fixed = fixed_of(config, ToyEncoder(), optax.sgd(1.0))
    state, weights = make_state(fixed.model, fixed.tx), term_weights(config, 1, 0)
    before = jax.tree.map(np.array, state.params)
    report = gradient_report(state, make_banks(8), BATCH, None, weights, None, KEY, fixed=fixed)
    assert_same(state.params, before)
    assert set(report) == {
        "norm_centroid",
        "norm_hard",
        "share_centroid",
        "share_hard",
        "cosine_centroid_hard",
    }
    *_, metrics = steps.stage1_step(state, make_banks(8), BATCH, weights, KEY, fixed=fixed)
    one, other = report["norm_centroid"], report["norm_hard"]
    squared = one**2 + other**2 + 2 * one * other * report["cosine_centroid_hard"]
    np.testing.assert_allclose(np.sqrt(squared), metrics["gradient_norm"], rtol=1e-4)
