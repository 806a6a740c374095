"""Pictures of an ablation: every seed a point, the mean a line; ARI by their side."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.ablation_table import CLUSTERINGS, UNTRAINED, Outcome
from benchmarks.studies import Study

# Okabe and Ito's colours: the colour-blind can tell them apart.
BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#999999"


def draw_study(
    outcomes: dict[str, dict[int, Outcome]], study: Study, folder: Path, name: str
) -> bool:
    """`folder`/`name`.png; False where no run is finished."""
    variants = [v for v, of_seed in outcomes.items() if of_seed and v != UNTRAINED]
    if not variants:
        return False
    runs = [list(outcomes[variant].values()) for variant in variants]
    protocol = next(iter(runs[0][0].scores))
    figure = Figure(figsize=(9, 1.6 + 0.42 * len(variants)), layout="constrained")
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
        axes.legend(fontsize=7)
    figure.savefig(folder / f"{name}.png", dpi=110)
    return True


def draw_row(axes, values: list[list[float]], y: np.ndarray, colour: str, label: str) -> None:
    """Points of all seeds, and a line through the means."""
    for row, of_seed in zip(y, values, strict=True):
        axes.plot(of_seed, [row] * len(of_seed), "o", color=colour, alpha=0.4, markersize=4)
    axes.plot([np.mean(of_seed) for of_seed in values], y, "-", color=colour, label=label)
