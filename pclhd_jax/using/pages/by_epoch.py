"""Scores, clusters, losses and weights by epoch, from the records alone."""

from collections.abc import Callable, Sequence
from typing import Any

from pclhd_jax.method.schedules import progressive_weights
from pclhd_jax.settings.kept import settings_of_kept
from pclhd_jax.settings.schedule import schedule
from pclhd_jax.using.pages.epoch_plots import Line, Panel, draw_panels, png_of
from pclhd_jax.using.pages.html import Section, box, figure, joined, missing, note, paragraph
from pclhd_jax.using.pages.per_run import slug
from pclhd_jax.using.pages.results import protocols_of
from pclhd_jax.using.pages.seen_runs import RunRecord, stage2_begins, tried

PARTS = ("visible", "infrared", "joint")
DASHES = ("-", "-", "--")  # hard and dynamic often weigh the same
Quantity = tuple[str, str, tuple[float, float] | None]  # title, axis, range
QUANTITIES: dict[str, Quantity] = {  # by name in the record
    "num_clusters": ("Clusters", "clusters (count)", None),
    "num_outliers": ("Outliers: pictures of no cluster", "pictures (count)", None),
    "adjusted_rand_index": ("Adjusted Rand index against identities", "ARI", (-0.03, 1.15)),
    "normalized_mutual_info": ("Normalised mutual information", "NMI", (-0.03, 1.15)),
    "right_matches": ("Clusters matched across modalities rightly", "share", (-0.03, 1.15)),
}


def score_section(runs: Sequence[RunRecord]) -> Section:
    names = protocols_of(runs)
    if not names:
        reason = "no epoch of any run was scored"
        body = missing(reason)
        return Section("scores", "Rank-1 and mAP by epoch", body, {}, [reason])
    drawings = {
        f"scores-{slug(name)}.png": (f"Rank-1 and mAP by epoch, {name}", [score_panel(runs, name)])
        for name in names
    }
    return plotted(
        "scores", "Rank-1 and mAP by epoch", "Epoch 0 is the untrained encoder.", drawings
    )


def score_panel(runs: Sequence[RunRecord], protocol: str) -> Panel:
    lines = []
    for number, run in enumerate(runs):
        values = {"Rank-1": lambda s: 100 * s["cmc"][0], "mAP": lambda s: 100 * s["mean_ap"]}
        for second, (name, value) in enumerate(values.items()):
            scored = [row for row in run.rows if protocol in row.get("evaluation", {})]
            x_E = [row["epochs_done"] for row in scored]
            y_E = [value(row["evaluation"][protocol]) for row in scored]
            label = name if len(runs) == 1 else f"{name}, {run.name}"
            series = second if len(runs) == 1 else number
            lines.append(Line(label, x_E, y_E, series, ("-", "--")[second]))
    return Panel(protocol, lines, "%", (0, 110), common_stage2(runs))


def cluster_section(runs: Sequence[RunRecord]) -> Section:
    drawings, absent = by_modality(runs, "clusters", QUANTITIES)
    words = (
        "The clusters that each epoch begins with. joint: both modalities clustered together, in "
        "stage 2; clusters are matched across modalities in stage 2 as well. ARI, NMI and right "
        "matches need true identities: they are a report, training never reads them."
    )
    section = plotted("clusters", "Clusters by epoch", words, drawings)
    reasons = [
        f"{', '.join(absent)}: not in the records (identities unknown, or no epoch of stage 2)"
    ]
    if not absent:
        return section
    return section._replace(body=section.body + missing(reasons[0]), missing=reasons)


def by_modality(
    runs: Sequence[RunRecord], entry: str, quantities: dict[str, Quantity]
) -> tuple[dict[str, tuple[str, Sequence[Panel]]], list[str]]:
    """Drawings, and the titles of what no record has; `entry`: where a record has the quantities.

    Of one run the modalities share a panel, of several each has its own.
    """
    stage2 = common_stage2(runs)
    drawings, absent = {}, []
    for name, (title, axis, limits) in quantities.items():
        lines = {part: [part_line(run, entry, part, name) for run in runs] for part in PARTS}
        lines = {part: some for part, some in lines.items() if any(line.x_E for line in some)}
        if not lines:
            absent.append(title)
            continue
        if len(runs) == 1:
            flat = [
                some[0]._replace(label=part, series=PARTS.index(part))
                for part, some in lines.items()
            ]
            panels = [Panel(title, flat, axis, limits, stage2)]
        else:
            panels = [
                Panel(
                    f"{title}: {part}",
                    [line._replace(series=number) for number, line in enumerate(some)],
                    axis,
                    limits,
                    stage2,
                )
                for part, some in lines.items()
            ]
        drawings[f"{entry}-{slug(name)}.png"] = (f"{title}, by epoch", panels)
    return drawings, absent


def part_line(run: RunRecord, entry: str, part: str, name: str) -> Line:
    rows = [row for row in run.rows if name in row.get(entry, {}).get(part, {})]
    x_E = [row["epochs_done"] for row in rows]
    return Line(run.name, x_E, [row[entry][part][name] for row in rows], 0)


def loss_section(runs: Sequence[RunRecord]) -> Section:
    drawings, reasons = {}, []
    for run in runs:
        prefix = "" if len(runs) == 1 else f"{slug(run.name)}-"
        title = "Terms of the loss" if len(runs) == 1 else f"Terms of the loss: {run.name}"
        panel = Panel(
            title, loss_lines(run), "mean over the epoch's steps", None, stage2_begins(run)
        )
        if panel.lines:
            drawings[f"{prefix}losses.png"] = (f"{title}, by epoch", [panel])
        else:
            reasons.append(f"{run.name}: no epoch's losses are recorded yet")
        weights = tried(weight_lines, run.config)
        if weights.value is None:
            reasons.append(f"{run.name}, weights by epoch: {weights.reason}")
            continue
        title = "Progressive weights" if len(runs) == 1 else f"Progressive weights: {run.name}"
        panel = Panel(title, weights.value, "weight of the term", None, stage2_begins(run))
        drawings[f"{prefix}weights.png"] = (f"{title}, by epoch", [panel])
    words = (
        "Each term as it enters the sum, weight and all. The weights are those of the terms of a "
        "picture's own modality, from the run's settings: centroid (commonality), hard "
        "(divergence), dynamic (variety)."
    )
    section = plotted("losses", "Terms of the loss and their weights by epoch", words, drawings)
    body = section.body + joined(map(missing, reasons))
    return section._replace(body=body, missing=reasons)


def loss_lines(run: RunRecord) -> list[Line]:
    return [
        line._replace(
            label=line.label.replace("_", " "), dash="--" if "infrared" in line.label else "-"
        )
        for line in lines_by_epoch(run, weighted_losses)
    ]


def weighted_losses(row: dict[str, Any]) -> dict[str, float]:
    prefix = "loss_"
    losses = row.get("losses", {}).items()
    return {name.removeprefix(prefix): x for name, x in losses if name.startswith(prefix)}


def lines_by_epoch(
    run: RunRecord, numbers_of: Callable[[dict[str, Any]], dict[str, float]]
) -> list[Line]:
    """numbers_of: the numbers of an epoch's row by the label of their line."""
    points: dict[str, list[tuple[int, float]]] = {}
    for row in run.rows:
        for label, number in numbers_of(row).items():
            points.setdefault(label, []).append((row["epochs_done"], number))
    return [
        Line(label, *map(list, zip(*of_line, strict=True)), series)
        for series, (label, of_line) in enumerate(points.items())
    ]


def weight_lines(config: dict[str, Any]) -> list[Line]:
    """Of every epoch that the settings name, run or not. Raises as `settings_of`."""
    settings = settings_of_kept(config)
    weights_E = [progressive_weights(when, settings.loss) for when in schedule(settings)]
    x_E = range(1, len(weights_E) + 1)
    return [
        Line(name, x_E, [float(getattr(weights, name)) for weights in weights_E], series, dash)
        for series, (name, dash) in enumerate(zip(weights_E[0]._fields, DASHES, strict=True))
    ]


def plotted(
    key: str, title: str, words: str, drawings: dict[str, tuple[str, Sequence[Panel]]]
) -> Section:
    """drawings: (alt, panels) by file name."""
    draw: Callable[[Sequence[Panel]], bytes] = lambda panels: png_of(draw_panels(panels))  # noqa: E731
    files = {name: draw(panels) for name, (_, panels) in drawings.items()}
    plots = [figure(data, drawings[name][0]) for name, data in files.items()]
    body = paragraph(words) + (box("plots", plots) if plots else note("nothing recorded yet"))
    return Section(key, title, body, files)


def common_stage2(runs: Sequence[RunRecord]) -> int | None:
    """Where stage 2 begins, if it begins there in all."""
    begins = {stage2_begins(run) for run in runs}
    return begins.pop() if len(begins) == 1 else None
