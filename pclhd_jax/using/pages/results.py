"""The result of each run beside its untrained encoder, and in what the runs' settings differ."""

from collections.abc import Sequence
from typing import Any

from pclhd_jax.settings.differences import differing
from pclhd_jax.using.pages.html import (
    Section,
    box,
    heading,
    joined,
    missing,
    note,
    paragraph,
    table,
)
from pclhd_jax.using.pages.seen_runs import RunRecord

HEADER = ("", "R-1", "R-5", "R-10", "R-20", "mAP", "mINP")


def result_section(runs: Sequence[RunRecord]) -> Section:
    body, tables, reasons = [], [], []
    names = protocols_of(runs)
    for protocol in names:
        rows, described = [HEADER], ""
        for run in runs:
            scored = [row for row in run.rows if protocol in row.get("evaluation", {})]
            if len(runs) > 1 and scored:
                rows.append([run.name])
            rows += [score_row(row, protocol) for row in ends(scored)]
            described = (
                described
                or (scored and counts(scored[-1]["evaluation"][protocol], len(runs) == 1))
                or ""
            )
        one = table(rows, caption=described, bold_last=len(runs) == 1)
        tables.append(box("", [heading(3, protocol), one]))
    if names:
        body.append(box("side", tables))
        body.append(
            paragraph(
                "In %. R-k: the share of queries with a right picture among the first k; mAP: mean "
                "average precision; mINP: how early the last right picture comes. Means over the "
                "trials. The last epoch is the result, not the best one."
            )
        )
    for run in runs:
        reason = unscored(run)
        if reason:
            reasons.append(f"{run.name}: {reason}")
            body.append(missing(reasons[-1]))
    body += setting_differences(runs)
    return Section("result", "Result", joined(body), {}, reasons)


def protocols_of(runs: Sequence[RunRecord]) -> list[str]:
    """Names of all protocols that a run was scored by, in their order."""
    names = {name: 0 for run in runs for row in run.rows for name in row.get("evaluation", {})}
    return list(names)


def ends(scored: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The untrained encoder's row and the newest one, as far as they are there."""
    return [scored[0], scored[-1]] if len(scored) > 1 else scored


def score_row(row: dict[str, Any], protocol: str) -> list[str]:
    score, done = row["evaluation"][protocol], row["epochs_done"]
    what = f"{done} epochs" if done else "untrained"
    values = [*(score["cmc"][rank - 1] for rank in (1, 5, 10, 20)), score["mean_ap"]]
    cells = [f"{100 * value:.1f}" for value in (*values, score["mean_inp"])]
    return [what, *cells]


def counts(score: dict[str, Any], with_spread: bool) -> str:
    """What a score rests on; its spread over trials where one run alone is shown."""
    if "num_trials" not in score:
        return ""
    valid, gallery = (span(score[name]) for name in ("num_valid", "gallery_size"))
    spread = ""
    if with_spread and score["num_trials"] > 1:
        spread = (
            f"; standard deviation over trials: Rank-1 {100 * score['rank1_std']:.1f}, "
            f"mAP {100 * score['mean_ap_std']:.1f}"
        )
    return (
        f"{valid} of {score['num_queries']:,} queries, {gallery} pictures in the gallery, "
        f"{score['num_trials']} trials{spread}"
    )


def span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def unscored(run: RunRecord) -> str:
    """Why a run has no result, or not its last one; empty if it has."""
    if not run.rows:
        return "no epoch is recorded yet (metrics.jsonl)"
    if not any(row.get("evaluation") for row in run.rows):
        return (
            "nothing was scored, for nobody's identity is known; an identities.csv beside the "
            "pictures names some to score (docs/data.md)"
        )
    epochs = sum(run.config[stage]["epochs"] for stage in ("stage1", "stage2"))
    if run.rows[-1]["epochs_done"] < epochs:
        return f"not finished: {run.rows[-1]['epochs_done']} of {epochs} epochs"
    return ""


def setting_differences(runs: Sequence[RunRecord]) -> list[str]:
    """How the settings of each run differ from the first one's."""
    parts = []
    first, *others = runs
    for run in others:
        lines = [
            (f"config.{n}", f"{a!r}", f"{b!r}") for n, a, b in differing(first.config, run.config)
        ]
        rows = [("setting", first.name, run.name), *lines]
        parts.append(heading(3, f"Settings: {run.name} beside {first.name}"))
        parts.append(table(rows, css_class="words") if lines else note("the same settings"))
    return parts
