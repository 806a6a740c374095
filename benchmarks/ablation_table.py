"""The tables of an ablation: means over seeds, and paired differences with their interval."""

import csv
import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import bootstrap

from pclhd_jax.reports.records import TIMING, read_records
from pclhd_jax.saving.workdir import read_pictures
from pclhd_jax.system.json_files import read_json, read_json_lines
from pclhd_jax.system.json_shapes import record

CLUSTERINGS = ("visible", "infrared", "joint")
UNTRAINED = "untrained encoder"
MISSING = "X"


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
    module: str = "pclhd_jax.main"  # that runs it


class Scores(NamedTuple):
    """Of one run and protocol, in %; ARI in 0..1; NaN where the run has none."""

    rank1: float
    mean_ap: float
    mean_inp: float


class Outcome(NamedTuple):
    """A finished run, as its last epoch left it."""

    scores: dict[str, Scores]  # by protocol
    stage1: dict[str, Scores]  # where its stage 1 ended; empty where that was not scored
    ari: tuple[float, ...]  # of CLUSTERINGS
    purity: tuple[float, ...]
    right_matches: tuple[float, ...]  # visible, infrared, in %
    minutes: float
    commit: str
    pictures: str  # a digest of its pictures' lists and of what they were drawn from


def is_finished(workdir: Path, epochs: int) -> bool:
    """After so many epochs, scored; a folder copied from a finished stage 1 is not."""
    rows = read_records(workdir)
    return bool(rows) and rows[-1]["epochs_done"] == epochs and "evaluation" in rows[-1]


def outcome_of(workdir: Path, stage1_epochs: int) -> Outcome:
    *rows, last = read_records(workdir)
    after_stage1 = [row for row in rows if row["epochs_done"] == stage1_epochs]
    clusters = last.get("clusters", {})

    def quality(name: str, parts: Sequence[str]) -> tuple[float, ...]:
        return tuple(clusters.get(part, {}).get(name, np.nan) for part in parts)

    matches = quality("right_matches", CLUSTERINGS[:2])
    return Outcome(
        scores_of(last),
        scores_of(after_stage1[0]) if after_stage1 else {},
        quality("adjusted_rand_index", CLUSTERINGS),
        quality("purity", CLUSTERINGS),
        tuple(100 * share for share in matches),
        minutes_of(workdir),
        "; ".join((workdir / "commit.txt").read_text().splitlines()),
        digest_of(workdir),
    )


def untrained_of(workdir: Path, outcome: Outcome) -> Outcome:
    """What the run of this outcome began with: its first record."""
    none = (np.nan,) * len(CLUSTERINGS)
    return outcome._replace(
        scores=scores_of(read_records(workdir)[0]),
        stage1={},
        ari=none,
        purity=none,
        right_matches=none[:2],
        minutes=np.nan,
    )


def scores_of(row: dict) -> dict[str, Scores]:
    return {
        name: Scores(100 * s["cmc"][0], 100 * s["mean_ap"], 100 * s["mean_inp"])
        for name, s in row.get("evaluation", {}).items()
    }


def minutes_of(workdir: Path) -> float:
    """Of all its epochs, those of a shared stage 1 included; an epoch done twice counts twice."""
    rows = read_json_lines(workdir / "timing.jsonl", TIMING)
    beside = ("epochs_done", "waiting")  # waiting: a part of the others' seconds
    return sum(v for row in rows for name, v in row.items() if name not in beside) / 60


def digest_of(workdir: Path) -> str:
    """Of the lists of pictures and, since those are names alone, of what a set was drawn from."""
    config = read_json(workdir / "config.json", record({"data": record({})}))
    text = json.dumps([read_pictures(workdir), config["data"].get("synthetic")], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def gather(jobs: list[Job]) -> dict[str, dict[int, Outcome]]:
    """Finished runs by variant and seed; the untrained encoder from the first variant's."""
    outcomes: dict[str, dict[int, Outcome]] = {UNTRAINED: {}}
    for job in jobs:
        of_variant = outcomes.setdefault(job.variant, {})
        if is_finished(job.workdir, job.epochs):
            of_variant[job.seed] = outcome_of(job.workdir, job.stage1_epochs)
            start = untrained_of(job.workdir, of_variant[job.seed])
            outcomes[UNTRAINED].setdefault(job.seed, start)
    return outcomes


def format_tables(
    outcomes: dict[str, dict[int, Outcome]], seeds: Sequence[int], *, command: str, is_ladder: bool
) -> str:
    """Markdown, a table for each protocol; X: not every seed is finished.

    The difference is that to the first variant, or in a ladder to the one before.
    """
    done = [outcome for of_seed in outcomes.values() for outcome in of_seed.values()]
    if not done:
        return "no run is finished"
    lines = [
        f"`{command}`",
        "",
        f"Seeds of starting weights {', '.join(map(str, seeds))}; last epoch, in %, mean over "
        "seeds. Difference: paired by seed, mean [95 % bootstrap interval; of up to three seeds "
        "their least and greatest] and each seed's, to "
        f"the line {'before' if is_ladder else 'of the first variant'}. {made_by(done)} "
        f"Pictures {', '.join(sorted({o.pictures for o in done}))}.",
    ]
    for number, protocol in enumerate(done[0].scores):
        lines += ["", *protocol_table(outcomes, seeds, protocol, is_ladder, with_runs=not number)]
    return "\n".join(lines)


def made_by(done: Sequence[Outcome]) -> str:
    """Commits and numbers of cores, and where these differ a warning: sums in another order."""
    entries = [entry.split(", ") for o in done for entry in o.commit.split("; ")]
    text = f"Commits: {', '.join(sorted({entry[0] for entry in entries}))}."
    cores = sorted({entry[1].split()[0] for entry in entries if len(entry) > 1}, key=int)
    if cores:
        text += f" CPU cores of a run: {' or '.join(cores)}."
    if len(cores) > 1:
        text += " So differences hold what another order of sums does as well."
    return text


def protocol_table(
    outcomes: dict[str, dict[int, Outcome]],
    seeds: Sequence[int],
    protocol: str,
    is_ladder: bool,
    with_runs: bool,
) -> list[str]:
    """with_runs: with the columns that are the run's and not the protocol's."""
    head = [protocol, "Rank-1", "mAP", "mINP", "difference Rank-1", "difference mAP"]
    if with_runs:
        head += ["Rank-1 after stage 1", "ARI visible / infrared / joint", "right matches"]
        head += ["minutes"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    variants = [name for name in outcomes if name != UNTRAINED]
    for number, variant in enumerate([UNTRAINED, *variants]):
        other = variants[max(0, number - 2) if is_ladder else 0] if number > 1 else None
        cells = score_cells(outcomes, variant, other, protocol, seeds)
        if with_runs:
            cells += run_cells([outcomes[variant].get(seed) for seed in seeds], protocol)
        lines.append(f"| {' | '.join([variant, *cells])} |")
    return lines


def score_cells(
    outcomes: dict[str, dict[int, Outcome]],
    variant: str,
    other: str | None,
    protocol: str,
    seeds: Sequence[int],
) -> list[str]:
    here = [outcomes[variant].get(seed) for seed in seeds]
    if None in here:
        return [MISSING] * 5
    scores_SM = np.array([outcome.scores[protocol] for outcome in here])
    means = [f"{mean:.1f}" for mean in scores_SM.mean(axis=0)]
    if other is None:
        return [*means, "", ""]
    there = [outcomes[other].get(seed) for seed in seeds]
    if None in there:
        return [*means, MISSING, MISSING]
    gaps_SM = scores_SM - np.array([outcome.scores[protocol] for outcome in there])
    return [*means, *(gap_cell(gaps_SM[:, column]) for column in (0, 1))]


def gap_cell(gaps_S: np.ndarray) -> str:
    each = ", ".join(f"{gap:+.1f}" for gap in gaps_S)
    if len(gaps_S) < 2:
        return each
    low, high = interval(gaps_S)
    return f"{gaps_S.mean():+.1f} [{low:+.1f}, {high:+.1f}] ({each})"


def interval(gaps_S: np.ndarray) -> tuple[float, float]:
    """95 % of the mean over seeds, by the bootstrap.

    Of two or three seeds it runs from the least to the greatest, which holds the true mean of
    normal numbers in 50 and 75 % of cases only.
    """
    if np.ptp(gaps_S) == 0:
        return gaps_S[0], gaps_S[0]
    found = bootstrap((gaps_S,), np.mean, method="percentile", random_state=0)
    return found.confidence_interval


def run_cells(outcomes: list[Outcome | None], protocol: str) -> list[str]:
    if None in outcomes:
        return [MISSING] * 4
    stage1 = np.mean([rank1_after_stage1(outcome, protocol) for outcome in outcomes])
    ari = np.mean([outcome.ari for outcome in outcomes], axis=0)
    matches = np.mean([outcome.right_matches for outcome in outcomes], axis=0)
    minutes = np.mean([outcome.minutes for outcome in outcomes])
    return [
        "-" if np.isnan(stage1) else f"{stage1:.1f}",
        " / ".join("-" if np.isnan(value) else f"{value:.2f}" for value in ari),
        " / ".join("-" if np.isnan(value) else f"{value:.0f}" for value in matches),
        "-" if np.isnan(minutes) else f"{minutes:.1f}",
    ]


def rank1_after_stage1(outcome: Outcome, protocol: str) -> float:
    return outcome.stage1[protocol].rank1 if protocol in outcome.stage1 else np.nan


def raw_records(outcomes: dict[str, dict[int, Outcome]]) -> str:
    """CSV, a line for each variant, seed and protocol."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    parts = [f"{what}_{part}" for what in ("ari", "purity") for part in CLUSTERINGS]
    matches = [f"right_matches_{part}" for part in CLUSTERINGS[:2]]
    head = ["variant", "seed", "protocol", *Scores._fields, "rank1_after_stage1", *parts, *matches]
    writer.writerow([*head, "minutes", "commit", "pictures"])
    for variant, of_seed in outcomes.items():
        for seed, outcome in sorted(of_seed.items()):
            numbers = *outcome.ari, *outcome.purity, *outcome.right_matches, outcome.minutes
            rest = [f"{number:.4f}" for number in numbers] + [outcome.commit, outcome.pictures]
            for protocol, scores in outcome.scores.items():
                stage1 = rank1_after_stage1(outcome, protocol)
                row = [variant, seed, protocol, *(f"{score:.4f}" for score in (*scores, stage1))]
                writer.writerow(row + rest)
    return text.getvalue()
