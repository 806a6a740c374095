"""The printed table: counts, trials and percentages."""

import numpy as np

from pclhd_jax.evaluation.protocol_score import Score
from pclhd_jax.reports.score_table import format_table


def test_the_table_shows_counts_trials_and_percentages():
    cmc = np.linspace(0.5, 0.975, 20)
    scores = [
        Score("sysu all-search single-shot", 3803, (3803,) * 10, (301,) * 10, 10, cmc,
              0.58714, 0.4512, 0.01234, 0.00987),
        Score("other", 70, (60, 66), (9, 1100), 2, cmc, 0.25, 0.125, 0.0, 0.0),
        Score("regdb", 2060, (2060,), (2060,), 1, cmc, 1.0, 1.0, 0.0, 0.0),
    ]  # fmt: skip
    title, header, _, first, second, third = format_table(scores, "last epoch").splitlines()
    assert title == "last epoch"
    assert " ".join(header.split()) == (
        "Protocol Queries Gallery Trials Rank-1 Rank-5 Rank-10 Rank-20 mAP mINP"
    )
    assert first.split("  ")[0] == "sysu all-search single-shot"
    assert " ".join(first.split()[3:]) == (
        "3,803 of 3,803 301 10 50.00 +- 1.23 60.00 72.50 97.50 58.71 +- 0.99 45.12"
    )
    assert "60-66 of 70" in second and "9-1,100" in second
    assert "+-" not in third and third.split()[-2:] == ["100.00", "100.00"]
    assert len({len(line) for line in (header, first, second, third)}) == 1
