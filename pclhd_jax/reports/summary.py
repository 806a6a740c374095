"""Mean and spread of finished runs: seeds, or RegDB's splits."""

import re
from itertools import combinations
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pclhd_jax.data.datasets import layout_named
from pclhd_jax.reports.columns import aligned
from pclhd_jax.reports.records import read_records
from pclhd_jax.settings.differences import FREE_BETWEEN_RUNS, differences
from pclhd_jax.settings.kept import read_config
from pclhd_jax.system.paths import Paths, several

RANKS = (1, 5, 10, 20)
COLUMNS = (*(f"Rank-{rank}" for rank in RANKS), "mAP", "mINP")


class Result(NamedTuple):
    """The end of one run: percentages by protocol name, (6,) each, in the order of COLUMNS."""

    path: Path
    config: dict[str, Any]
    scores: dict[str, np.ndarray]


class Summary(NamedTuple):
    """runs: in the order of the names. mean, std: percentages by protocol name, (6,) each, in the
    order of COLUMNS; std is the sample standard deviation (n - 1), None of one run."""

    runs: list[Result]
    mean: dict[str, np.ndarray]
    std: dict[str, np.ndarray] | None

    def text(self) -> str:
        """A table in %, a row per protocol."""
        rows = [["Protocol", *COLUMNS]]
        for protocol, mean_C in self.mean.items():
            cells = [f"{mean:.2f}" for mean in mean_C]
            if self.std is not None:
                pairs = zip(cells, self.std[protocol], strict=True)
                cells = [f"{mean} +- {std:.2f}" for mean, std in pairs]
            rows.append([protocol, *cells])
        spread = "mean +- sample standard deviation (n - 1) over runs"
        runs, recipe = len(self.runs), self.runs[0].config["recipe"]
        title = f"{runs} run{'s' if runs > 1 else ''}, recipe {recipe}: "
        title += "no spread of one" if self.std is None else spread
        return "\n".join([title, *map(describe, self.runs), *aligned(rows)])


def summarize(runs: Paths) -> Summary:
    """Mean and standard deviation over the last epochs of finished runs.

    runs: workdirs, one or several. RegDB's splits count as one protocol.

    Raises:
      FileNotFoundError: a folder that is no workdir.
      ValueError: a run named twice, unfinished, of another recipe, other settings or other
        protocols than the first; each with the remedy.
    """
    paths = [Path(run).resolve() for run in several(runs)]
    twice = {path for path in paths if paths.count(path) > 1}
    if twice:
        raise ValueError(f"{', '.join(map(str, twice))} named twice; name each run once")
    results = [read_result(path) for path in paths]
    for first, result in combinations(results, 2):
        check_comparable(first, result)
    scores = {
        protocol: np.stack([result.scores[protocol] for result in results])
        for protocol in results[0].scores
    }
    mean = {protocol: scores_RC.mean(axis=0) for protocol, scores_RC in scores.items()}
    std = None
    if len(results) > 1:
        std = {protocol: scores_RC.std(axis=0, ddof=1) for protocol, scores_RC in scores.items()}
    return Summary(results, mean, std)


def read_result(path: Path) -> Result:
    """The last epoch of a finished run."""
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


def describe(result: Result) -> str:
    numbered = layout_named(result.config["data"]["layout"]).trials
    split = f", split {result.config['trial']}" if numbered else ""
    return f"  {result.path.name}: seed {result.config['seed']}{split}"
