"""The steps of both stages and the feature step: pure functions, jitted by the caller.

`state, banks, metrics = step(state, banks, batches, inputs, key, fixed=fixed)`; `fixed` (model,
optimiser, settings) never changes within a run and is bound before jitting.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from pclhd_jax.batches.batch import Batch, Batches
from pclhd_jax.method.augment import augment_infrared, augment_visible, normalise
from pclhd_jax.method.bank_updates import update_apart_banks, update_joint_bank, update_own_banks
from pclhd_jax.method.loss_scale import value_and_gradients, where_finite
from pclhd_jax.method.schedules import EpochInputs
from pclhd_jax.method.state import TrainState, move_average
from pclhd_jax.method.step_data import Banks, Encoded, StepData, TermSettings
from pclhd_jax.method.terms import Terms, apart_terms, joint_terms, losses_of, own_terms
from pclhd_jax.models.agw import AGW
from pclhd_jax.models.l2_normalise import unit

Metrics = dict[str, jax.Array]


class Fixed(NamedTuple):
    """What stays the same during a run."""

    model: AGW
    tx: optax.GradientTransformation
    settings: TermSettings
    augment_pad: int  # of the random crop, pixels
    encoder_decay: float  # alpha of the momentum encoder


class Views(NamedTuple):
    """Augmented pictures; `visible` holds a base view and a channel-exchange view of each."""

    visible_BHWC: jax.Array
    infrared_BHWC: jax.Array


class Objective(NamedTuple):
    """What one optimiser step descends: the sum of the terms of these views."""

    views: Views
    terms_of: Callable[[Encoded], Terms]


def augment(key: jax.Array, batch: Batch, pad: int) -> Views:
    visible_key, infrared_key = jax.random.split(key)
    return Views(
        augment_visible(visible_key, batch.visible_BHWC, pad=pad),
        augment_infrared(infrared_key, batch.infrared_BHWC, pad=pad),
    )


def encode(model: AGW, params: Any, batch_stats: Any, views: Views) -> Encoded:
    """A train-mode forward pass: unit features, and the statistics it moved."""
    feature_BD, updates = model.apply(
        {"params": params, "batch_stats": batch_stats},
        views.visible_BHWC,
        views.infrared_BHWC,
        train=True,
        mutable=["batch_stats"],
    )
    z_BD = unit(feature_BD)
    num_visible = views.visible_BHWC.shape[0]
    return Encoded(z_BD[:num_visible], z_BD[num_visible:], updates["batch_stats"])


def descend(
    state: TrainState, objective: Objective, fixed: Fixed
) -> tuple[TrainState, Encoded, Metrics]:
    """One optimiser step; returns the features it was taken at.

    The metrics are every loss of the record and the gradient's norm; in float16 also the factor of
    the loss and whether the step was skipped (1.0; its norm is then reported as 0), see
    `loss_scale`.
    """

    def loss_fn(params: Any) -> tuple[jax.Array, tuple[Metrics, Encoded]]:
        z = encode(fixed.model, params, state.batch_stats, objective.views)
        losses = losses_of(objective.terms_of(z))
        return sum(losses.values()), (losses, z)

    grads, (losses, z), scale, finite = value_and_gradients(loss_fn, state.params, state.loss_scale)
    updates, opt_state = fixed.tx.update(grads, state.opt_state, state.params)
    moved = optax.apply_updates(state.params, updates), opt_state
    metrics = {f"loss_{name}": value for name, value in losses.items()}
    metrics["gradient_norm"] = optax.tree.norm(grads)
    if scale is not None:
        moved = where_finite(finite, moved, (state.params, state.opt_state))
        metrics["gradient_norm"] = jnp.where(finite, metrics["gradient_norm"], 0.0)
        metrics |= {"scale": state.loss_scale.scale, "skipped": 1.0 - finite}
        state = state.replace(loss_scale=scale)
    params, opt_state = moved
    state = state.replace(params=params, batch_stats=z.batch_stats, opt_state=opt_state)
    return state, z, metrics


def stage1_step(
    state: TrainState,
    banks: Banks,
    batches: Batches,
    inputs: EpochInputs,
    key: jax.Array,
    *,
    fixed: Fixed,
) -> tuple[TrainState, Banks, Metrics]:
    """L_visible + L_infrared, each modality against its own bank."""
    data = StepData(banks, batches.apart, inputs)
    state, z, metrics = descend(state, own_objective(data, key, fixed), fixed)
    return state, update_own_banks(z, data, fixed.settings), metrics


def own_objective(data: StepData, key: jax.Array, fixed: Fixed) -> Objective:
    """Of stage 1."""
    views = augment(key, data.batch, fixed.augment_pad)
    return Objective(views, lambda z: own_terms(z, data, fixed.settings))


def stage2_step(
    state: TrainState,
    banks: Banks,
    batches: Batches,
    inputs: EpochInputs,
    key: jax.Array,
    *,
    fixed: Fixed,
) -> tuple[TrainState, Banks, Metrics]:
    """Two optimiser steps (clusters apart, clusters joint), then the moving average.

    batches.joint: None in an epoch whose joint term rests: its steps leave the joint term out (and
    compile once more).
    """
    apart_key, joint_key = jax.random.split(key)
    data = StepData(banks, batches.apart, inputs)
    state, banks, metrics = apart_step(state, data, apart_key, fixed)
    if batches.joint is not None:
        data = StepData(banks, batches.joint, inputs)
        state, banks, joint_metrics = joint_step(state, data, joint_key, fixed)
        for name in ("gradient_norm", "skipped", "scale"):
            if name in joint_metrics:
                metrics[f"{name}_joint"] = joint_metrics.pop(name)
        metrics |= joint_metrics
    state = state.replace(
        momentum_params=move_average(state.momentum_params, state.params, fixed.encoder_decay)
    )
    return state, banks, metrics


def apart_step(
    state: TrainState, data: StepData, key: jax.Array, fixed: Fixed
) -> tuple[TrainState, Banks, Metrics]:
    """Own, cross-modality and dynamic terms, on the clusters of each modality."""
    objective, momentum_z, pick_key = apart_objective(state, data, key, fixed)
    state, z, metrics = descend(state, objective, fixed)
    state = state.replace(momentum_batch_stats=momentum_z.batch_stats)
    # [released] never refreshes the dynamic prototypes within an epoch.
    refresh = (momentum_z, pick_key) if fixed.settings.loss.dynamic_query == "online" else ()
    return state, update_apart_banks(z, data, fixed.settings, *refresh), metrics


def apart_objective(
    state: TrainState, data: StepData, key: jax.Array, fixed: Fixed
) -> tuple[Objective, Encoded, jax.Array]:
    """With the momentum encoder's features, and a key for the refresh of dynamic prototypes."""
    view_key, dynamic_key, pick_key = jax.random.split(key, 3)
    views = augment(view_key, data.batch, fixed.augment_pad)
    # The momentum encoder's statistics move through its own train-mode passes.
    momentum_z = encode(fixed.model, state.momentum_params, state.momentum_batch_stats, views)
    data = data._replace(key=dynamic_key)
    terms_of = lambda z: apart_terms(z, momentum_z, data, fixed.settings)  # noqa: E731
    return Objective(views, terms_of), momentum_z, pick_key


def joint_step(
    state: TrainState, data: StepData, key: jax.Array, fixed: Fixed
) -> tuple[TrainState, Banks, Metrics]:
    """Both modalities against the joint bank."""
    state, z, metrics = descend(state, joint_objective(data, key, fixed), fixed)
    return state, update_joint_bank(z, data, fixed.settings), metrics


def joint_objective(data: StepData, key: jax.Array, fixed: Fixed) -> Objective:
    views = augment(key, data.batch, fixed.augment_pad)
    return Objective(views, lambda z: joint_terms(z, data, fixed.settings))


def feature_step(
    variables: dict[str, Any],
    images_BHWC: jax.Array,
    *,
    model: AGW,
    modality: str,
    unit_features: bool = True,
) -> jax.Array:
    """(B, D) features of plain pictures: eval mode, picture and mirror averaged.

    images_BHWC: uint8. modality: 'visible' or 'infrared', the stem they go through.
    unit_features: the mean of the two unit features is made unit again; [released] leaves it as it
    is (0.85 to 1 long) for clusters and prototypes, and so does False.
    """
    views_BHWC = normalise(jnp.concatenate([images_BHWC, images_BHWC[:, :, ::-1]]))
    pair = (views_BHWC, None) if modality == "visible" else (None, views_BHWC)
    first_BD, mirror_BD = jnp.split(model.apply(variables, *pair, train=False), 2)
    mean_BD = (first_BD + mirror_BD) / 2
    return unit(mean_BD) if unit_features else mean_BD
