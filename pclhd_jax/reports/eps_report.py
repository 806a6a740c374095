"""A saved epoch clustered anew at many eps: a table per modality, and one picture."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy import sparse
from sklearn.neighbors import sort_graph_by_row_values

from pclhd_jax.clustering.both_modalities import keep_joint
from pclhd_jax.clustering.cluster_settings import (
    ClusterSettings,
    JaccardSettings,
    cluster_settings,
)
from pclhd_jax.clustering.jaccard import distance_of
from pclhd_jax.clustering.labels import cutoff_for, labels_from_distance
from pclhd_jax.clustering.sweep import SweepRow, eps_sweep, k_distances
from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.processes.progress import say
from pclhd_jax.reports.cluster_plots import draw_clusters
from pclhd_jax.saving.labelled_features import SavedEpoch, load_epoch
from pclhd_jax.settings.kept import read_settings
from pclhd_jax.settings.schedule import When
from pclhd_jax.system.paths import given_path
from pclhd_jax.system.whole_files import whole_file

NUM_EPS = 18

HINT = """\
How to read it. eps too small: most pictures are outliers, and people fall apart into several
clusters. eps too large: clusters merge, their count falls, and the largest one swallows ever more
people. Good values lie where the count has levelled off, just before the largest cluster, until
then about as large as one person, begins to grow. The k-distance of a picture is the eps at which
it becomes a core of a cluster; where that curve bends upwards, a larger eps gains little but
pictures that stand alone. One eps serves all parts: --config.cluster.eps, in another --workdir."""


class Part(NamedTuple):
    """What is clustered together, and how."""

    name: str  # visible, infrared or joint
    z_ND: np.ndarray
    labels_N: np.ndarray | None  # as saved; None where clustering stopped the run
    identities_N: np.ndarray | None  # None where one is unknown
    modality_N: np.ndarray | None
    settings: JaccardSettings


class PartReport(NamedTuple):
    """A part swept: what the picture shows of it."""

    name: str
    rows: list[SweepRow]
    k_distance_N: np.ndarray


def report_clusters(
    workdir: str | Path,
    *,
    epochs_done: int | None = None,
    eps_max: float = 0.9,
    out: str | Path | None = None,
) -> Path:
    """Print the tables of a saved epoch, draw them, and return the picture's path.

    epochs_done: which epoch; the newest by default. out: a .png; by default in `workdir`.

    Raises:
      FileNotFoundError: no workdir, no such epoch, or no folder for `out`.
      ValueError: a damaged epoch, eps_max out of its range, or an `out` that is no .png.
    """
    workdir = given_path(workdir)
    out = None if out is None else given_path(out)
    todo = what_to_sweep(Path(workdir), epochs_done, eps_max)
    epoch = todo.saved.epochs_done
    if out is not None:
        check_out(Path(out))
    out = Path(workdir) / f"clusters-epoch-{epoch:04d}.png" if out is None else Path(out)
    reports, settings = sweep_parts(todo), todo.settings
    figure = draw_clusters(
        reports, eps=settings.eps, min_samples=settings.min_samples, title=todo.title
    )
    with whole_file(out) as file:
        figure.savefig(file, format="png")
    say(f"\nwrote {out}\n\n{HINT}")
    return out


class ToSweep(NamedTuple):
    """A saved epoch, read and checked; nothing is computed yet."""

    title: str
    saved: SavedEpoch
    settings: ClusterSettings
    eps_E: np.ndarray


def what_to_sweep(workdir: Path, epochs_done: int | None, eps_max: float) -> ToSweep:
    """Raises as `report_clusters`."""
    config = read_settings(workdir)
    saved = load_epoch(workdir, epochs_done)
    settings = cluster_settings(config, When(saved.stage, saved.epoch))
    eps_E = eps_grid(settings.eps, eps_max)
    title = (
        f"{workdir.resolve().name}: recipe {config.recipe}, stage {saved.stage}, epoch "
        f"{saved.epoch + 1} of {getattr(config, f'stage{saved.stage}').epochs} "
        f"({saved.epochs_done} epochs done)"
    )
    return ToSweep(title, saved, settings, eps_E)


def sweep_parts(todo: ToSweep) -> list[PartReport]:
    """Every part at every eps; its table is printed as it is made."""
    say(todo.title)
    if todo.saved.labels is None:
        say("at the run's own eps a modality has fewer than 2 clusters: the run stopped here")
    parts = parts_of(todo.saved, todo.settings)
    return [report_part(part, todo.eps_E, todo.settings) for part in parts]


def eps_grid(eps: float, eps_max: float) -> np.ndarray:
    """Ascending values up to `eps_max`, evenly spaced but for the run's own `eps` among them."""
    if not 0 < np.float32(eps_max) < 1:
        raise ValueError(f"--eps_max is {eps_max}; give a value in (0, 1): no distance exceeds 1")
    if eps_max < eps:
        raise ValueError(f"--eps_max is {eps_max}, below the run's own eps; give at least {eps}")
    # Rounded, so that 0.55 is the run's 0.55; and yet not above eps_max.
    even_E = np.minimum(np.round(np.linspace(0, eps_max, NUM_EPS + 1)[1:], 6), eps_max)
    return np.unique(np.append(even_E, eps))


def check_out(out: Path) -> None:
    """Before the distances, which take longest."""
    if out.suffix != ".png":
        raise ValueError(f"--out is {out}; give a name that ends in .png")
    if not out.parent.is_dir():
        raise FileNotFoundError(f"no folder {out.parent} for --out; make it, or name another")
    if os.path.lexists(out):
        raise FileExistsError(f"{out} is there already; name another --out, or remove it")


def parts_of(saved: SavedEpoch, settings: ClusterSettings) -> Iterator[Part]:
    """Visible and infrared apart; in stage 2 also both together, as the run clustered them."""
    z = saved.visible_ND, saved.infrared_ND
    identities = saved.visible_identities_N, saved.infrared_identities_N
    labels = saved.labels
    own_labels = (None, None) if labels is None else labels[:2]
    for name, z_ND, labels_N, identities_N in zip(
        MODALITIES, z, own_labels, identities, strict=True
    ):
        yield Part(name, z_ND, labels_N, known(identities_N), None, settings.own)
    if settings.joint is None:
        return
    joint_N = np.full(sum(map(len, z)), -1, np.int32)  # what no joint label at all comes to
    if labels is None:
        joint_N = None
    elif labels.joint_visible_N is not None:
        joint_N = np.concatenate([labels.joint_visible_N, labels.joint_infrared_N])
    yield Part(
        "joint",
        np.concatenate(z),
        joint_N,
        known(np.concatenate(identities)),
        np.repeat([0, 1], [len(z_ND) for z_ND in z]),
        settings.joint,
    )


def known(identities_N: np.ndarray) -> np.ndarray | None:
    return None if (identities_N < 0).any() else identities_N


def report_part(part: Part, eps_E: np.ndarray, settings: ClusterSettings) -> PartReport:
    """Print the table of a part, a row as soon as it is known."""
    say(
        f"\n{part.name}: {len(part.z_ND):,} pictures; k1 {part.settings.k1}, "
        f"k2 {part.settings.k2}, min_samples {settings.min_samples}"
    )
    distance_NN = distance_of(
        part.z_ND, part.settings, modality_N=part.modality_N, cutoff=cutoff_for(eps_E[-1])
    )
    # In place and once: every eps finds the rows in order.
    distance_NN = sort_graph_by_row_values(distance_NN, warn_when_not_sorted=False)
    warn_of_other_labels(part, distance_NN, settings)
    is_joint, has_ari = part.modality_N is not None, part.identities_N is not None
    say(table_head(is_joint, has_ari))
    rows = []
    for eps in eps_E:
        rows += eps_sweep(
            distance_NN,
            [eps],
            min_samples=settings.min_samples,
            modality_N=part.modality_N,
            identities_N=part.identities_N,
        )
        say(table_row(rows[-1], is_own=eps == settings.eps))
    say(table_foot(is_joint, has_ari))
    return PartReport(part.name, rows, k_distances(distance_NN, settings.min_samples))


def warn_of_other_labels(
    part: Part, distance_NN: sparse.csr_matrix, settings: ClusterSettings
) -> None:
    """Says so where the labels at the run's own eps are not those it trained on."""
    if part.labels_N is None:
        return
    labels_N = labels_from_distance(distance_NN, eps=settings.eps, min_samples=settings.min_samples)
    if part.modality_N is not None:  # as in `both_modalities.label_epoch`
        joint_N = keep_joint(labels_N, part.modality_N, settings.joint_keeps)
        labels_N = np.full_like(labels_N, -1) if joint_N is None else joint_N
    num_other = int((labels_N != part.labels_N).sum())
    if num_other:
        say(
            f"WARNING: at the run's own eps {num_other:,} of {len(labels_N):,} labels differ from "
            "those it trained on (a cluster more or less renumbers those after it). Another JAX "
            "or other hardware rounds differently, and pictures at the edge of a cluster change "
            "sides; the table shows the labels as made here"
        )


def table_head(is_joint: bool, has_ari: bool) -> str:
    names = [
        "eps",
        "clusters",
        *["mixed"] * is_joint,
        "outliers %",
        "largest %",
        *["ARI"] * has_ari,
    ]
    return "   " + "".join(name.rjust(12) for name in names)


def table_row(row: SweepRow, *, is_own: bool) -> str:
    cells = [f"{row.eps:g}", f"{row.num_clusters:,}"]
    if row.num_mixed is not None:
        cells.append(f"{row.num_mixed:,}")
    cells += [f"{100 * row.outlier_share:.1f}", f"{100 * row.largest_share:.1f}"]
    if row.adjusted_rand_index is not None:
        cells.append(f"{row.adjusted_rand_index:.3f}")
    return (" * " if is_own else "   ") + "".join(cell.rjust(12) for cell in cells)


def table_foot(is_joint: bool, has_ari: bool) -> str:
    lines = ["* the run's own eps"]
    if is_joint:
        lines.append("mixed: clusters that hold both modalities; batches are drawn from these")
    if has_ari:
        lines.append(
            "ARI: adjusted Rand index against the true identities; not available in real use"
        )
    return "\n".join(f"   {line}" for line in lines)
