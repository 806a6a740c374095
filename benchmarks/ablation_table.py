"""The table of an ablation: means over seeds, and every seed's difference to another variant."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pclhd_jax.reports.records import read_records


class Job(NamedTuple):
    """One run. `shared` is the folder of its stage 1, which other runs may start from as well."""

    variant: str
    seed: int
    shared: Path
    workdir: Path
    stage1_epochs: int
    epochs: int  # of both stages
    stage1_flags: tuple[str, ...]
    flags: tuple[str, ...]


def is_finished(workdir: Path, epochs: int) -> bool:
    """After so many epochs, scored; a folder copied from a finished stage 1 is not."""
    rows = read_records(workdir)
    return bool(rows) and rows[-1]["epochs_done"] == epochs and "evaluation" in rows[-1]


def format_table(
    jobs: list[Job], seeds: Sequence[int], variants: Sequence[str], *, is_ladder: bool = False
) -> str:
    """Markdown: mean over seeds, every seed's difference to another variant; X: not finished.

    The other one is the first, or in a ladder the one before.
    """
    scores = {
        (job.variant, job.seed): scores_of(job.workdir)
        for job in jobs
        if is_finished(job.workdir, job.epochs)
    }
    if not scores:
        return "no run is finished"
    protocols = list(next(iter(scores.values())))
    finished = (job.workdir for job in jobs if (job.variant, job.seed) in scores)
    commits = sorted({(path / "commit.txt").read_text().strip() for path in finished})
    title = [f"{name}: Rank-1 / mAP | difference by seed" for name in protocols]
    lines = [
        f"Seeds {', '.join(map(str, seeds))}; mean over seeds, in %, last epoch; commit "
        f"{', '.join(commits)}.",
        "",
        "| | " + " | ".join(title) + " |",
        "|---" * (1 + 2 * len(protocols)) + "|",
    ]
    for number, variant in enumerate(variants):
        other = variants[max(0, number - 1) if is_ladder else 0]
        cells = [variant]
        for protocol in protocols:
            cells += cells_of(scores, variant, other, protocol, seeds)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cells_of(
    scores: dict, variant: str, other: str, protocol: str, seeds: Sequence[int]
) -> tuple[str, str]:
    """(mean Rank-1 / mAP, Rank-1 / mAP differences to `other`, seed by seed)."""
    here = [scores.get((variant, seed), {}).get(protocol) for seed in seeds]
    if any(score is None for score in here):
        return "X", "X"
    mean = np.mean(here, axis=0)
    means = f"{mean[0]:.1f} / {mean[1]:.1f}"
    there = [scores.get((other, seed), {}).get(protocol) for seed in seeds]
    if variant == other:
        return means, ", ".join(f"{score[0]:.1f} / {score[1]:.1f}" for score in here)
    if any(score is None for score in there):
        return means, "X"
    gaps = np.subtract(here, there)
    return means, ", ".join(f"{gap[0]:+.1f} / {gap[1]:+.1f}" for gap in gaps)


def scores_of(workdir: Path) -> dict[str, tuple[float, float]]:
    """(Rank-1, mAP) in % by protocol."""
    evaluation = read_records(workdir)[-1]["evaluation"]
    return {name: (100 * s["cmc"][0], 100 * s["mean_ap"]) for name, s in evaluation.items()}
