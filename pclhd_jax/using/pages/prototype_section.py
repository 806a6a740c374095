"""The prototypes of some clusters as pictures, before and after an epoch."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from pclhd_jax.batches.apart_and_joint import TrainPictures
from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.method.prototypes import PrototypeBank
from pclhd_jax.reports.thumbnails import GAP, encoded, framed, strip
from pclhd_jax.saving.labelled_features import SavedEpoch, load_epoch, saved_epochs
from pclhd_jax.settings.kept import settings_of_kept
from pclhd_jax.settings.sections import Settings
from pclhd_jax.using.pages.html import Html, Section, box, figure, heading, joined, paragraph
from pclhd_jax.using.pages.per_run import Drawn, per_run
from pclhd_jax.using.pages.prototype_picks import (
    Picks,
    banks_of_rows,
    picks_of,
    same_cluster,
    similarities,
    telling_clusters,
)
from pclhd_jax.using.pages.seen_runs import Missing, RunView, tried

TITLE = "Prototypes of a cluster"
WORDS = (
    "Of each modality two clusters: the one that reaches farthest from its centroid, and the "
    "middle one by that. Nearest: the training pictures most similar to the centroid "
    "(commonality). Hard: the least similar (divergence). Dynamic: the first pictures that the "
    "epoch draws at random from the cluster (variety). Banks as the epoch begins; its steps move "
    "them on."
)


class Side(NamedTuple):
    """One modality of a saved epoch."""

    labels_N: np.ndarray
    identities_N: np.ndarray
    similarity_N: np.ndarray  # to the own centroid
    drawn_KS: np.ndarray  # rows
    epochs_done: int


def prototype_section(runs: Sequence[RunView]) -> Section:
    return per_run("prototypes", TITLE, WORDS, runs, run_prototypes)


def run_prototypes(run: RunView) -> Drawn:
    pictures, workdir = run.train.get(), run.record.workdir
    settings = settings_of_kept(run.record.config)
    numbers = sorted(saved_epochs(workdir))[-2:] or [None]
    saved = [tried(load_epoch, workdir, number).get() for number in numbers]
    if saved[-1].labels is None:
        raise Missing("the newest epoch stopped for want of clusters: it has no prototypes")
    saved = [one for one in saved if one.labels is not None]
    for one in saved:
        check_rows(one, pictures.train)
    banks = [banks_of_rows(settings, one) for one in saved]
    images = pictures.train.visible_NHWC, pictures.train.infrared_NHWC
    parts, files = [paragraph(hard_words(settings))], {}
    for place, (modality, images_NHWC) in enumerate(zip(MODALITIES, images, strict=True)):
        sides = [
            side_of(
                (one[place], one.labels[place], one[3 + place]), bank[modality], one.epochs_done
            )
            for one, bank in zip(saved, banks, strict=True)
        ]
        newest = sides[-1]
        clusters = telling_clusters(newest.labels_N, newest.similarity_N)
        for name, cluster in zip(("widest", "middle"), clusters, strict=False):
            body, row = cluster_html(modality, cluster, sides, images_NHWC, settings)
            parts.append(body)
            files[f"prototypes-{modality}-{name}.png"] = encoded(row, "png")
    if len(saved) > 1:
        return Drawn(joined(parts), files)
    reason = (
        "before and after an epoch: features of one epoch alone are in the workdir; a run with "
        "--config.keep_features=2 keeps those of two"
    )
    return Drawn(joined(parts), files, [reason])


def check_rows(saved: SavedEpoch, train: TrainPictures) -> None:
    """Raises Missing if the features are from another number of pictures."""
    counts = [(len(saved.visible_ND), len(saved.infrared_ND))]
    counts.append((len(train.visible_NHWC), len(train.infrared_NHWC)))
    if counts[0] != counts[1]:
        raise Missing(
            f"the features of epoch {saved.epochs_done} are from {counts[0][0]:,} visible and "
            f"{counts[0][1]:,} infrared pictures, the set has {counts[1][0]:,} and {counts[1][1]:,}"
        )


def hard_words(settings: Settings) -> str:
    k = settings.prototypes.num_farthest
    if k == 0:
        return (
            "With config.prototypes.num_farthest 0 the hard prototype starts at the centroid and "
            "moves towards the farthest picture of each batch; shown is the farthest of all."
        )
    return f"The hard prototype starts at the mean of the {k} farthest." if k > 1 else ""


def side_of(
    rows: tuple[np.ndarray, np.ndarray, np.ndarray], bank: PrototypeBank, epochs_done: int
) -> Side:
    """rows: features, labels, identities."""
    z_ND, labels_N, identities_N = rows
    centroid_KD = np.asarray(bank.centroid_KD)
    drawn_KS = np.asarray(bank.dynamic_KSD)[:, :, 0]  # S is 0 in stage 1
    similarity_N = similarities(z_ND, labels_N, centroid_KD)
    return Side(labels_N, identities_N, similarity_N, drawn_KS.astype(int), epochs_done)


def cluster_html(
    modality: str,
    cluster: int,
    sides: Sequence[Side],
    images_NHWC: np.ndarray,
    settings: Settings,
) -> tuple[Html, np.ndarray]:
    """HTML, and the newest epoch's pictures in a row. sides: older first."""
    newest, columns = sides[-1], []
    for side in sides:
        own = cluster if side is newest else same_cluster(newest.labels_N, cluster, side.labels_N)
        title = heading(4, f"as epoch {side.epochs_done} began")
        if own is None:
            columns.append(box("", [title, paragraph("all of these pictures were outliers")]))
            continue
        k = settings.prototypes.num_farthest
        picks = picks_of(own, side.labels_N, side.similarity_N, side.drawn_KS, k)
        columns.append(box("", [title, groups_html(picks, side, images_NHWC)]))
    size = int((newest.labels_N == cluster).sum())
    title = heading(3, f"{modality} cluster {cluster}: {size} pictures")
    rows = [*picks.nearest, *picks.hard, *picks.drawn]
    row = strip([framed(images_NHWC[i], "plain") for i in rows], after_first=GAP)
    return title + box("side", columns), row


def groups_html(picks: Picks, side: Side, images_NHWC: np.ndarray) -> Html:
    groups = {"nearest": picks.nearest, "hard": picks.hard, "dynamic": picks.drawn}
    boxes = []
    for name, rows in groups.items():
        figures = []
        for row in rows:
            person = side.identities_N[row]
            words = f"{side.similarity_N[row]:.2f}" + (f" · person {person}" if person >= 0 else "")
            data = encoded(framed(images_NHWC[row], "plain"), "jpeg")
            figures.append(figure(data, f"{name}, training picture {row}", words))
        if figures:
            boxes.append(box("group", [heading(5, name), box("thumbs", figures)]))
    return box("groups", boxes)
