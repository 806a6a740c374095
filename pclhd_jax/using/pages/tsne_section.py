"""Features of ten people in the plane, by scikit-learn's t-SNE."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.reports.palette import SERIES
from pclhd_jax.using.pages.encoder_arrays import Seen
from pclhd_jax.using.pages.epoch_plots import DPI, png_of
from pclhd_jax.using.pages.html import Section, box, figure
from pclhd_jax.using.pages.per_run import Drawn, per_run
from pclhd_jax.using.pages.seen_runs import Missing, RunView

NUM_PEOPLE, MOST_PICTURES = 10, 12  # of a person and modality
TITLE = "t-SNE of ten people"
WORDS = (
    "Features of test pictures. A number and a colour for each person, circles for visible, empty "
    "triangles for infrared pictures: where the modalities of a person lie together, the encoder "
    "does not tell them apart. Distances between groups mean nothing; t-SNE keeps neighbours only."
)


def tsne_section(runs: Sequence[RunView]) -> Section:
    return per_run("tsne", TITLE, WORDS, runs, run_plane)


def run_plane(run: RunView) -> Drawn:
    seen = run.seen.get()
    identities = identities_of(seen)
    rows = choose(*identities.values())
    if rows is None:
        raise Missing("fewer than 2 people have test pictures of both modalities")
    picked = list(zip(identities, rows, strict=True))
    z_ND = np.concatenate([seen.z[modality][rows_n] for modality, rows_n in picked])
    people_N = np.concatenate([identities[modality][rows_n] for modality, rows_n in picked])
    is_infrared_N = np.repeat([False, True], [len(rows_n) for rows_n in rows])
    data = png_of(draw_plane(plane(z_ND), people_N, is_infrared_N, run.name))
    alt = f"t-SNE of the features of {len(set(people_N))} people, {run.name}"
    return Drawn(box("plots", [figure(data, alt)]), {"tsne.png": data})


def identities_of(seen: Seen) -> dict[str, np.ndarray]:
    """Identity of every test picture, by modality; a protocol lists all on its two sides."""
    protocol = seen.protocols[0]
    sides = [protocol.gallery, protocol.query]  # visible first where infrared queries
    if protocol.query_modality == "visible":
        sides.reverse()
    return {m: side.identities_N for m, side in zip(MODALITIES, sides, strict=True)}


def choose(visible_N: np.ndarray, infrared_N: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Rows of at most `NUM_PEOPLE` people, spread over those in both; None for fewer than two."""
    both = np.intersect1d(visible_N, infrared_N)
    if len(both) < 2:
        return None
    places = np.unique(np.linspace(0, len(both) - 1, NUM_PEOPLE).round().astype(int))
    people = both[places]
    return tuple(
        np.concatenate([np.flatnonzero(ids == person)[:MOST_PICTURES] for person in people])
        for ids in (visible_N, infrared_N)
    )


def plane(z_ND: np.ndarray) -> np.ndarray:
    """(N, 2), the same every time. At least 4 rows."""
    from sklearn.manifold import TSNE  # not at the top: it takes a second

    perplexity = min(30.0, (len(z_ND) - 1) / 3)
    return TSNE(perplexity=perplexity, init="pca", random_state=0).fit_transform(z_ND)


def draw_plane(
    xy_N2: np.ndarray, people_N: np.ndarray, is_infrared_N: np.ndarray, title: str
) -> Any:
    """A matplotlib Figure."""
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke

    drawing = Figure(figsize=(5.0, 5.0), dpi=DPI, layout="constrained")
    ax = drawing.subplots()
    outline = [withStroke(linewidth=2.5, foreground="white")]
    for place, person in enumerate(np.unique(people_N)):
        colour = SERIES[place % len(SERIES)]
        for is_infrared, marker in ((False, "o"), (True, "^")):
            rows_n = np.flatnonzero((people_N == person) & (is_infrared_N == is_infrared))
            face = "none" if is_infrared else colour
            x_n, y_n = xy_N2[rows_n].T
            ax.scatter(
                x_n, y_n, 26, marker=marker, facecolors=face, edgecolors=colour, linewidths=1.1
            )
            x, y = np.median(xy_N2[rows_n], axis=0)
            style = dict(fontsize=9, ha="center", path_effects=outline)
            ax.annotate(f"{person}", (x, y), (0, 5), textcoords="offset points", **style)
    for name, marker, face in (("visible", "o", "#595959"), ("infrared", "^", "none")):
        ax.scatter([], [], 26, marker=marker, facecolors=face, edgecolors="#595959", label=name)
    ax.set_title(title, fontsize=10)
    ax.set_xticks([])
    ax.set_yticks([])
    drawing.legend(loc="outside lower center", ncols=2, fontsize=9)
    return drawing
