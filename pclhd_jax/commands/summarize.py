"""Average the results of finished runs: seeds, or RegDB's splits.

    python -m pclhd_jax summarize runs/regdb-paper-*

Takes each run's last epoch and prints, per protocol, mean and standard deviation over runs.
RegDB's splits count as one protocol. The runs must differ in nothing but seed, split and paths.
"""

import re
import sys
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from pclhd_jax.data.datasets import layout_named
from pclhd_jax.reports.columns import aligned
from pclhd_jax.settings.differences import FREE_BETWEEN_RUNS, differences
from pclhd_jax.settings.kept import read_config
from pclhd_jax.system.command import command, parser_of, path_flag

RANKS = (1, 5, 10, 20)
COLUMNS = (*(f"Rank-{rank}" for rank in RANKS), "mAP", "mINP")


class Result(NamedTuple):
    """The end of one run: percentages by protocol name, (6,) each, in the order of COLUMNS."""

    path: Path
    config: dict[str, Any]
    scores: dict[str, np.ndarray]


@command
def main(argv: Sequence[str] | None = None) -> None:
    parser = parser_of("summarize", __doc__)
    parser.add_argument(
        "runs", nargs="+", metavar="RUN", type=path_flag, help="workdir of a finished run"
    )
    print(summarize(parser.parse_args(argv).runs))


def summarize(workdirs: Sequence[str | Path]) -> str:
    """The table over runs.

    Raises:
      FileNotFoundError: a folder that is no workdir.
      ValueError: a run named twice, unfinished, of another recipe, other settings or other
        protocols than the first; each with the remedy.
    """
    paths = [Path(workdir).resolve() for workdir in workdirs]
    twice = {path for path in paths if paths.count(path) > 1}
    if twice:
        raise ValueError(f"{', '.join(map(str, twice))} named twice; name each run once")
    results = [read_result(path) for path in paths]
    for first, result in combinations(results, 2):
        check_comparable(first, result)
    return format_summary(results)


def read_result(path: Path) -> Result:
    """The last epoch of a finished run."""
    from pclhd_jax.reports.records import read_records  # JAX with it: --help should be quick

    config = read_config(path)
    epochs = sum(config[stage]["epochs"] for stage in ("stage1", "stage2"))
    rows = read_records(path)
    done = rows[-1]["epochs_done"] if rows else 0
    if done < epochs or "evaluation" not in rows[-1]:
        raise ValueError(
            f"{path} has finished {done} of {epochs} epochs; give its command again to complete "
            "it, or leave it out"
        )
    evaluation = rows[-1]["evaluation"]
    return Result(path, config, {common_name(n): percentages(s) for n, s in evaluation.items()})


def common_name(protocol: str) -> str:
    """The protocol without RegDB's split: splits are averaged."""
    return re.sub(r" split \d+", "", protocol)


def percentages(score: dict[str, Any]) -> np.ndarray:
    cmc = [score["cmc"][rank - 1] for rank in RANKS]
    return 100 * np.array([*cmc, score["mean_ap"], score["mean_inp"]])


def check_comparable(first: Result, other: Result) -> None:
    """Raises ValueError for two runs whose mean would mean nothing."""
    both = f"{first.path} and {other.path}"
    recipes = first.config["recipe"], other.config["recipe"]
    if recipes[0] != recipes[1]:
        raise ValueError(
            f"{both} follow the recipes {recipes[0]!r} and {recipes[1]!r}; summarize each alone"
        )
    if first.scores.keys() != other.scores.keys():
        raise ValueError(
            f"{both} are scored by different protocols: {', '.join(first.scores)}; and "
            f"{', '.join(other.scores)}; summarize them apart"
        )
    lines = differences(first.config, other.config, but=FREE_BETWEEN_RUNS)
    own = [(run.config["seed"], run.config["trial"], run.config["data"]) for run in (first, other)]
    if own[0] == own[1]:
        raise ValueError(
            f"{both} have one seed and one split: a copy, or a repetition, adds nothing to a "
            "spread; leave one out"
        )
    if lines:
        raise ValueError(
            f"{both} differ in their settings:\n  " + "\n  ".join(lines) + "\n"
            "a mean over them would have no name; summarize them apart"
        )


def format_summary(results: Sequence[Result]) -> str:
    """A plain-text table in %, one row per protocol."""
    runs = len(results)
    rows = [["Protocol", *COLUMNS]]
    for protocol in results[0].scores:
        scores_RC = np.stack([result.scores[protocol] for result in results])
        mean_C = scores_RC.mean(axis=0)
        cells = [f"{mean:.2f}" for mean in mean_C]
        if runs > 1:
            std_C = scores_RC.std(axis=0, ddof=1)
            cells = [f"{mean:.2f} +- {std:.2f}" for mean, std in zip(mean_C, std_C, strict=True)]
        rows.append([protocol, *cells])
    spread = (
        "mean +- sample standard deviation (n - 1) over runs" if runs > 1 else "no spread of one"
    )
    title = f"{runs} run{'s' if runs > 1 else ''}, recipe {results[0].config['recipe']}: {spread}"
    return "\n".join([title, *map(describe, results), *aligned(rows)])


def describe(result: Result) -> str:
    numbered = layout_named(result.config["data"]["layout"]).trials
    split = f", split {result.config['trial']}" if numbered else ""
    return f"  {result.path.name}: seed {result.config['seed']}{split}"


if __name__ == "__main__":
    main()
