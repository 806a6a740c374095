"""The optimiser, the hand-over and the moving average, worked out in float64."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pclhd_jax.method.schedules import learning_rate_at
from pclhd_jax.method.state import (
    TrainState,
    hand_over,
    init_state,
    make_optimizer,
    move_average,
    set_learning_rate,
)
from pclhd_jax.models.agw import AGW

LR, DECAY = 0.1, 0.25


def run(tx, start, gradients, rates):
    """Parameters after each gradient, taken at its learning rate."""
    params = jnp.float32(start)
    state = TrainState(params, {}, params, {}, tx.init(params))
    # A function of its own: equal settings share one optimiser, and that one its compilations.
    step, path = jax.jit(lambda *arguments: tx.update(*arguments)), []
    for gradient, rate in zip(gradients, rates, strict=True):
        state = set_learning_rate(state, rate)
        updates, opt_state = step(jnp.float32(gradient), state.opt_state, state.params)
        params = optax.apply_updates(state.params, updates)
        state = state.replace(params=params, opt_state=opt_state)
        path.append(np.asarray(params))
    assert step._cache_size() == 1  # the rate is data
    return path


def test_weight_decay_is_added_to_the_gradient_before_adam():
    start, gradients = np.array([1.0, -2.0, 0.5]), np.array([[0.3, 0.2, -0.1], [-0.4, 0.1, 0.0]])
    w, m, v = start.copy(), np.zeros(3), np.zeros(3)
    decoupled, dm, dv = start.copy(), np.zeros(3), np.zeros(3)
    for t, gradient in enumerate(gradients, start=1):
        g = gradient + DECAY * w
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g**2
        w = w - LR * (m / (1 - 0.9**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
        dm, dv = 0.9 * dm + 0.1 * gradient, 0.999 * dv + 0.001 * gradient**2
        adam = (dm / (1 - 0.9**t)) / (np.sqrt(dv / (1 - 0.999**t)) + 1e-8)
        decoupled = decoupled - LR * (adam + DECAY * decoupled)
    got = run(make_optimizer(DECAY), start, gradients, [LR, LR])[-1]
    np.testing.assert_allclose(got, w, atol=1e-5)
    assert np.abs(got - decoupled).max() > 0.01  # AdamW is another optimiser


def test_an_optimiser_without_a_rate_moves_nothing():
    assert run(make_optimizer(DECAY), 1.0, [1.0], [0.0]) == [1.0]


def used_state(tx):
    """After one step of stage 1; the momentum encoder is still another one."""
    params = {"w": jnp.array([1.0, 2.0]), "b": jnp.array([3.0])}
    updates, opt_state = tx.update({"w": jnp.ones(2), "b": jnp.ones(1)}, tx.init(params), params)
    return TrainState(
        params=optax.apply_updates(params, updates),
        batch_stats={"mean": jnp.array([5.0])},
        momentum_params={"w": jnp.zeros(2), "b": jnp.zeros(1)},
        momentum_batch_stats={"mean": jnp.zeros(1)},
        opt_state=opt_state,
    )


def test_the_hand_over_starts_both_encoders_from_stage_one_and_adam_afresh():
    tx = make_optimizer(DECAY)
    old = used_state(tx)
    new = hand_over(old, tx)
    jax.tree.map(np.testing.assert_array_equal, new.online, old.online)
    jax.tree.map(np.testing.assert_array_equal, new.momentum, old.online)
    jax.tree.map(np.testing.assert_array_equal, new.opt_state, tx.init(old.params))
    assert any(np.any(leaf != 0) for leaf in jax.tree.leaves(old.opt_state))


def assert_apart(state):
    """Giving away the online encoder's buffers leaves the momentum encoder's."""
    kept = jax.tree.map(np.array, state.momentum)
    jax.jit(lambda tree: jax.tree.map(lambda x: x + 1, tree), donate_argnums=0)(state.online)
    assert all(leaf.is_deleted() for leaf in jax.tree.leaves(state.online))
    jax.tree.map(np.testing.assert_array_equal, state.momentum, kept)


def test_the_encoders_share_no_buffer_after_the_hand_over():
    tx = make_optimizer(DECAY)
    assert_apart(hand_over(used_state(tx), tx))


def test_a_fresh_state_has_two_equal_encoders_that_share_no_buffer():
    model, tx = AGW(depth=18, width=0.125), make_optimizer(DECAY)
    state = init_state(model, tx, height=32, width=16, key=jax.random.key(0))
    jax.tree.map(np.testing.assert_array_equal, state.momentum, state.online)
    assert {"visible", "infrared", "bottleneck"} <= set(state.params)
    jax.tree.map(np.testing.assert_array_equal, state.opt_state, tx.init(state.params))
    assert_apart(state)


@pytest.mark.parametrize("decay", [0.999, 0.5, 0.0])
def test_the_moving_average_keeps_decay_of_the_old(decay):
    rng = np.random.default_rng(0)
    average, params = ({"a": rng.normal(size=3), "b": [rng.normal(size=2)]} for _ in range(2))
    got = move_average(jax.tree.map(jnp.float32, average), jax.tree.map(jnp.float32, params), decay)
    np.testing.assert_allclose(
        got["a"], decay * average["a"] + (1 - decay) * params["a"], atol=1e-6
    )
    np.testing.assert_allclose(
        got["b"][0], decay * average["b"][0] + (1 - decay) * params["b"][0], atol=1e-6
    )


def test_adam_steps_are_as_long_as_the_rate_of_their_epoch():
    rates = [
        learning_rate_at(epoch, start=0.1, decay_every_epochs=3, factor=0.1) for epoch in range(9)
    ]
    np.testing.assert_allclose(rates, [0.1] * 3 + [0.01] * 3 + [0.001] * 3)
    # A constant gradient makes every Adam step as long as the rate.
    path = np.array([1.0, *run(make_optimizer(0.0), 1.0, [1.0] * 9, rates)])
    np.testing.assert_allclose(-np.diff(path), rates, rtol=1e-3, atol=1e-6)
