"""One step of the toy encoder against a plain recomputation of its gradient and its updates."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pclhd_jax.method import steps
from pclhd_jax.method.augment import normalise
from pclhd_jax.method.step_data import StepData
from tests.helpers.step_cases import (
    ALPHA,
    BATCH,
    BATCHES,
    EVEN,
    JOINT,
    KEY,
    LR,
    MOMENTUM_QUERY,
    MU,
    ODD,
    PAPER,
    ROWS,
    TAU,
    WEIGHTS,
    S,
    ToyEncoder,
    assert_close,
    assert_same,
    differs,
    make_banks,
    make_state,
)


def plain_views(key, batch, pad):
    """Views without chance: the picture, and the picture in its first channel."""
    visible = normalise(jnp.asarray(batch.visible_BHWC))
    exchanged = jnp.broadcast_to(visible[..., :1], visible.shape)
    return steps.Views(
        jnp.concatenate([visible, exchanged]), normalise(jnp.asarray(batch.infrared_BHWC))
    )


WITHOUT_DYNAMIC = ODD._replace(weights=WEIGHTS._replace(dynamic=jnp.float32(0)))


class Toy:
    """One recipe's steps, compiled without chance, and the state and banks they start from."""

    def __init__(self, terms):
        tx = optax.sgd(LR)  # so that a step shows its gradient
        fixed = steps.Fixed(ToyEncoder(), tx, terms, augment_pad=2, encoder_decay=ALPHA)
        self.state, self.banks = make_state(fixed.model, tx, momentum_seed=1), make_banks(8)
        apart, stage2 = (
            jax.jit(partial(step, fixed=fixed)) for step in (steps.apart_step, steps.stage2_step)
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(steps, "augment", plain_views)
            data = StepData(self.banks, BATCH, ODD)
            self.apart_step = apart.lower(self.state, data, KEY).compile()
            self.stage2_step = stage2.lower(self.state, self.banks, BATCHES, ODD, KEY).compile()

    def apart(self, inputs=ODD):
        return self.apart_step(self.state, StepData(self.banks, BATCH, inputs), KEY)

    def stage2(self, inputs=ODD):
        return self.stage2_step(self.state, self.banks, BATCHES, inputs, KEY)


@pytest.fixture(scope="module")
def paper():
    return Toy(PAPER)


@pytest.fixture(scope="module")
def momentum_query():
    return Toy(MOMENTUM_QUERY)


def features(params, batch_stats, batch):
    """Unit features of both visible views and of the infrared pictures, by the plain views."""
    views = plain_views(None, batch, 0)
    raw, moved = ToyEncoder().apply(
        {"params": params, "batch_stats": batch_stats}, *views, train=True, mutable="batch_stats"
    )
    z = raw / jnp.linalg.norm(raw, axis=1, keepdims=True)
    split = len(views.visible_BHWC)
    return z[:split], z[split:], moved["batch_stats"]


def twice(labels):
    return np.concatenate([labels, labels])


def cross_entropy(similarity_BK, labels):
    """Batch mean over the four live clusters."""
    logits = jnp.stack([similarity_BK[:, c] / TAU for c in range(4)], axis=1)
    return -jax.nn.log_softmax(logits)[np.arange(len(labels)), labels].mean()


def naive_hybrid(z, bank, labels):
    hard = cross_entropy(z @ bank.hard_KD.T, labels)
    return 0.5 * (hard + jnp.maximum(cross_entropy(z @ bank.centroid_KD.T, labels) - 0.2, 0))


def naive_own(z, bank, labels):
    centroid = cross_entropy(z @ bank.centroid_KD.T, labels)
    return WEIGHTS.centroid * centroid + WEIGHTS.hard * cross_entropy(z @ bank.hard_KD.T, labels)


def naive_dynamic(z, bank, labels):
    columns = []
    for c in range(4):
        of_c = jnp.stack([z @ bank.dynamic_KSD[c, s] for s in range(S)], axis=1)
        columns.append(jnp.where(jnp.asarray(labels == c), of_c.min(axis=1), of_c.max(axis=1)))
    return WEIGHTS.dynamic * cross_entropy(jnp.stack(columns, axis=1), labels)


def naive_apart_terms(params, state, banks, infrared_crosses, dynamic):
    z_v, z_r, _ = features(params, state.batch_stats, BATCH)
    labels_v, labels_r = twice(BATCH.visible_labels_B), BATCH.infrared_labels_B
    if infrared_crosses:
        cross = naive_hybrid(z_r, banks.visible, BATCH.infrared_matches_B)
    else:
        cross = naive_hybrid(z_v, banks.infrared, twice(BATCH.visible_matches_B))
    terms = {
        "loss_visible": naive_own(z_v, banks.visible, labels_v),
        "loss_infrared": naive_own(z_r, banks.infrared, labels_r),
        "loss_cross": 0.25 * cross,
    }
    if dynamic:
        terms["loss_dynamic_visible"] = naive_dynamic(z_v, banks.visible, labels_v)
        terms["loss_dynamic_infrared"] = naive_dynamic(z_r, banks.infrared, labels_r)
    return terms


def naive_gradient(toy, infrared_crosses, dynamic):
    def total(params):
        return sum(
            naive_apart_terms(params, toy.state, toy.banks, infrared_crosses, dynamic).values()
        )

    return jax.jit(jax.grad(total))(toy.state.params)


def gradient_of(toy, after):
    return jax.tree.map(lambda old, new: (old - new) / LR, toy.state.params, after.params)


@pytest.mark.parametrize("infrared_crosses", [True, False])
def test_the_first_step_of_stage_two_descends_own_cross_and_dynamic_terms(paper, infrared_crosses):
    state, _, metrics = paper.apart(ODD if infrared_crosses else EVEN)
    want = naive_apart_terms(paper.state.params, paper.state, paper.banks, infrared_crosses, True)
    assert_close({name: metrics[name] for name in want}, want)
    gradient = naive_gradient(paper, infrared_crosses, dynamic=True)
    assert_close(gradient_of(paper, state), gradient, rtol=1e-3, atol=1e-4)
    norm = np.sqrt(sum(float((leaf**2).sum()) for leaf in jax.tree.leaves(gradient)))
    np.testing.assert_allclose(metrics["gradient_norm"], norm, rtol=1e-3)


def test_with_momentum_queries_the_dynamic_term_is_reported_without_any_gradient(momentum_query):
    with_term, _, metrics = momentum_query.apart()
    without, _, _ = momentum_query.apart(WITHOUT_DYNAMIC)
    assert_same(with_term.params, without.params)
    gradient = naive_gradient(momentum_query, True, dynamic=False)
    assert_close(gradient_of(momentum_query, with_term), gradient, rtol=1e-3, atol=1e-4)
    z_v, z_r, _ = features(
        momentum_query.state.momentum_params, momentum_query.state.momentum_batch_stats, BATCH
    )
    banks, labels_v = momentum_query.banks, twice(BATCH.visible_labels_B)
    np.testing.assert_allclose(
        [metrics["loss_dynamic_visible"], metrics["loss_dynamic_infrared"]],
        [
            naive_dynamic(z_v, banks.visible, labels_v),
            naive_dynamic(z_r, banks.infrared, BATCH.infrared_labels_B),
        ],
        rtol=1e-4,
    )


def test_with_online_queries_the_dynamic_term_has_a_gradient(paper):
    with_term, _, _ = paper.apart()
    without, _, _ = paper.apart(WITHOUT_DYNAMIC)
    assert all(differs(with_term.params["visible"], without.params["visible"]))
    assert all(differs(with_term.params["infrared"], without.params["infrared"]))


def naive_update(centroid, hard, z, labels, is_infrared=None):
    """is_infrared: the centroid moves by the mean of the two modalities' means."""
    is_infrared = np.zeros(len(labels), bool) if is_infrared is None else is_infrared
    centroid, hard, z = (np.array(x, np.float64) for x in (centroid, hard, z))
    for c in sorted(set(labels.tolist())):
        mine = z[labels == c]
        far = mine[np.argmin(mine @ centroid[c])]
        hard[c] = MU * hard[c] + (1 - MU) * far
        parts = [z[(labels == c) & (is_infrared == m)] for m in (False, True)]
        mean = np.mean([part.mean(axis=0) for part in parts if len(part)], axis=0)
        centroid[c] = MU * centroid[c] + (1 - MU) * mean
        hard[c], centroid[c] = (x / np.linalg.norm(x) for x in (hard[c], centroid[c]))
    return centroid, hard


@pytest.mark.parametrize("infrared_crosses", [True, False])
def test_own_features_move_both_banks_then_cross_features_only_one(paper, infrared_crosses):
    _, banks, _ = paper.stage2(ODD if infrared_crosses else EVEN)
    z_v, z_r, _ = features(paper.state.params, paper.state.batch_stats, BATCH)
    old = paper.banks
    visible = naive_update(
        old.visible.centroid_KD, old.visible.hard_KD, z_v, twice(BATCH.visible_labels_B)
    )
    infrared = naive_update(
        old.infrared.centroid_KD, old.infrared.hard_KD, z_r, BATCH.infrared_labels_B
    )
    if infrared_crosses:
        visible = naive_update(*visible, z_r, BATCH.infrared_matches_B)
    else:
        infrared = naive_update(*infrared, z_v, twice(BATCH.visible_matches_B))
    assert_close((banks.visible.centroid_KD, banks.visible.hard_KD), visible)
    assert_close((banks.infrared.centroid_KD, banks.infrared.hard_KD), infrared)


def test_dynamic_prototypes_become_momentum_features_of_the_batch(paper):
    _, banks, _ = paper.stage2()
    stats = paper.state.momentum_batch_stats
    momentum_v, momentum_r, _ = features(paper.state.momentum_params, stats, BATCH)
    for bank, old, z, labels in (
        (banks.visible, paper.banks.visible, momentum_v, twice(BATCH.visible_labels_B)),
        (banks.infrared, paper.banks.infrared, momentum_r, BATCH.infrared_labels_B),
    ):
        for c in range(ROWS):
            mine = np.asarray(z)[labels == c]
            if not len(mine):
                np.testing.assert_array_equal(bank.dynamic_KSD[c], old.dynamic_KSD[c])
                continue
            gaps = np.abs(np.asarray(bank.dynamic_KSD[c])[:, None] - mine).max(axis=2)
            assert gaps.min(axis=1).max() < 1e-4
    assert_same(banks.joint.dynamic_KSD, paper.banks.joint.dynamic_KSD)


def test_with_momentum_queries_the_dynamic_prototypes_stay(momentum_query):
    _, banks, _ = momentum_query.stage2()
    assert_same(banks.visible.dynamic_KSD, momentum_query.banks.visible.dynamic_KSD)
    assert_same(banks.infrared.dynamic_KSD, momentum_query.banks.infrared.dynamic_KSD)
    assert any(differs(banks.visible, momentum_query.banks.visible))


def test_the_second_step_descends_the_joint_terms_from_where_the_first_one_stopped(paper):
    first, _, _ = paper.apart()
    last, banks, metrics = paper.stage2()
    joint = paper.banks.joint

    def terms(params):
        z_v, z_r, stats = features(params, first.batch_stats, JOINT)
        labels_v = twice(JOINT.visible_labels_B)
        pair = naive_hybrid(z_v, joint, labels_v), naive_hybrid(z_r, joint, JOINT.infrared_labels_B)
        return sum(pair), (pair, jnp.concatenate([z_v, z_r]), stats)

    gradient, (pair, z, stats) = jax.jit(jax.grad(terms, has_aux=True))(first.params)
    want = jax.tree.map(lambda p, g: p - LR * g, first.params, gradient)
    assert_close(last.params, want)
    assert_close((metrics["loss_joint_visible"], metrics["loss_joint_infrared"]), pair)
    assert_close(last.batch_stats, stats)
    labels = np.concatenate([twice(JOINT.visible_labels_B), JOINT.infrared_labels_B])
    is_infrared = np.arange(len(labels)) >= len(twice(JOINT.visible_labels_B))
    assert_close(
        (banks.joint.centroid_KD, banks.joint.hard_KD),
        naive_update(joint.centroid_KD, joint.hard_KD, z, labels, is_infrared),
    )


def test_the_momentum_encoder_follows_both_steps_and_its_own_statistics(paper):
    state, _, _ = paper.stage2()
    want = jax.tree.map(
        lambda old, new: ALPHA * np.asarray(old, float) + (1 - ALPHA) * np.asarray(new, float),
        paper.state.momentum_params,
        state.params,
    )
    assert_close(state.momentum_params, want, atol=1e-6)
    _, _, stats = features(paper.state.momentum_params, paper.state.momentum_batch_stats, BATCH)
    assert_close(state.momentum_batch_stats, stats)
    assert all(differs(stats, paper.state.momentum_batch_stats))
