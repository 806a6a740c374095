"""Time and memory of an epoch's clustering, and how it compares with the dense way.

    python -m benchmarks.clustering --n 34167 --k1 40 --k2 32
    python -m benchmarks.clustering --n 11909 --one_modality --k1 30 --k2 6 --dense

Features are drawn with people, cameras, two modalities and outliers; --noise 3 leaves hardly a
cluster. With both modalities the joint clustering takes --k1 and --k2, that of each modality 30 and
6, as in training. Kernels are compiled before anything is timed; the search compiles its products
within its time.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.dense_clustering import dense_jaccard, dense_labels
from benchmarks.person_features import PersonFeatures, draw_features
from pclhd_jax.clustering.both_modalities import cluster_centroids
from pclhd_jax.clustering.cluster_settings import JaccardSettings
from pclhd_jax.clustering.epoch_neighbour_lists import search_apart_and_joint
from pclhd_jax.clustering.jaccard import distance_of
from pclhd_jax.clustering.labels import cluster_quality, cutoff_for, labels_from_distance
from pclhd_jax.clustering.matching import match_clusters
from pclhd_jax.clustering.neighbour_lists import NeighbourLists
from pclhd_jax.clustering.neighbour_search import BLOCK_ROWS, SearchOptions, nearest_neighbours
from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.processes.progress import Progress
from pclhd_jax.system.command import command

OWN = JaccardSettings(k1=30, k2=6)  # of each modality, beside the joint clustering


@command
def main() -> None:
    options = parse_options()
    print(f"{jax.devices()[0].device_kind}; compiling", flush=True)
    warm_up(options)
    x = draw(options, options.n)
    peak("features drawn", 0.0)
    lists = search(x, options)
    besides = cluster_all(x, lists, options)
    print(f"{'all but the search':<44} {besides:8.2f} s")
    if options.dense:
        compare_with_dense(options)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--n", type=int, default=34_167, help="pictures")
    parser.add_argument("--k1", type=int, default=40)
    parser.add_argument("--k2", type=int, default=32)
    parser.add_argument("--eps", type=float, default=0.6)
    parser.add_argument("--min_samples", type=int, default=4)
    parser.add_argument("--width", type=int, default=2048, help="of the features")
    parser.add_argument("--noise", type=float, default=2.0, help="1: clear people; 3: hardly any")
    parser.add_argument("--one_modality", action="store_true", help="visible pictures alone")
    parser.add_argument("--alone", action="store_true", help="also time three separate searches")
    parser.add_argument("--dense", action="store_true", help="compare with the dense way")
    parser.add_argument("--dense_n", type=int, default=11_909, help="at most this many rows there")
    return parser.parse_args()


def draw(options: argparse.Namespace, n: int) -> PersonFeatures:
    modalities = (0,) if options.one_modality else (0, 1)
    return draw_features(n, width=options.width, modalities=modalities, noise=options.noise)


def warm_up(options: argparse.Namespace) -> None:
    """Compiles the kernels (kept on disk after the first run)."""
    x = draw(options, 500)
    for modality_N in (None, x.modality_N):
        distance_of(x.features_ND, JaccardSettings(8, 4), modality_N=modality_N, cutoff=0.6)


def search(x: PersonFeatures, options: argparse.Namespace) -> dict[str, NeighbourLists]:
    """The lists of every clustering, by its name."""
    length = JaccardSettings(options.k1, options.k2).list_length
    how = SearchOptions(report=Progress("neighbours", unit="pairs", every_s=30))
    if options.one_modality:
        found, seconds = timed(
            "neighbour search", lambda: nearest_neighbours(x.features_ND, length, options=how)
        )
        report_limit(x.features_ND, len(x.features_ND) ** 2, seconds)
        return {"visible": found}
    parts = [x.features_ND[x.modality_N == m] for m in (0, 1)]
    own = OWN.list_length
    found, seconds = timed(
        "neighbour search for all three clusterings",
        lambda: search_apart_and_joint(
            *parts, own_neighbours=own, joint_neighbours=length, options=how
        ),
    )
    report_limit(x.features_ND, len(x.features_ND) ** 2, seconds)
    if options.alone:
        _, alone = timed(
            "  the same, each searched alone",
            lambda: (
                [nearest_neighbours(z, own) for z in parts]
                + [nearest_neighbours(x.features_ND, length)]
            ),
        )
        print(f"  shared: {alone / seconds:.2f} x as fast")
    return {"joint": found.joint, "visible": found.visible, "infrared": found.infrared}


def report_limit(features_ND: np.ndarray, pairs: int, seconds: float) -> None:
    """The time that the matrix products alone would take, from one block's."""
    block_BD = jnp.asarray(features_ND[:BLOCK_ROWS])
    tile_TD = jnp.asarray(features_ND[:16_384])
    product = jax.jit(lambda a, b: jnp.matmul(a, b.T, precision=jax.lax.Precision.HIGHEST))
    product(block_BD, tile_TD).block_until_ready()
    best = min(clocked(lambda: product(block_BD, tile_TD).block_until_ready())[1] for _ in range(5))
    rate = len(block_BD) * len(tile_TD) / best
    gflops = 2 * features_ND.shape[1] * rate / 1e9
    print(
        f"  matrix products alone, at {gflops:,.0f} GFLOP/s: {pairs / rate:.1f} s; "
        f"the search takes {seconds * rate / pairs:.2f} x that"
    )


def cluster_all(
    x: PersonFeatures, lists: dict[str, NeighbourLists], options: argparse.Namespace
) -> float:
    """Labels of every clustering and the matching; returns the seconds of all."""
    total = 0.0
    labels = {}
    for name, found in lists.items():
        rows = np.arange(len(x.features_ND))
        if name != "joint":
            rows = np.flatnonzero(x.modality_N == (name == "infrared"))
        main_one = name == "joint" or options.one_modality
        settings = JaccardSettings(options.k1, options.k2) if main_one else OWN
        labels[name], seconds = cluster(
            name, x, rows, found, settings, (options.eps, options.min_samples)
        )
        total += seconds
    if "joint" in lists:
        centroids = [
            cluster_centroids(x.features_ND[x.modality_N == m], labels[name])
            for m, name in enumerate(MODALITIES)
        ]
        sizes = " and ".join(str(len(c)) for c in centroids)
        _, seconds = timed(f"matching {sizes} clusters", lambda: match_clusters(*centroids))
        total += seconds
    return total


def cluster(
    name: str,
    x: PersonFeatures,
    rows: np.ndarray,
    lists: NeighbourLists,
    settings: JaccardSettings,
    density: tuple[float, int],
) -> tuple[np.ndarray, float]:
    eps, min_samples = density
    whole = len(rows) == len(x.features_ND)
    z_ND = x.features_ND if whole else x.features_ND[rows]
    distance_NN, jaccard_s = timed(
        f"{name}: Jaccard, {len(rows):,} rows, k1 {settings.k1}, k2 {settings.k2}",
        lambda: distance_of(
            z_ND,
            settings,
            lists=lists,
            modality_N=x.modality_N if name == "joint" else None,
            cutoff=cutoff_for(eps),
        ),
    )
    labels_N, dbscan_s = timed(
        f"{name}: DBSCAN, {distance_NN.nnz / len(rows):.0f} distances a row",
        lambda: labels_from_distance(distance_NN, eps=eps, min_samples=min_samples),
    )
    quality = cluster_quality(labels_N, x.identities_N[rows])
    print(
        f"  {quality.num_clusters:,} clusters of {len(np.unique(x.identities_N)):,} people, "
        f"{quality.num_outliers:,} outliers, ARI {quality.adjusted_rand_index:.2f}"
    )
    return labels_N, jaccard_s + dbscan_s


def compare_with_dense(options: argparse.Namespace) -> None:
    """Both ways on the same rows and neighbour lists."""
    n = min(options.n, options.dense_n)
    print(f"\nBeside the dense way, {n:,} rows, the same neighbour lists")
    x = draw(options, n)
    modality_N = None if options.one_modality else x.modality_N
    settings = JaccardSettings(options.k1, options.k2)
    lists = nearest_neighbours(x.features_ND, settings.list_length)
    sizes = {"k1": options.k1, "k2": options.k2, "modality_N": modality_N}
    density = {"eps": options.eps, "min_samples": options.min_samples}

    def sparse_labels() -> np.ndarray:
        distance_NN = distance_of(
            x.features_ND,
            settings,
            lists=lists,
            modality_N=modality_N,
            cutoff=cutoff_for(options.eps),
        )
        return labels_from_distance(distance_NN, **density)

    # Ours is over in a moment, and the machine may be busy in that one: the middle of five.
    times = sorted(clocked(sparse_labels)[1] for _ in range(5))
    labels_N = sparse_labels()
    peak("sparse Jaccard and DBSCAN, median of 5", times[2])
    dense_NN, dense_jaccard_s = timed(
        "dense Jaccard", lambda: dense_jaccard(x.features_ND, lists.indices_Nk, **sizes)
    )
    expected_N, dense_dbscan_s = timed("dense DBSCAN", lambda: dense_labels(dense_NN, **density))
    ratio = (dense_jaccard_s + dense_dbscan_s) / times[2]
    different = int(np.sum(labels_N != expected_N))
    print(
        f"sparse is {ratio:.1f} x as fast; labels "
        + ("identical" if not different else f"of {different:,} rows differ")
    )


def timed(what: str, run: Callable[[], Any]) -> tuple[Any, float]:
    result, seconds = clocked(run)
    peak(what, seconds)
    return result, seconds


def clocked(run: Callable[[], Any]) -> tuple[Any, float]:
    started = time.perf_counter()
    result = run()
    return result, time.perf_counter() - started


def peak(what: str, seconds: float) -> None:
    # The system counts in KiB; the peak is that of the process so far.
    gigabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(f"{what:<44} {seconds:8.2f} s   peak {gigabytes:5.2f} GB", flush=True)


if __name__ == "__main__":
    main()
