"""Curves by epoch: pure functions of numbers to a PNG's bytes."""

import io
from collections.abc import Sequence
from typing import Any, NamedTuple

from pclhd_jax.reports.palette import GREY, MARKERS, SERIES

SIZE = (5.0, 3.0)  # inches; as wide as a phone can show with letters of 10 points
LEGEND_ROW, DPI = 0.2, 150


class Line(NamedTuple):
    label: str
    x_E: Sequence[float]
    y_E: Sequence[float]
    series: int  # colour and marker
    dash: str = "-"


class Panel(NamedTuple):
    title: str
    lines: Sequence[Line]
    y_label: str
    y_range: tuple[float, float] | None = None  # None: from 0 to what there is
    stage2: int | None = None  # epochs done where stage 2 begins: a dotted line


def draw_panels(panels: Sequence[Panel]) -> Any:
    """A matplotlib Figure, a panel above the other, one legend for all."""
    from matplotlib.figure import Figure  # not at the top: nothing else of the page needs it

    labels = {line.label for panel in panels for line in panel.lines}
    height = SIZE[1] * len(panels) ** 0.8 + LEGEND_ROW * -(-len(labels) // 2)
    drawing = Figure(figsize=(SIZE[0], height), dpi=DPI, layout="constrained")
    axes = drawing.subplots(len(panels), 1, squeeze=False)[:, 0]
    for ax, panel in zip(axes, panels, strict=True):
        draw_panel(ax, panel)
    axes[-1].set_xlabel("epochs done")
    handles = {line.get_label(): line for ax in axes for line in ax.get_lines()}
    handles = {label: line for label, line in handles.items() if not label.startswith("_")}
    if handles:
        drawing.legend(
            handles.values(), handles.keys(), loc="outside lower center", ncols=2, fontsize=9
        )
    return drawing


def draw_panel(ax: Any, panel: Panel) -> None:
    for line in panel.lines:
        ax.plot(
            line.x_E,
            line.y_E,
            line.dash,
            label=line.label,
            color=SERIES[line.series % len(SERIES)],
            # More lines than colours: a colour comes again with another marker.
            marker=MARKERS[(line.series + line.series // len(SERIES)) % len(MARKERS)],
            markersize=3.5,
            linewidth=1.4,
        )
    if not any(len(line.x_E) for line in panel.lines):
        ax.text(0.5, 0.5, "nothing recorded", ha="center", transform=ax.transAxes)
    if panel.stage2 is not None:
        ax.axvline(panel.stage2 + 0.5, color=GREY, linestyle=":", linewidth=1)
        note = {"xytext": (3, -10), "textcoords": "offset points", "fontsize": 8, "color": GREY}
        ax.annotate("stage 2", (panel.stage2 + 0.5, 1), xycoords=("data", "axes fraction"), **note)
    ax.set_title(panel.title, fontsize=10)
    ax.set_ylabel(panel.y_label)
    ax.set_ylim(*(panel.y_range or (0, 1.15 * max(ax.get_ylim()[1], 1e-6))))
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(alpha=0.3)


def png_of(drawing: Any) -> bytes:
    """The bytes of a Figure's PNG."""
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png")
    return buffer.getvalue()
