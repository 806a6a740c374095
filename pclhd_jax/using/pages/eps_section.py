"""Clusters against eps, of the newest saved epoch."""

from collections.abc import Sequence

from pclhd_jax.reports.cluster_plots import draw_clusters
from pclhd_jax.reports.eps_report import HINT, sweep_parts, what_to_sweep
from pclhd_jax.using.pages.epoch_plots import png_of
from pclhd_jax.using.pages.html import Section, box, figure, paragraph
from pclhd_jax.using.pages.per_run import Drawn, per_run
from pclhd_jax.using.pages.seen_runs import RunView, tried

EPS_MAX = 0.9


def eps_section(runs: Sequence[RunView]) -> Section:
    words = f"What other values of config.cluster.eps would make of the newest epoch. {HINT}"
    return per_run("eps", "Clusters against eps", words, runs, run_eps)


def run_eps(run: RunView) -> Drawn:
    todo = tried(what_to_sweep, run.record.workdir, None, EPS_MAX).get()
    settings = todo.settings
    plots, files = [], {}
    for report in tried(sweep_parts, todo).get():
        style = dict(eps=settings.eps, min_samples=settings.min_samples, title=report.name)
        data = png_of(draw_clusters([report], **style))
        files[f"clusters-eps-{report.name}.png"] = data
        plots.append(figure(data, f"clusters against eps, {report.name} pictures"))
    return Drawn(paragraph(todo.title) + box("plots", plots), files)
