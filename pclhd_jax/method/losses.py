"""Contrastive losses between features and prototypes (method: 'Losses').

Every term is a softmax cross-entropy over clusters, per example; the callers reduce.
A loss never writes to the bank.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from pclhd_jax.method.prototypes import PrototypeBank


class LossWeights(NamedTuple):
    """The weights that an epoch gives to each kind of loss."""

    centroid: jax.Array  # scalars, so that a step never recompiles
    hard: jax.Array
    dynamic: jax.Array


def similarities(
    z_BD: jax.Array, prototype_KD: jax.Array, through_KD: jax.Array | None = None
) -> jax.Array:
    """(B, K) inner products in full float32.

    GPUs would otherwise multiply in TF32: an error of 1e-3 is 0.02 in a logit at tau = 0.05.

    through_KD: the gradient with respect to z goes through these rows instead; the values stay.
    """
    product = partial(jnp.matmul, precision=jax.lax.Precision.HIGHEST)
    if through_KD is None:
        return product(z_BD, prototype_KD.T)
    value_BK = product(jax.lax.stop_gradient(z_BD), prototype_KD.T)
    zero_BD = z_BD - jax.lax.stop_gradient(z_BD)  # has z's gradient
    return value_BK + product(zero_BD, through_KD.T)


def cluster_cross_entropy(
    similarity_BK: jax.Array, live_K: jax.Array, labels_B: jax.Array, temperature: float
) -> jax.Array:
    """(B,) -log softmax(similarity / temperature)[label] over the live clusters."""
    # Padded clusters get no probability and, through `where`, no gradient.
    logit_BK = jnp.where(live_K[None, :], similarity_BK / temperature, -jnp.inf)
    own_B = jnp.take_along_axis(logit_BK, labels_B[:, None], axis=1)[:, 0]
    return jax.nn.logsumexp(logit_BK, axis=1) - own_B


def centroid_cross_entropy(
    z_BD: jax.Array,
    bank: PrototypeBank,
    labels_B: jax.Array,
    *,
    temperature: float,
    through: PrototypeBank | None = None,
) -> jax.Array:
    """(B,) commonality: each z against the cluster centroids. through: see `centroid_loss`."""
    through_KD = None if through is None else through.centroid_KD
    similarity_BK = similarities(z_BD, bank.centroid_KD, through_KD)
    return cluster_cross_entropy(similarity_BK, bank.live_K, labels_B, temperature)


def hard_cross_entropy(
    z_BD: jax.Array,
    bank: PrototypeBank,
    labels_B: jax.Array,
    *,
    temperature: float,
    through: PrototypeBank | None = None,
) -> jax.Array:
    """(B,) divergence: each z against the hard prototypes. through: see `centroid_loss`."""
    through_KD = None if through is None else through.hard_KD
    similarity_BK = similarities(z_BD, bank.hard_KD, through_KD)
    return cluster_cross_entropy(similarity_BK, bank.live_K, labels_B, temperature)


def dynamic_cross_entropy(
    z_BD: jax.Array,
    bank: PrototypeBank,
    labels_B: jax.Array,
    *,
    temperature: float,
    key: jax.Array | None = None,
) -> jax.Array:
    """(B,) variety: each z against the dynamic prototypes, S of every cluster.

    The own cluster counts by its LEAST similar prototype, every other by its most
    similar one. With `key`, the abstract's other reading: one random prototype of
    every cluster, the same for the whole batch.
    """
    K, S, D = bank.dynamic_KSD.shape
    if key is not None:
        drawn_K = jax.random.randint(key, (K,), 0, S)
        drawn_KD = bank.dynamic_KSD[jnp.arange(K), drawn_K]
        return cluster_cross_entropy(
            similarities(z_BD, drawn_KD), bank.live_K, labels_B, temperature
        )
    similarity_BKS = similarities(z_BD, bank.dynamic_KSD.reshape(K * S, D)).reshape(-1, K, S)
    is_own_BK = labels_B[:, None] == jnp.arange(K)[None, :]
    similarity_BK = jnp.where(is_own_BK, similarity_BKS.min(axis=2), similarity_BKS.max(axis=2))
    return cluster_cross_entropy(similarity_BK, bank.live_K, labels_B, temperature)


def centroid_loss(
    z_BD: jax.Array,
    bank: PrototypeBank,
    labels_B: jax.Array,
    *,
    temperature: float,
    margin: float,
    through: PrototypeBank | None = None,
) -> jax.Array:
    """Scalar: relu(CE_centroid - margin), of the batch mean of `centroid_cross_entropy`.

    through: the same bank at another moment; the value (and with it softmax and relu) is that of
    `bank`, the gradient goes through these rows.
    """
    loss_B = centroid_cross_entropy(z_BD, bank, labels_B, temperature=temperature, through=through)
    return jax.nn.relu(loss_B.mean() - margin)


def hard_loss(
    z_BD: jax.Array,
    bank: PrototypeBank,
    labels_B: jax.Array,
    *,
    temperature: float,
    through: PrototypeBank | None = None,
) -> jax.Array:
    """Scalar: batch mean of `hard_cross_entropy`. through: see `centroid_loss`."""
    return hard_cross_entropy(z_BD, bank, labels_B, temperature=temperature, through=through).mean()


def hybrid_loss(
    z_BD: jax.Array,
    bank: PrototypeBank,
    labels_B: jax.Array,
    *,
    temperature: float,
    margin: float,
    hard_share: float = 0.5,
    through: PrototypeBank | None = None,
) -> jax.Array:
    """Scalar: 0.5 (CE_hard + relu(CE_centroid - margin)), or other shares of the two.

    z_BD: (B, D) unit features. labels_B: (B,) int rows of the bank, none negative.
    temperature: tau (0.05). margin: 0.2 in the released program. through: see `centroid_loss`.
    """
    common = dict(temperature=temperature, through=through)
    centroid = centroid_loss(z_BD, bank, labels_B, margin=margin, **common)
    return (1 - hard_share) * centroid + hard_share * hard_loss(z_BD, bank, labels_B, **common)


def dynamic_loss(
    z_BD: jax.Array,
    bank: PrototypeBank,
    labels_B: jax.Array,
    *,
    temperature: float,
    key: jax.Array | None = None,
) -> jax.Array:
    """Scalar: batch mean of `dynamic_cross_entropy`; arguments as there."""
    return dynamic_cross_entropy(z_BD, bank, labels_B, temperature=temperature, key=key).mean()
