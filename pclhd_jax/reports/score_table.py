"""Scores as a plain-text table."""

from collections.abc import Sequence

from pclhd_jax.evaluation.protocol_score import Score
from pclhd_jax.evaluation.ranking import MAX_RANK
from pclhd_jax.reports.columns import aligned


def format_table(scores: Sequence[Score], title: str) -> str:
    """A plain-text table in %: protocol, counts, trials, Rank-1/5/10/20, mAP, mINP.

    'Queries' are those with a match, of all; '+-' is the standard deviation over trials.
    """
    ranks = [rank for rank in (1, 5, 10, 20) if rank <= MAX_RANK]
    header = ["Protocol", "Queries", "Gallery", "Trials", *(f"Rank-{r}" for r in ranks)]
    rows = [[*header, "mAP", "mINP"]]
    for one in scores:
        cmc = [f"{100 * one.cmc[rank - 1]:.2f}" for rank in ranks]
        mean_ap = f"{100 * one.mean_ap:.2f}"
        if one.num_trials > 1:
            cmc[0] += f" +- {100 * one.rank1_std:.2f}"
            mean_ap += f" +- {100 * one.mean_ap_std:.2f}"
        queries = f"{_span(one.num_valid)} of {one.num_queries:,}"
        counts = [queries, _span(one.gallery_size), f"{one.num_trials}"]
        rows.append([one.name, *counts, *cmc, mean_ap, f"{100 * one.mean_inp:.2f}"])
    return "\n".join([title, *aligned(rows)])


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,}-{high:,}"
