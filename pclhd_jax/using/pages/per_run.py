"""A section that shows each run apart, side by side; what one lacks is said in its place."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from pclhd_jax.using.pages.html import Html, Section, box, heading, joined, missing, paragraph
from pclhd_jax.using.pages.seen_runs import Missing, RunView


class Drawn(NamedTuple):
    """A run's share of a section."""

    body: Html
    files: dict[str, bytes]  # PNGs by name
    missing: Sequence[str] = ()  # of it, and why


def per_run(
    key: str, title: str, words: str, runs: Sequence[RunView], draw: Callable[[RunView], Drawn]
) -> Section:
    """draw: raises Missing where a run has nothing to draw from. words: plain text above all."""
    columns, files, reasons = [], {}, []
    for run in runs:
        try:
            drawn = draw(run)
        except Missing as error:
            drawn = Drawn(joined([]), {}, [str(error)])
        head = heading(3, run.name) if len(runs) > 1 else ""
        columns.append(box("", [head, drawn.body, *map(missing, drawn.missing)]))
        prefix = f"{slug(run.name)}-" if len(runs) > 1 else ""
        files |= {prefix + name: data for name, data in drawn.files.items()}
        reasons += [f"{run.name}: {reason}" for reason in drawn.missing]
    return Section(key, title, paragraph(words) + box("side", columns), files, reasons)


def slug(name: str) -> str:
    """A part of a file's name."""
    words = "".join(c if c.isalnum() else " " for c in name.lower()).split()
    return "-".join(words)
