"""What a run tells: a few lines an epoch, how long it will take, the tables at its end."""

from pathlib import Path
from typing import Any

import numpy as np

from pclhd_jax.evaluation.protocol_score import Score
from pclhd_jax.processes.exchange import from_first
from pclhd_jax.processes.progress import clock, say
from pclhd_jax.reports.records import read_records
from pclhd_jax.reports.score_table import format_table
from pclhd_jax.settings.schedule import schedule

MUCH_WAITING = 3.0  # per cent of an epoch, from where on it is told for what the device waited


class Remaining:
    """How long the epochs still to come will take, from the latest one of each stage.

    Without its compilation: that comes once, with a stage's first epoch in a process.
    """

    STAGE2_FACTOR = 2.5  # before stage 2 has been timed: three encoder passes more, two backward

    def __init__(self, config: Any, epochs_done: int):
        self.stages_left = [stage for stage, _ in schedule(config)[epochs_done:]]
        self.epoch_s: dict[int, float] = {}

    def after(self, stage: int, seconds: dict[str, float], waiting: dict[str, float]) -> float:
        self.stages_left.pop(0)
        self.epoch_s[stage] = sum(seconds.values()) - waiting["compilation"]
        stage2_s = self.epoch_s.get(2, self.STAGE2_FACTOR * self.epoch_s.get(1, 0.0))
        return sum(self.epoch_s[1] if s == 1 else stage2_s for s in self.stages_left)


def describe(
    row: dict[str, Any], seconds: dict[str, float], waiting: dict[str, float], left_s: float
) -> str:
    """The epoch's lines for the terminal."""
    head = f"[{row['epochs_done']}] stage {row['stage']} epoch {row['epoch'] + 1}"
    clusters = "; ".join(
        f"{name} {q['num_clusters']} clusters"
        + (f", {q['num_mixed']} of both modalities" if "num_mixed" in q else "")
        + (
            f" ({q['num_below_shots']} smaller than a batch's shots)"
            if q["num_below_shots"]
            else ""
        )
        + f", {q['num_outliers']} outliers"
        + (f", ARI {q['adjusted_rand_index']:.2f}" if "adjusted_rand_index" in q else "")
        + (f", {100 * q['right_matches']:.0f} % matched rightly" if "right_matches" in q else "")
        for name, q in row["clusters"].items()
    )
    scores = "; ".join(
        f"{name}: Rank-1 {100 * s['cmc'][0]:.1f} mAP {100 * s['mean_ap']:.1f}"
        for name, s in row.get("evaluation", {}).items()
    )
    time_line = ", ".join(f"{name} {s:.1f} s" for name, s in seconds.items())
    lines = [f"{head}: loss {row['losses']['loss']:.3f}; {clusters}"]
    if scores:
        lines.append(f"    {scores}")
    lines.append(f"    {time_line}")
    waited = describe_waiting(sum(seconds.values()), waiting)
    lines.append(f"    {waited}; run done in about {clock(left_s)}")
    return "\n".join(lines)


def describe_waiting(epoch_s: float, waiting: dict[str, float]) -> str:
    """The share of an epoch in which the device had nothing to do; for what, where it matters."""
    share = {what: 100 * s / epoch_s for what, s in waiting.items()}
    total = sum(share.values())
    line = f"device waited {total:.0f} %"
    if total <= MUCH_WAITING:
        return line
    parts = sorted(share.items(), key=lambda part: -part[1])
    return f"{line} ({', '.join(f'{what} {s:.0f} %' for what, s in parts if s >= 0.5)})"


def report(config: Any, workdir: str | Path) -> dict[str, Any]:
    """Print the tables of the untrained and the trained encoder; return the last record."""
    rows = from_first(read_records, workdir)
    first, last = rows[0], rows[-1]
    title = f"After {last['epochs_done']} epochs, recipe {last['recipe']}"
    if (Path(workdir) / "changes.jsonl").exists():
        title += ", settings changed on the way (changes.jsonl)"
    if "evaluation" not in last:
        say(
            f"\n{title}: the last epoch was not scored (config.evaluation.every_epochs); "
            "--mode=eval with the same command scores it"
        )
    elif not last["evaluation"]:
        say(
            f"\n{title}: nothing was scored, for nobody's identity is known. An identities.csv in "
            f"{config.data.source} (columns path, identity, camera) names pictures to score"
        )
    else:
        if first["epochs_done"] == 0:
            say("\n" + format_table(scores_of(first), "Untrained encoder"))
        say("\n" + format_table(scores_of(last), f"{title} (the last epoch is the result)"))
    return last


def scores_of(row: dict[str, Any]) -> list[Score]:
    return [Score(**s | {"cmc": np.asarray(s["cmc"])}) for s in row["evaluation"].values()]
