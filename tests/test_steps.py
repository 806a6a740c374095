"""The steps: what they read, what they change, and that they compile once."""

from functools import partial

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from pclhd_jax import steps
from pclhd_jax.augment import normalise
from pclhd_jax.batch import Batch
from pclhd_jax.losses import TermWeights
from pclhd_jax.models.agw import AGW
from pclhd_jax.prototypes import PrototypeBank
from pclhd_jax.sharding import make_mesh, replicate, shard_batch
from pclhd_jax.state import TrainState, make_optimizer, set_learning_rate
from pclhd_jax.terms import Banks, TermSettings

H, W, ROWS, S = 32, 16, 6, 3
TAU, MU, ALPHA, LR = 0.2, 0.1, 0.9, 0.05
PAPER = TermSettings(
    temperature=TAU,
    own_margin=0.0,
    hybrid_margin=0.2,
    cross_weight=0.25,
    bank_momentum=MU,
    dynamic_query="online",
    dynamic_choice="extremes",
)
RELEASED = PAPER._replace(dynamic_query="momentum")


class ToyEncoder(nn.Module):
    """AGW's door on three small layers, so that a step compiles in seconds."""

    @nn.compact
    def __call__(self, visible, infrared, train=False):
        rows = [
            nn.Dense(12, name=name)(x.reshape(x.shape[0], -1))
            for name, x in (("visible", visible), ("infrared", infrared))
            if x is not None
        ]
        norm = partial(nn.BatchNorm, use_running_average=not train, momentum=0.9)
        x = nn.Dense(8)(nn.relu(norm()(jnp.concatenate(rows))))
        x = norm()(x)
        return x if train else x / jnp.linalg.norm(x, axis=1, keepdims=True)


def make_state(model, tx, momentum_seed=0):
    """With another `momentum_seed`, the momentum encoder is another one."""
    picture = jnp.zeros((1, H, W, 3))
    init = jax.jit(partial(model.init, train=False))
    online = init(jax.random.key(0), picture, picture)
    momentum = init(jax.random.key(momentum_seed), picture, picture)
    return TrainState(
        online["params"],
        online["batch_stats"],
        momentum["params"],
        momentum["batch_stats"],
        tx.init(online["params"]),
    )


def make_bank(rng, width, live=4):
    def rows(*shape):
        x = rng.normal(size=(ROWS, *shape))
        x[live:] = 0
        return jnp.float32(x / np.maximum(np.linalg.norm(x, axis=-1, keepdims=True), 1e-9))

    return PrototypeBank(rows(width), rows(width), rows(S, width), jnp.arange(ROWS) < live)


def make_banks(width, live=4, seed=0):
    rng = np.random.default_rng(seed)
    return Banks(*(make_bank(rng, width, live) for _ in range(3)))


def make_batch(seed, visible_labels, infrared_labels, shift=1):
    """Pictures of four colours, the second half of a batch brighter than the first."""
    rng = np.random.default_rng(seed)
    colours = rng.integers(0, 128, (4, 1, 1, 3))

    def pictures(labels):
        noise = rng.integers(0, 64, (len(labels), H, W, 3))
        bright = 60 * (np.arange(len(labels)) >= len(labels) // 2)[:, None, None, None]
        return (colours[labels] + noise + bright).astype(np.uint8)

    visible_labels, infrared_labels = np.int32(visible_labels), np.int32(infrared_labels)
    return Batch(
        pictures(visible_labels),
        pictures(infrared_labels),
        visible_labels,
        infrared_labels,
        (visible_labels + shift) % 4,
        (infrared_labels + shift) % 4,
    )


BATCH = make_batch(1, [0, 0, 2, 3], [1, 1, 0, 0, 0, 3, 3, 1])
JOINT = make_batch(2, [0, 1, 1, 2], [2, 2, 0, 0, 1, 1, 1, 0])
WEIGHTS = TermWeights(jnp.float32(0.7), jnp.float32(0.4), jnp.float32(0.6))
NO_WEIGHTS = TermWeights(*[jnp.float32(0)] * 3)
ODD, EVEN = jnp.bool_(True), jnp.bool_(False)
KEY = jax.random.key(7)


def differs(tree, other):
    return [bool((x != y).any()) for x, y in zip(*map(jax.tree.leaves, (tree, other)), strict=True)]


def assert_same(tree, other):
    jax.tree.map(np.testing.assert_array_equal, tree, other)


def assert_close(tree, other, rtol=1e-4, atol=1e-5):
    jax.tree.map(partial(np.testing.assert_allclose, rtol=rtol, atol=atol), tree, other)


# ---- the real encoder, small --------------------------------------------------------------------


AGW_TINY = AGW(depth=18, width=0.125)
WIDTH = AGW_TINY.feature_width


@pytest.fixture(scope="module")
def stage1():
    """Stage 1's step, by plain gradient descent, with its start."""
    tx = optax.sgd(LR)
    fixed = steps.Fixed(AGW_TINY, tx, PAPER, pad=2, encoder_decay=ALPHA)
    step = jax.jit(partial(steps.stage1_step, fixed=fixed))
    return step, make_state(AGW_TINY, tx), make_banks(WIDTH)


def test_stage_one_learns_a_fixed_batch_and_compiles_once_while_clusters_and_weights_move(stage1):
    step, state, banks = stage1
    start, losses, compilations = state, [], set()
    for _ in range(10):
        state, moved, metrics = step(state, banks, BATCH, WEIGHTS, KEY)  # the banks held still
        losses.append(float(metrics["loss_visible"] + metrics["loss_infrared"]))
        compilations.add(step._cache_size())
    assert np.isfinite(losses).all() and losses[-1] < 0.7 * losses[0], losses
    assert_same(state.momentum, start.momentum)  # stage 1 only carries it along
    assert all(differs(state.batch_stats, start.batch_stats))

    state, _, _ = step(state, moved, BATCH, WEIGHTS, KEY)
    more_clusters = make_banks(WIDTH, live=5)
    _, after, metrics = step(state, more_clusters, BATCH, NO_WEIGHTS, jax.random.key(1))
    assert float(metrics["loss_visible"]) == 0
    assert int(after.visible.live_K.sum()) == 5
    assert compilations == {step._cache_size()}


def test_stage_two_learns_a_fixed_batch_and_compiles_once_over_epochs():
    tx = make_optimizer(5e-4)
    fixed = steps.Fixed(AGW_TINY, tx, PAPER, pad=2, encoder_decay=ALPHA)
    state = set_learning_rate(make_state(AGW_TINY, tx), 3e-3)
    banks = make_banks(WIDTH)
    step = jax.jit(partial(steps.stage2_step, fixed=fixed))
    losses = []
    for _ in range(6):
        state, moved, metrics = step(state, banks, BATCH, JOINT, WEIGHTS, ODD, KEY)
        losses.append(sum(float(v) for name, v in metrics.items() if name.startswith("loss_")))
    assert np.isfinite(losses).all() and losses[-1] < 0.8 * losses[0], losses
    assert set(metrics) == {
        "loss_visible",
        "loss_infrared",
        "loss_cross",
        "loss_dynamic_visible",
        "loss_dynamic_infrared",
        "loss_joint_visible",
        "loss_joint_infrared",
        "gradient_norm",
        "gradient_norm_joint",
    }
    state, _, _ = step(state, moved, BATCH, JOINT, WEIGHTS, ODD, KEY)
    next_epoch = make_banks(WIDTH, live=5, seed=1)
    step(state, next_epoch, BATCH, JOINT, NO_WEIGHTS, EVEN, jax.random.key(1))
    assert step._cache_size() == 1


# ---- the toy encoder, against a recomputation -------------------------------------------------


def plain_views(key, batch, pad):
    """Views without chance: the picture, and the picture in its first channel."""
    visible = normalise(jnp.asarray(batch.visible_BHWC))
    exchanged = jnp.broadcast_to(visible[..., :1], visible.shape)
    return steps.Views(
        jnp.concatenate([visible, exchanged]), normalise(jnp.asarray(batch.infrared_BHWC))
    )


class Toy:
    """One recipe's steps, compiled without chance, and the state and banks they start from."""

    def __init__(self, terms):
        tx = optax.sgd(LR)  # so that a step shows its gradient
        fixed = steps.Fixed(ToyEncoder(), tx, terms, pad=2, encoder_decay=ALPHA)
        self.state, self.banks = make_state(fixed.model, tx, momentum_seed=1), make_banks(8)
        start = self.state, self.banks, BATCH
        apart, stage2 = (
            jax.jit(partial(step, fixed=fixed)) for step in (steps.apart_step, steps.stage2_step)
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(steps, "augment", plain_views)
            self.apart_step = apart.lower(*start, WEIGHTS, ODD, KEY).compile()
            self.stage2_step = stage2.lower(*start, JOINT, WEIGHTS, ODD, KEY).compile()

    def apart(self, weights=WEIGHTS, infrared_crosses=ODD):
        return self.apart_step(self.state, self.banks, BATCH, weights, infrared_crosses, KEY)

    def stage2(self, infrared_crosses=ODD):
        return self.stage2_step(
            self.state, self.banks, BATCH, JOINT, WEIGHTS, infrared_crosses, KEY
        )


@pytest.fixture(scope="module")
def paper():
    return Toy(PAPER)


@pytest.fixture(scope="module")
def released():
    return Toy(RELEASED)


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
    state, _, metrics = paper.apart(infrared_crosses=jnp.bool_(infrared_crosses))
    want = naive_apart_terms(paper.state.params, paper.state, paper.banks, infrared_crosses, True)
    assert_close({name: metrics[name] for name in want}, want)
    gradient = naive_gradient(paper, infrared_crosses, dynamic=True)
    assert_close(gradient_of(paper, state), gradient, rtol=1e-3, atol=1e-4)
    norm = np.sqrt(sum(float((leaf**2).sum()) for leaf in jax.tree.leaves(gradient)))
    np.testing.assert_allclose(metrics["gradient_norm"], norm, rtol=1e-3)


def test_with_momentum_queries_the_dynamic_term_is_reported_without_any_gradient(released):
    with_term, _, metrics = released.apart()
    without, _, _ = released.apart(weights=WEIGHTS._replace(dynamic=jnp.float32(0)))
    assert_same(with_term.params, without.params)
    gradient = naive_gradient(released, True, dynamic=False)
    assert_close(gradient_of(released, with_term), gradient, rtol=1e-3, atol=1e-4)
    z_v, z_r, _ = features(
        released.state.momentum_params, released.state.momentum_batch_stats, BATCH
    )
    banks, labels_v = released.banks, twice(BATCH.visible_labels_B)
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
    without, _, _ = paper.apart(weights=WEIGHTS._replace(dynamic=jnp.float32(0)))
    assert all(differs(with_term.params["visible"], without.params["visible"]))
    assert all(differs(with_term.params["infrared"], without.params["infrared"]))


def naive_update(centroid, hard, z, labels):
    centroid, hard, z = (np.array(x, np.float64) for x in (centroid, hard, z))
    for c in sorted(set(labels.tolist())):
        mine = z[labels == c]
        far = mine[np.argmin(mine @ centroid[c])]
        hard[c] = MU * hard[c] + (1 - MU) * far
        centroid[c] = MU * centroid[c] + (1 - MU) * mine.mean(axis=0)
        hard[c], centroid[c] = (x / np.linalg.norm(x) for x in (hard[c], centroid[c]))
    return centroid, hard


@pytest.mark.parametrize("infrared_crosses", [True, False])
def test_own_features_move_both_banks_then_cross_features_only_one(paper, infrared_crosses):
    _, banks, _ = paper.stage2(infrared_crosses=jnp.bool_(infrared_crosses))
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


def test_with_momentum_queries_the_dynamic_prototypes_stay(released):
    _, banks, _ = released.stage2()
    assert_same(banks.visible.dynamic_KSD, released.banks.visible.dynamic_KSD)
    assert_same(banks.infrared.dynamic_KSD, released.banks.infrared.dynamic_KSD)
    assert any(differs(banks.visible, released.banks.visible))


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
    assert_close(
        (banks.joint.centroid_KD, banks.joint.hard_KD),
        naive_update(joint.centroid_KD, joint.hard_KD, z, labels),
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


@pytest.fixture(scope="module")
def chance():
    """The compiled stage-2 step of the toy encoder with its real augmentation, and its start."""
    tx = optax.sgd(LR)
    fixed = steps.Fixed(ToyEncoder(), tx, PAPER, pad=2, encoder_decay=ALPHA)
    step = jax.jit(partial(steps.stage2_step, fixed=fixed))
    return step, make_state(fixed.model, tx, momentum_seed=1), make_banks(8)


def test_one_key_gives_bit_identical_steps_and_another_key_others(chance):
    step, state, banks = chance
    first, again, other = (
        step(state, banks, BATCH, JOINT, WEIGHTS, ODD, jax.random.key(k)) for k in (0, 0, 1)
    )
    assert_same(first, again)
    assert all(differs(first[0].params, other[0].params))


# ---- two devices ------------------------------------------------------------------------------

two_devices = pytest.mark.skipif(jax.device_count() < 2, reason="needs two devices")


def on_the_mesh(step, state, banks, batches, *rest):
    mesh = make_mesh()
    batches = shard_batch(mesh, batches)
    pictures = batches[0].visible_BHWC
    assert len(pictures.addressable_shards) == mesh.size == jax.device_count()
    assert pictures.addressable_shards[0].data.shape[0] == len(pictures) // mesh.size
    return step(*replicate(mesh, (state, banks)), *batches, *replicate(mesh, rest))


@two_devices
def test_stage_two_on_two_devices_is_stage_two_on_one(chance):
    step, state, banks = chance
    one = step(state, banks, BATCH, JOINT, WEIGHTS, ODD, KEY)
    two = on_the_mesh(step, state, banks, (BATCH, JOINT), WEIGHTS, ODD, KEY)
    assert_close(two, one)


@two_devices
def test_the_encoder_on_two_devices_takes_its_statistics_over_the_whole_batch(stage1):
    step, state, banks = stage1
    one = step(state, banks, BATCH, WEIGHTS, KEY)
    two = on_the_mesh(step, state, banks, (BATCH,), WEIGHTS, KEY)
    assert_close(two, one)


# ---- features ---------------------------------------------------------------------------------


@pytest.mark.parametrize("modality", ["visible", "infrared"])
def test_a_picture_and_its_mirror_have_one_unit_feature(modality):
    model = ToyEncoder()
    variables = make_state(model, optax.sgd(LR)).online
    pictures = np.random.default_rng(0).integers(0, 256, (5, H, W, 3), dtype=np.uint8)
    step = jax.jit(partial(steps.feature_step, model=model, modality=modality))
    got = np.asarray(step(variables, pictures))
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(step(variables, pictures[:, :, ::-1]), got, atol=1e-5)

    def one_side(images):
        x = (images / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
        pair = (jnp.float32(x), None) if modality == "visible" else (None, jnp.float32(x))
        return np.asarray(model.apply(variables, *pair), float)

    total = one_side(pictures) + one_side(pictures[:, :, ::-1])
    want = total / np.linalg.norm(total, axis=1, keepdims=True)
    np.testing.assert_allclose(got, want, atol=1e-4)
    assert np.abs(one_side(pictures) - got).max() > 0.01
