"""How the prototypes move and what each term asks of the encoder, by epoch."""

from collections.abc import Sequence
from functools import partial
from itertools import permutations
from typing import Any

from pclhd_jax.using.pages.by_epoch import by_modality, lines_by_epoch, plotted
from pclhd_jax.using.pages.epoch_plots import Panel
from pclhd_jax.using.pages.html import Section, note
from pclhd_jax.using.pages.per_run import slug
from pclhd_jax.using.pages.seen_runs import RunRecord, stage2_begins

QUANTITIES = {
    "hard_distance": ("Hard prototype from centroid, mean of clusters", "1 - cosine", None),
    "hard_changed": ("Clusters whose farthest picture is another", "share", (-0.03, 1.15)),
    "dynamic_spread": ("Spread of a cluster's dynamic prototypes", "1 - |mean|²", None),
}
GRADIENTS = {  # table of the record: title, axis, range
    "norm": ("Norm of each term's gradient", "norm", None),
    "share": ("Share of the sum of the norms", "share", (-0.03, 1.15)),
    "cosine": ("Between the gradients of two terms", "cosine", (-1.1, 1.3)),
}


def why_section(runs: Sequence[RunRecord]) -> Section:
    drawings, _ = by_modality(runs, "prototypes", QUANTITIES)
    unmeasured = []
    for run in runs:
        panels = {word: gradient_panel(run, word, len(runs) > 1) for word in GRADIENTS}
        if not any(panel.lines for panel in panels.values()):
            unmeasured.append(run.name)
            continue
        prefix = "" if len(runs) == 1 else f"{slug(run.name)}-"
        for word, panel in panels.items():
            drawings[f"{prefix}gradients-{word}.png"] = (f"{panel.title}, by epoch", [panel])
    words = (
        "A hard prototype far from its centroid asks for divergence, dynamic prototypes far from "
        "each other for variety. Gradients are of each weighted term by all parameters, on the "
        "epoch's first batch; where a cosine is below 0, two terms ask for opposite things."
    )
    section = plotted("why", "Prototypes and gradients by epoch", words, drawings)
    if not unmeasured:
        return section
    text = f"{', '.join(unmeasured)}: gradients are recorded with --config.report_gradients=True."
    return section._replace(body=section.body + note(text))


def gradient_panel(run: RunRecord, word: str, several: bool) -> Panel:
    title, axis, limits = GRADIENTS[word]
    lines = [
        line._replace(dash=("-", "--")[line.series % 2])
        for line in lines_by_epoch(run, partial(gradient_numbers, word))
    ]
    full_title = f"{title}: {run.name}" if several else title
    return Panel(full_title, lines, axis, limits, stage2_begins(run))


def gradient_numbers(word: str, row: dict[str, Any]) -> dict[str, float]:
    """By kind of term; cosines by the two kinds that they compare."""
    table = tables_of(row.get("gradients", {})).get(word, {})
    numbers = {}
    for kind, value in table.items():
        if isinstance(value, dict):
            numbers |= {f"{spoken(kind)} and {spoken(other)}": x for other, x in value.items()}
        else:
            numbers[spoken(kind)] = value
    return numbers


def tables_of(gradients: dict[str, Any]) -> dict[str, Any]:
    """The record of an earlier version (norm_hard, cosine_hard_cross) as tables."""
    if any(isinstance(value, dict) for value in gradients.values()):
        return gradients
    kinds = [name.removeprefix("norm_") for name in gradients if name.startswith("norm_")]
    tables: dict[str, Any] = {
        word: {kind: gradients[f"{word}_{kind}"] for kind in kinds if f"{word}_{kind}" in gradients}
        for word in ("norm", "share")
    }
    cosines: dict[str, dict[str, float]] = {}
    for one, other in permutations(kinds, 2):
        if f"cosine_{one}_{other}" in gradients:
            cosines.setdefault(one, {})[other] = gradients[f"cosine_{one}_{other}"]
    return tables | {"cosine": cosines}


def spoken(kind: str) -> str:
    return kind.replace("_", " ")
