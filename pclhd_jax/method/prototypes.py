"""The prototype bank: centroid, hard and dynamic prototypes of every cluster.

A bank has K rows, of which the first `live_K.sum()` stand for clusters and the rest
are padding: K is a power of two, so that a changed cluster count needs no new
compilation. Everything here is jnp, without a loop over samples.
"""

from typing import NamedTuple

import flax.struct
import jax
import jax.numpy as jnp

from pclhd_jax.models.l2_normalise import unit

FEWEST_ROWS = 256


@flax.struct.dataclass
class PrototypeBank:
    """Unit rows; padded rows are zero and masked out by `live_K`."""

    centroid_KD: jax.Array  # commonality
    hard_KD: jax.Array  # divergence
    dynamic_KSD: jax.Array  # variety; S = 0 where it is not used
    live_K: jax.Array  # bool


def num_rows(num_clusters: int) -> int:
    """The bank size that holds `num_clusters`: the next power of two, FEWEST_ROWS at least.

    A step is compiled for each size, which takes from half a minute on a GPU, where empty rows
    cost next to nothing. Powers of two are few.
    """
    return max(FEWEST_ROWS, 1 << max(num_clusters - 1, 0).bit_length())


class Members(NamedTuple):
    """Rows grouped by label: cluster c owns order_N[start_K[c] : start_K[c] + count_K[c]]."""

    order_N: jax.Array
    start_K: jax.Array
    count_K: jax.Array


def group_by_label(labels_N: jax.Array, tie_break_N: jax.Array, K: int) -> Members:
    """Sort rows by label and, inside a label, by `tie_break_N`. Labels < 0 belong to nobody."""
    labels_N = jnp.where(labels_N < 0, K, labels_N)
    count_K = jnp.zeros(K, jnp.int32).at[labels_N].add(1, mode="drop")
    return Members(jnp.lexsort((tie_break_N, labels_N)), jnp.cumsum(count_K) - count_K, count_K)


def cluster_means(x_ND: jax.Array, labels_N: jax.Array, K: int) -> jax.Array:
    """(K, D) mean row of every label; zero for a label without rows."""
    labels_N = jnp.where(labels_N < 0, K, labels_N)
    sum_KD = jnp.zeros((K, x_ND.shape[1]), x_ND.dtype).at[labels_N].add(x_ND, mode="drop")
    count_K = jnp.zeros(K, x_ND.dtype).at[labels_N].add(1, mode="drop")
    return sum_KD / jnp.maximum(count_K, 1)[:, None]


def farthest_means(
    x_ND: jax.Array, labels_N: jax.Array, centroid_KD: jax.Array, num_farthest: int
) -> jax.Array:
    """(K, D) mean of the `num_farthest` rows of each label that are least similar to its centre.

    All its rows where it has fewer; of equally similar ones the first. Labels < 0 belong to nobody.
    """
    K = centroid_KD.shape[0]
    similarity_N = jnp.sum(x_ND * centroid_KD[labels_N], axis=-1)
    members = group_by_label(labels_N, similarity_N, K)
    sorted_labels_N = labels_N[members.order_N]
    place_N = jnp.arange(labels_N.shape[0]) - members.start_K[sorted_labels_N]
    kept_labels_N = jnp.where(place_N < num_farthest, sorted_labels_N, -1)
    return cluster_means(x_ND[members.order_N], kept_labels_N, K)


def build_bank(
    z_ND: jax.Array,
    labels_N: jax.Array,
    *,
    rows: int,
    num_farthest: int,
    num_dynamic: int,
    momentum_z_ND: jax.Array | None = None,
    modality_N: jax.Array | None = None,
    key: jax.Array | None = None,
) -> PrototypeBank:
    """The epoch's bank from the features of all training pictures.

    z_ND: (N, D) features, unit or means of unit ones: centroids are means of them as they are,
    hard prototypes of their unit rows. labels_N: (N,) int, -1 for outliers, all below `rows`.
    rows: K, from `num_rows`. num_farthest: the hard prototype is the mean of that many
    farthest samples; 0 starts it at the centroid (the released program).
    num_dynamic: S samples drawn with replacement from the unit rows `momentum_z_ND` with `key`;
    0: none.
    modality_N: (N,) 0 or 1 for a joint bank, whose centroid is the mean of the two
    modalities' means, or the mean of the one that a cluster holds.
    """
    live_K = (
        jnp.zeros(rows, bool).at[jnp.where(labels_N < 0, rows, labels_N)].set(True, mode="drop")
    )
    if modality_N is None:
        centroid_KD = unit(cluster_means(z_ND, labels_N, rows))
    else:
        means = (
            cluster_means(z_ND, jnp.where(modality_N == m, labels_N, -1), rows) for m in (0, 1)
        )
        centroid_KD = unit(sum(means) / 2)

    hard_KD = centroid_KD
    if num_farthest > 0:
        hard_KD = unit(farthest_means(unit(z_ND), labels_N, centroid_KD, num_farthest))

    dynamic_KSD = jnp.zeros((rows, 0, z_ND.shape[1]), z_ND.dtype)
    if num_dynamic > 0:
        members = group_by_label(labels_N, jnp.zeros(labels_N.shape, z_ND.dtype), rows)
        offset_KS = random_offsets(key, (rows, num_dynamic), members.count_K[:, None])
        picked_KS = members.order_N[members.start_K[:, None] + offset_KS]
        dynamic_KSD = jnp.where(live_K[:, None, None], momentum_z_ND[picked_KS], 0)
    return PrototypeBank(centroid_KD, hard_KD, dynamic_KSD, live_K)


def random_offsets(key: jax.Array, shape: tuple[int, ...], count: jax.Array) -> jax.Array:
    """Integers uniform in [0, count), elementwise; 0 where count is 0."""
    # uniform is at most 1 - 2^-23, and the product with a count below 2^24 stays below the count.
    return jnp.floor(jax.random.uniform(key, shape) * count).astype(jnp.int32)


def update_bank(
    bank: PrototypeBank,
    z_BD: jax.Array,
    labels_B: jax.Array,
    *,
    momentum: float,
    num_farthest: int = 1,
    modality_B: jax.Array | None = None,
    momentum_z_BD: jax.Array | None = None,
    key: jax.Array | None = None,
) -> PrototypeBank:
    """Move the prototypes of the clusters in a batch towards it (method: 'Update').

    For every cluster c in the batch, with M, H, D its prototypes before the update:
      M <- unit(momentum M + (1 - momentum) mean of the batch's z of c)
      H <- unit(momentum H + (1 - momentum) mean of the k z of c least similar to M)
      D <- S picks among momentum_z of c, without replacement if there are S of them.

    z_BD: (B, D) unit features, not differentiated here. labels_B: (B,) int; rows with a
    negative label change nothing. momentum: weight of the old prototype (0.1).
    num_farthest: k, all rows of c where it has fewer. modality_B: (B,) 0 or 1 for a joint bank:
    the mean over c is then the mean of its modalities' means, however many rows each has.
    momentum_z_BD, key: the momentum encoder's features of the same rows and a random
    key; left out, the dynamic prototypes stay.
    """
    K, labels_B = bank.live_K.shape[0], jnp.asarray(labels_B)
    z_BD = jax.lax.stop_gradient(z_BD)
    same_BB = (labels_B[:, None] == labels_B[None, :]) & (labels_B >= 0)[None, :]
    # One row of a cluster writes for all of them; the others aim past the end and are dropped.
    is_first_B = jnp.argmax(same_BB, axis=1) == jnp.arange(labels_B.shape[0])
    target_B = jnp.where(is_first_B & (labels_B >= 0), labels_B, K)

    mean_BD = cluster_means_of_rows(z_BD, same_BB, modality_B)
    centroid_BD = unit(momentum * bank.centroid_KD[labels_B] + (1 - momentum) * mean_BD)
    far_KD = farthest_means(z_BD, labels_B, bank.centroid_KD, num_farthest)
    hard_BD = unit(momentum * bank.hard_KD[labels_B] + (1 - momentum) * far_KD[labels_B])
    dynamic_KSD = bank.dynamic_KSD
    if momentum_z_BD is not None:
        momentum_z_BD = jax.lax.stop_gradient(momentum_z_BD)
        picked_BS = pick_dynamic(key, labels_B, K, dynamic_KSD.shape[1])
        dynamic_KSD = dynamic_KSD.at[target_B].set(momentum_z_BD[picked_BS], mode="drop")
    return bank.replace(
        centroid_KD=bank.centroid_KD.at[target_B].set(centroid_BD, mode="drop"),
        hard_KD=bank.hard_KD.at[target_B].set(hard_BD, mode="drop"),
        dynamic_KSD=dynamic_KSD,
    )


def cluster_means_of_rows(
    z_BD: jax.Array, same_BB: jax.Array, modality_B: jax.Array | None
) -> jax.Array:
    """(B, D) for each row the mean of z over the rows of its cluster; see `update_bank`.

    same_BB: whether two rows are of one cluster.
    """
    peers_BB = same_BB
    if modality_B is not None:
        peers_BB &= modality_B[:, None] == modality_B[None, :]
    weight_B = 1 / jnp.maximum(peers_BB.sum(axis=1), 1)  # a modality's rows weigh 1 together
    return weighted_means(same_BB * weight_B[None, :], z_BD)


def weighted_means(weight_BB: jax.Array, z_BD: jax.Array) -> jax.Array:
    """(B, D) mean of z by each row's weights; zero for a row of zeros."""
    sum_BD = jnp.matmul(weight_BB, z_BD, precision=jax.lax.Precision.HIGHEST)  # no TF32
    sum_B1 = weight_BB.sum(axis=1)[:, None]
    return sum_BD / jnp.where(sum_B1 > 0, sum_B1, 1)


def pick_dynamic(key: jax.Array, labels_B: jax.Array, K: int, S: int) -> jax.Array:
    """(B, S) batch rows drawn from each row's own cluster.

    A cluster with S rows or more gives S different ones, a smaller one repeats.
    """
    shuffle_key, repeat_key = jax.random.split(key)
    B = labels_B.shape[0]
    members = group_by_label(labels_B, jax.random.uniform(shuffle_key, (B,)), K)
    count_B1 = members.count_K[labels_B][:, None]
    offset_BS = jnp.where(
        count_B1 >= S, jnp.arange(S)[None, :], random_offsets(repeat_key, (B, S), count_B1)
    )
    return members.order_N[members.start_K[labels_B][:, None] + offset_BS]
