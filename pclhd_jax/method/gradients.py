"""What each kind of term asks of the encoder: the norms and directions of their gradients."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import jax
import jax.numpy as jnp
import optax

from pclhd_jax.batches.batch import Batches
from pclhd_jax.method.schedules import EpochInputs
from pclhd_jax.method.state import TrainState
from pclhd_jax.method.step_data import Banks, Encoded, StepData
from pclhd_jax.method.steps import (
    Fixed,
    Objective,
    apart_objective,
    encode,
    joint_objective,
    own_objective,
)
from pclhd_jax.method.terms import kinds_of

Report = dict[str, dict[str, Any]]


def stage1_gradients(
    state: TrainState,
    banks: Banks,
    batches: Batches,
    inputs: EpochInputs,
    key: jax.Array,
    *,
    fixed: Fixed,
) -> Report:
    """Of the weighted terms of `steps.stage1_step` at `state`, by kind; nothing moves.

    norm: by kind, of the gradient by all parameters. share: of the sum of the norms.
    cosine: by kind and other kind, between their gradients; NaN where one has no gradient.
    """
    objective = own_objective(StepData(banks, batches.apart, inputs), key, fixed)
    return compared(gradients_of(state, objective, fixed))


def stage2_gradients(
    state: TrainState,
    banks: Banks,
    batches: Batches,
    inputs: EpochInputs,
    key: jax.Array,
    *,
    fixed: Fixed,
) -> Report:
    """As `stage1_gradients`, of `steps.stage2_step`; the joint terms at the same parameters."""
    apart_key, joint_key = jax.random.split(key)  # as the step splits it
    data = StepData(banks, batches.apart, inputs)
    objective, _, _ = apart_objective(state, data, apart_key, fixed)
    gradients = gradients_of(state, objective, fixed)
    if batches.joint is not None:
        objective = joint_objective(data._replace(batch=batches.joint), joint_key, fixed)
        gradients |= gradients_of(state, objective, fixed)
    return compared(gradients)


def gradients_of(state: TrainState, objective: Objective, fixed: Fixed) -> dict[str, Any]:
    """By kind, its gradient by the parameters: one forward pass, a backward pass for each."""

    def features(params: Any) -> tuple[jax.Array, jax.Array]:
        z = encode(fixed.model, params, state.batch_stats, objective.views)
        return z.visible_BD, z.infrared_BD

    def kinds(pair: tuple[jax.Array, jax.Array]) -> dict[str, jax.Array]:
        return kinds_of(objective.terms_of(Encoded(*pair, None)))

    z, pull_back = jax.vjp(features, state.params)
    gradients = {}
    for kind in jax.eval_shape(kinds, z):
        of_kind: Callable[..., jax.Array] = lambda pair, kind=kind: kinds(pair)[kind]  # noqa: E731
        (gradients[kind],) = pull_back(jax.grad(of_kind)(z))
    return gradients


def compared(gradients: dict[str, Any]) -> Report:
    norms = {kind: optax.tree.norm(gradient) for kind, gradient in gradients.items()}
    all_norms = jnp.maximum(sum(norms.values()), 1e-30)
    cosines: dict[str, dict[str, jax.Array]] = {}
    for one, other in combinations(gradients, 2):
        product = norms[one] * norms[other]
        cosine = optax.tree.vdot(gradients[one], gradients[other]) / jnp.maximum(product, 1e-30)
        cosines.setdefault(one, {})[other] = jnp.where(product > 0, cosine, jnp.nan)
    shares = {kind: norm / all_norms for kind, norm in norms.items()}
    return {"norm": norms, "share": shares, "cosine": cosines}
