"""What each kind of term asks of the encoder: the norms and directions of their gradients."""

from collections.abc import Callable
from itertools import combinations
from typing import Any

import jax
import jax.numpy as jnp
import optax

from pclhd_jax.batches.batch import Batch
from pclhd_jax.method.align import align_terms, joint_align_terms
from pclhd_jax.method.losses import TermWeights
from pclhd_jax.method.state import TrainState
from pclhd_jax.method.steps import Fixed, Metrics, Views, augment, encode
from pclhd_jax.method.terms import (
    Banks,
    Encoded,
    banks_through,
    cross_terms,
    dynamic_terms,
    joint_terms,
    own_terms,
)

Term = Callable[[Encoded], jax.Array]


def gradient_report(
    state: TrainState,
    banks: Banks,
    batch: Batch,
    joint_batch: Batch | None,
    weights: TermWeights,
    infrared_crosses: jax.Array | None,
    key: jax.Array,
    *,
    fixed: Fixed,
) -> Metrics:
    """Of the weighted terms at `state`, moving nothing; arguments as of `steps.stage2_step`.

    infrared_crosses: None in stage 1, which has the own terms alone. The kinds are centroid, hard,
    cross, align, dynamic, joint and align_joint (on the joint batch, at the same parameters).
      norm_<kind>: of the gradient by all parameters; share_<kind>: of the sum of the norms.
      cosine_<one>_<other>: between two of them; NaN where one has no gradient.
    """
    if infrared_crosses is None:
        views = augment(key, batch, fixed.pad)
        terms = kinds_of_own_terms(banks, batch, weights, fixed, lambda z: None)
        gradients = gradients_of(state, views, terms, fixed)
        return compared(gradients)

    apart_key, joint_key = jax.random.split(key)  # as stage2_step and apart_step split theirs
    view_key, dynamic_key, _ = jax.random.split(apart_key, 3)
    views = augment(view_key, batch, fixed.pad)
    gradients = gradients_of(
        state,
        views,
        apart_kinds(state, banks, batch, weights, infrared_crosses, views, dynamic_key, fixed),
        fixed,
    )
    if joint_batch is not None:
        joint_views = augment(joint_key, joint_batch, fixed.pad)

        def of_joint_batch(terms: Callable[..., Metrics]) -> Term:
            return lambda z: total(terms(z, banks, joint_batch, fixed.terms))

        kinds = {"joint": of_joint_batch(joint_terms)}
        if fixed.terms.align_weight:
            kinds["align_joint"] = of_joint_batch(joint_align_terms)
        gradients |= gradients_of(state, joint_views, kinds, fixed)
    return compared(gradients)


def apart_kinds(
    state: TrainState,
    banks: Banks,
    batch: Batch,
    weights: TermWeights,
    infrared_crosses: jax.Array,
    views: Views,
    dynamic_key: jax.Array,
    fixed: Fixed,
) -> dict[str, Term]:
    """The kinds of terms of `steps.apart_step`."""
    settings = fixed.terms
    own = kinds_of_own_terms(
        banks,
        batch,
        weights,
        fixed,
        lambda z: banks_through(z, banks, batch, infrared_crosses, settings),
    )
    momentum_z = encode(fixed.model, state.momentum_params, state.momentum_batch_stats, views)

    def dynamic(z: Encoded) -> jax.Array:
        query = z if settings.dynamic_query == "online" else momentum_z
        return total(dynamic_terms(query, banks, batch, weights, dynamic_key, settings))

    between = {
        name: lambda z, terms=terms: total(terms(z, banks, batch, infrared_crosses, settings))
        for name, terms, weight in (
            ("cross", cross_terms, settings.cross_weight),
            ("align", align_terms, settings.align_weight),
        )
        if weight
    }
    return own | between | {"dynamic": dynamic}


def kinds_of_own_terms(
    banks: Banks,
    batch: Batch,
    weights: TermWeights,
    fixed: Fixed,
    through: Callable[[Encoded], Banks | None],
) -> dict[str, Term]:
    """The own-modality terms against centroids, and against hard prototypes."""

    def kind(**nothing: float) -> Term:
        of_kind = weights._replace(**nothing)
        return lambda z: total(own_terms(z, banks, batch, of_kind, fixed.terms, through(z)))

    return {"centroid": kind(hard=0.0), "hard": kind(centroid=0.0)}


def gradients_of(
    state: TrainState, views: Views, terms: dict[str, Term], fixed: Fixed
) -> dict[str, Any]:
    """By term, its gradient by the parameters: one forward pass, a backward pass for each."""

    def features(params: Any) -> tuple[jax.Array, jax.Array]:
        z = encode(fixed.model, params, state.batch_stats, views)
        return z.visible_BD, z.infrared_BD

    z, pull_back = jax.vjp(features, state.params)
    by_features = {
        name: jax.grad(lambda pair, term=term: term(Encoded(*pair, None)))(z)
        for name, term in terms.items()
    }
    return {name: pull_back(cotangents)[0] for name, cotangents in by_features.items()}


def compared(gradients: dict[str, Any]) -> Metrics:
    norms = {name: optax.tree.norm(gradient) for name, gradient in gradients.items()}
    report = {f"norm_{name}": norm for name, norm in norms.items()}
    all_norms = jnp.maximum(sum(norms.values()), 1e-30)
    report |= {f"share_{name}": norm / all_norms for name, norm in norms.items()}
    for one, other in combinations(gradients, 2):
        product = norms[one] * norms[other]
        cosine = optax.tree.vdot(gradients[one], gradients[other]) / jnp.maximum(product, 1e-30)
        report[f"cosine_{one}_{other}"] = jnp.where(product > 0, cosine, jnp.nan)
    return report


def total(terms: dict[str, jax.Array]) -> jax.Array:
    return sum(terms.values())
