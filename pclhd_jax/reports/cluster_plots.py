"""The picture of a swept epoch: a column per part, a row per quantity."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pclhd_jax.reports.palette import BLUE, GREY, VERMILLION


def draw_clusters(reports: Sequence[Any], *, eps: float, min_samples: int, title: str) -> Any:
    """A matplotlib Figure, to be saved.

    reports: `eps_report.PartReport`s. eps: the run's own, drawn as a dashed line.
    """
    # Not at the top: nothing else needs it. Without pyplot it draws by Agg and needs no display.
    from matplotlib.figure import Figure

    has_ari = any(row.adjusted_rand_index is not None for r in reports for row in r.rows)
    quantities = [draw_counts, draw_outliers, draw_largest, *[draw_ari] * has_ari]
    num_rows = len(quantities) + 1
    size = 4.2 * len(reports), 2.3 * num_rows + 0.6
    figure = Figure(figsize=size, dpi=150, layout="constrained")
    axes = figure.subplots(num_rows, len(reports), squeeze=False)
    for column, report in enumerate(reports):
        axes[0, column].set_title(f"{report.name}: {len(report.k_distance_N):,} pictures")
        for ax, draw in zip(axes[:-1, column], quantities, strict=True):
            draw(ax, report)
            ax.axvline(eps, color=VERMILLION, linestyle="--", linewidth=1.2)
            ax.set_xlim(0, report.rows[-1].eps * 1.03)
            ax.set_xlabel("eps (Jaccard distance)")
            ax.grid(alpha=0.3)
        draw_k_distance(axes[-1, column], report, eps, min_samples)
    figure.suptitle(f"{title}\ndashed: the run's own eps, {eps:g}")
    return figure


def draw_curve(ax: Any, report: Any, name: str, scale: float = 1.0, **style: Any) -> None:
    eps_E = [row.eps for row in report.rows]
    value_E = [scale * getattr(row, name) for row in report.rows]
    ax.plot(eps_E, value_E, **{"color": BLUE, "marker": "o", "markersize": 3.5} | style)


def draw_counts(ax: Any, report: Any) -> None:
    draw_curve(ax, report, "num_clusters", label="all clusters")
    if report.rows[0].num_mixed is not None:
        draw_curve(ax, report, "num_mixed", label="mixed", color=GREY, marker="s")
        ax.legend(loc="upper left", ncols=2, fontsize="small")
    ax.set_ylabel("clusters (count)")
    ax.set_ylim(0, 1.3 * max(1, *(row.num_clusters for row in report.rows)))  # the legend's room


def draw_outliers(ax: Any, report: Any) -> None:
    draw_curve(ax, report, "outlier_share", 100)
    ax.set_ylabel("outliers (% of pictures)")
    ax.set_ylim(-3, 103)


def draw_largest(ax: Any, report: Any) -> None:
    least = min((row.largest_share for row in report.rows if row.num_clusters), default=0.01)
    ax.set_yscale("log")  # where it first grows is what to look for
    ax.set_ylim(70 * least, 150)  # before the curve: without any cluster it has no limit to offer
    ax.yaxis.set_major_formatter("{x:g}")
    draw_curve(ax, report, "largest_share", 100)
    ax.set_ylabel("largest cluster\n(% of pictures, log)")


def draw_ari(ax: Any, report: Any) -> None:
    if report.rows[0].adjusted_rand_index is None:
        ax.text(0.5, 0.5, "identities unknown", ha="center", transform=ax.transAxes)
    else:
        draw_curve(ax, report, "adjusted_rand_index")
    ax.set_ylabel("adjusted Rand index\n(not in real use)")
    ax.set_ylim(-0.03, 1.03)


def draw_k_distance(ax: Any, report: Any, eps: float, min_samples: int) -> None:
    """Pictures in order of the eps at which they become cores of a cluster."""
    distance_N = report.k_distance_N
    share_N = 100 * np.arange(1, len(distance_N) + 1) / len(distance_N)
    ax.plot(share_N, distance_N, color=BLUE, linewidth=1.8)
    ax.axhline(eps, color=VERMILLION, linestyle="--", linewidth=1.2)
    num_cores = np.sum(distance_N <= np.float32(eps))
    note = {"xytext": (0, 4), "textcoords": "offset points"}
    ax.annotate(
        f"{100 * num_cores / len(distance_N):.0f} % are cores", (2, eps), color=VERMILLION, **note
    )
    num_beyond = np.sum(np.isinf(distance_N))
    if num_beyond:
        text = f"{100 * num_beyond / len(distance_N):.0f} % beyond {report.rows[-1].eps:g}"
        ax.annotate(text, (98, report.rows[-1].eps), color=GREY, ha="right", **note)
    ax.set_xlabel("pictures, nearest first (%)")
    ax.set_ylabel(f"k-distance, k = {min_samples}\n(Jaccard distance)")
    ax.set_xlim(0, 100)
    ax.set_ylim(0, 1)
    ax.grid(alpha=0.3)
