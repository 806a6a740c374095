"""Pictures of an ablation: every seed a point, the mean a line; and what changes by epoch."""

from itertools import combinations
from pathlib import Path

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from benchmarks.ablation_table import CLUSTERINGS, UNTRAINED, Job, Outcome, is_finished
from benchmarks.studies import Study
from pclhd_jax.reports.records import read_records

# Okabe and Ito's colours: the colour-blind can tell them apart.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#999999"


def draw_study(
    outcomes: dict[str, dict[int, Outcome]], study: Study, folder: Path, name: str
) -> bool:
    """`folder`/`name`.png of the variants finished on all seeds; False where there is none."""
    most = len(outcomes[UNTRAINED])
    variants = [v for v, of_seed in outcomes.items() if len(of_seed) == most and v != UNTRAINED]
    if not most or not variants:
        return False
    runs = [list(outcomes[variant].values()) for variant in variants]
    protocol = next(iter(runs[0][0].scores))
    figure = Figure(figsize=(9, 1.9 + 0.42 * len(variants)), layout="constrained")
    left, right = figure.subplots(1, 2, sharey=True)
    y = np.arange(len(variants))[::-1]
    for field, colour, label in (("rank1", BLUE, "Rank-1"), ("mean_ap", ORANGE, "mAP")):
        values = [[getattr(run.scores[protocol], field) for run in of_seed] for of_seed in runs]
        draw_row(left, values, y, colour, label)
    start = [run.scores[protocol].rank1 for run in outcomes[UNTRAINED].values()]
    left.axvline(np.mean(start), color=GREY, linestyle=":", label="untrained, Rank-1")
    left.set_title(f"{protocol}, %", fontsize=9)
    for i, (part, colour) in enumerate(zip(CLUSTERINGS, (GREEN, ORANGE, BLUE), strict=True)):
        draw_row(right, [[run.ari[i] for run in of_seed] for of_seed in runs], y, colour, part)
    right.set_title("ARI of the last epoch's clusters", fontsize=9)
    label = study.setting + " = "
    left.set_yticks(y, [variant.removeprefix(label) for variant in variants], fontsize=8)
    if study.setting:
        left.set_ylabel(study.setting, fontsize=8)
    for axes in (left, right):
        axes.grid(axis="x", alpha=0.3)
        # Below: a box within would lie on somebody's points.
        axes.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.08), ncols=3)
    figure.savefig(folder / f"{name}.png", dpi=110)
    return True


def draw_row(axes, values: list[list[float]], y: np.ndarray, colour: str, label: str) -> None:
    """Points of all seeds, and a line through the means."""
    for row, of_seed in zip(y, values, strict=True):
        axes.plot(of_seed, [row] * len(of_seed), "o", color=colour, alpha=0.4, markersize=4)
    axes.plot([np.mean(of_seed) for of_seed in values], y, "-", color=colour, label=label)


# By title, where a record has it.
BY_EPOCH = {
    "ARI, visible": ("clusters", "visible", "adjusted_rand_index"),
    "ARI, infrared": ("clusters", "infrared", "adjusted_rand_index"),
    "ARI, joint": ("clusters", "joint", "adjusted_rand_index"),
    "right matches, visible": ("clusters", "visible", "right_matches"),
    "right matches, infrared": ("clusters", "infrared", "right_matches"),
    "purity, visible": ("clusters", "visible", "purity"),
    "purity, infrared": ("clusters", "infrared", "purity"),
    "hard prototype from centroid, visible": ("prototypes", "visible", "hard_distance"),
    "hard pictures that changed, visible": ("prototypes", "visible", "hard_changed"),
    "spread of dynamic prototypes, visible": ("prototypes", "visible", "dynamic_spread"),
}


def quantities_of(rows: list[dict]) -> dict[str, tuple[str, ...]]:
    """`BY_EPOCH`, and of every kind of term in the records its gradient."""
    kinds = sorted({kind for row in rows for kind in row.get("gradients", {}).get("norm", {})})
    return {
        **BY_EPOCH,
        **{f"gradient norm, {kind}": ("gradients", "norm", kind) for kind in kinds},
        **{f"gradient share, {kind}": ("gradients", "share", kind) for kind in kinds},
        **{
            f"cosine of {one} and {other}": ("gradients", "cosine", one, other)
            for one, other in combinations(kinds, 2)
        },
    }


def draw_epochs(jobs: list[Job], folder: Path, name: str) -> bool:
    """`folder`/`name`-epochs.png: means over seeds, of the variants finished on all seeds that any
    is; False where there is nothing."""
    rows: dict[str, list[list[dict]]] = {}
    for job in jobs:
        if is_finished(job.workdir, job.epochs):
            rows.setdefault(job.variant, []).append(read_records(job.workdir)[1:])
    most = max(map(len, rows.values()), default=0)
    rows = {variant: of_seed for variant, of_seed in rows.items() if len(of_seed) == most}
    all_rows = [row for runs in rows.values() for of_seed in runs for row in of_seed]
    quantities = quantities_of(all_rows)
    panels = {
        title: curves
        for title, path in quantities.items()
        if (curves := {v: curve(runs, path) for v, runs in rows.items() if has(runs, path)})
    }
    if not panels:
        return False
    figure = Figure(figsize=(11, 0.6 + 2.1 * -(-len(panels) // 4)), layout="constrained")
    axes_of = figure.subplots(-(-len(panels) // 4), 4, squeeze=False).ravel()
    colours = matplotlib.colormaps["viridis"](np.linspace(0, 0.92, len(rows)))
    colour_of = dict(zip(rows, colours, strict=True))
    for axes, (title, curves) in zip(axes_of, panels.items(), strict=False):
        for variant, values in curves.items():
            axes.plot(np.arange(1, len(values) + 1), values, color=colour_of[variant])
        axes.set_title(title, fontsize=8)
        axes.tick_params(labelsize=7)
        axes.grid(alpha=0.3)
    for axes in axes_of[len(panels) :]:
        axes.set_axis_off()
    lines = [matplotlib.lines.Line2D([], [], color=colour) for colour in colour_of.values()]
    figure.legend(lines, list(colour_of), loc="outside lower center", ncols=2, fontsize=7)
    figure.savefig(folder / f"{name}-epochs.png", dpi=110)
    return True


def has(runs: list[list[dict]], path: tuple[str, ...]) -> bool:
    return any(not np.isnan(value_at(row, path)) for rows in runs for row in rows)


def curve(runs: list[list[dict]], path: tuple[str, ...]) -> np.ndarray:
    """(epochs,) mean over runs; NaN where an epoch has none."""
    values_RE = np.array([[value_at(row, path) for row in rows] for rows in runs])
    known_RE = ~np.isnan(values_RE)
    sums_E = np.where(known_RE, values_RE, 0).sum(axis=0)
    count_E = known_RE.sum(axis=0)
    return np.where(count_E > 0, sums_E / np.maximum(count_E, 1), np.nan)


def value_at(row: dict, path: tuple[str, ...]) -> float:
    for key in path:
        row = row.get(key, {}) if isinstance(row, dict) else {}
    return float("nan") if isinstance(row, dict) else float(row)
