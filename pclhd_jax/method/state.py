"""The training state: online encoder, momentum encoder, optimiser."""

from dataclasses import fields
from functools import cache
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from flax.training.dynamic_scale import DynamicScale

from pclhd_jax.method.loss_scale import start_scale
from pclhd_jax.models.agw import AGW


@flax.struct.dataclass
class TrainState:
    """Everything a step changes besides the prototype banks.

    The momentum encoder is written at the hand-over and by stage 2; stage 1 carries it
    along untouched, so that both stages' checkpoints have one shape.
    """

    params: Any
    batch_stats: Any
    momentum_params: Any
    momentum_batch_stats: Any
    opt_state: optax.OptState

    # Not a field: in a checkpoint it stands where it is needed alone, see HalfTrainState.
    loss_scale = None

    @property
    def online(self) -> dict[str, Any]:
        return {"params": self.params, "batch_stats": self.batch_stats}

    @property
    def momentum(self) -> dict[str, Any]:
        return {"params": self.momentum_params, "batch_stats": self.momentum_batch_stats}


@flax.struct.dataclass
class HalfTrainState(TrainState):
    """Of a float16 encoder, whose gradients are scaled."""

    loss_scale: DynamicScale


@cache  # equal settings, one object: steps are compiled per optimiser
def make_optimizer(weight_decay: float) -> optax.GradientTransformation:
    """Adam with the decay ADDED TO THE GRADIENT (not AdamW), as torch's `Adam(weight_decay=...)`.

    The learning rate is 0 until `set_learning_rate` gives the epoch's. It is data, not a
    schedule over steps: stage 2 takes one or two optimiser steps per batch.
    """

    def coupled_adam(learning_rate: float) -> optax.GradientTransformation:
        return optax.chain(optax.add_decayed_weights(weight_decay), optax.adam(learning_rate))

    return optax.inject_hyperparams(coupled_adam)(learning_rate=0.0)


def set_learning_rate(state: "TrainState", learning_rate: float) -> "TrainState":
    opt_state = state.opt_state
    rate = jnp.asarray(learning_rate, opt_state.hyperparams["learning_rate"].dtype)
    hyperparams = opt_state.hyperparams | {"learning_rate": rate}
    return state.replace(opt_state=opt_state._replace(hyperparams=hyperparams))


def init_state(
    model: AGW, tx: optax.GradientTransformation, *, height: int, width: int, key: jax.Array
) -> TrainState:
    """A state with random weights; both encoders are equal, and both stems."""
    variables = init_variables(model, height=height, width=width, key=key)
    return start_state(variables, tx, start_scale(model.dtype))


def init_variables(model: AGW, *, height: int, width: int, key: jax.Array) -> dict[str, Any]:
    """Random weights with equal stems.

    [ours] Equal, as they are when both start from ImageNet's: pictures of the two modalities
    that look alike then start with features that are alike.
    """
    blank_BHWC = jnp.zeros((1, height, width, 3))
    variables = jax.jit(model.init, static_argnums=3)(key, blank_BHWC, blank_BHWC, False)
    stem = jax.tree.map(jnp.copy, variables["params"]["visible"])
    return variables | {"params": variables["params"] | {"infrared": stem}}


def start_state(
    variables: dict[str, Any],
    tx: optax.GradientTransformation,
    loss_scale: DynamicScale | None = None,
) -> TrainState:
    """Both encoders with these weights, the optimiser fresh."""
    params, batch_stats = variables["params"], variables["batch_stats"]
    copy = jax.tree.map(jnp.copy, (params, batch_stats))  # donated buffers must not be shared
    state = TrainState(params, batch_stats, *copy, tx.init(params))
    return with_scale(state, loss_scale)


def hand_over(state: TrainState, tx: optax.GradientTransformation) -> TrainState:
    """Start stage 2: both encoders from stage 1's, the optimiser fresh."""
    copy = jax.tree.map(jnp.copy, (state.params, state.batch_stats))
    fresh = TrainState(state.params, state.batch_stats, *copy, tx.init(state.params))
    return with_scale(fresh, state.loss_scale)


def with_scale(state: TrainState, loss_scale: DynamicScale | None) -> TrainState:
    """As it is, or a HalfTrainState."""
    if loss_scale is None:
        return state
    parts = {field.name: getattr(state, field.name) for field in fields(TrainState)}
    return HalfTrainState(**parts, loss_scale=loss_scale)


def move_average(average: Any, params: Any, decay: float) -> Any:
    """decay average + (1 - decay) params, leaf by leaf."""
    return optax.incremental_update(params, average, 1 - decay)
