"""One page of one or several runs, and its pictures beside it."""

import json
import os
from collections.abc import Sequence
from pathlib import Path

from pclhd_jax.processes.progress import say
from pclhd_jax.saving.disk import make_folder_of
from pclhd_jax.system.paths import Paths, given_path, several
from pclhd_jax.system.plain_files import is_there
from pclhd_jax.system.whole_files import whole_file
from pclhd_jax.using.pages.by_epoch import cluster_section, loss_section, score_section
from pclhd_jax.using.pages.encoder_arrays import see_test_pictures, training_pictures
from pclhd_jax.using.pages.eps_section import eps_section
from pclhd_jax.using.pages.heat_section import heat_section
from pclhd_jax.using.pages.html import (
    GENERATOR,
    Html,
    Section,
    document,
    folded,
    joined,
    note,
    paragraph,
)
from pclhd_jax.using.pages.prototype_section import prototype_section
from pclhd_jax.using.pages.rank_section import rank_section
from pclhd_jax.using.pages.results import result_section
from pclhd_jax.using.pages.seen_runs import RunRecord, RunView, read_runs, tried
from pclhd_jax.using.pages.tsne_section import tsne_section
from pclhd_jax.using.pages.why_section import why_section

MOST_BYTES = 8_000_000
RANK_LISTS = 8  # of the worst and of the best, shared by the runs
NAME = "index.html"


def write_page(
    workdirs: Paths,
    out: str | Path | None = None,
    *,
    pictures_root: str | Path | None = None,
) -> Path:
    """Write the page of these runs and the PNGs it shows; return the page's path.

    What a run lacks (pictures, a checkpoint, identities, a second epoch's features) leaves its part
    out, and the page and the terminal say why. The workdirs themselves do not change.

    Args:
      workdirs: one or several.
      out: the folder; of one run by default `page` in its workdir.
      pictures_root: where the pictures of these runs are now, original or prepared; None: where
        each run's settings say.

    Raises:
      FileNotFoundError: a folder that is no workdir.
      ValueError: a run named twice, several without `out`, a folder whose page is not ours, a
        damaged record, a page above 8 MB.
    """
    workdirs = several(workdirs)
    out = None if out is None else given_path(out)
    folder = folder_of([Path(workdir) for workdir in workdirs], out)
    records = read_runs(workdirs)
    make_folder_of(folder / NAME, private=True)
    say(f"drawing {', '.join(record.name for record in records)}")
    root = None if pictures_root is None else given_path(pictures_root)
    runs = [view_of(record, root) for record in records]
    each = max(2, RANK_LISTS // len(runs))
    sections = [
        result_section(records),
        score_section(records),
        cluster_section(records),
        loss_section(records),
        why_section(records),
        rank_section(runs, each),
        tsne_section(runs),
        heat_section(runs),
        prototype_section(runs),
        eps_section(runs),
        settings_section(records),
    ]
    for run in runs:
        if older := older_encoder(run):
            sections[0] = sections[0]._replace(body=sections[0].body + note(older))
            say(older)
    title = " and ".join(record.name for record in records)
    text = document(title, intro(records), sections).encode()
    check_size(text, len(records))
    if out is not None:
        check_nobodys(folder, [name for section in sections for name in section.files])
    write_files(folder, text, sections)
    for section in sections:
        for reason in section.missing:
            say(f"not drawn, {section.title}: {reason}")
    say(f"wrote {folder / NAME} ({len(text) / 1e6:.1f} MB)")
    return folder / NAME


def view_of(record: RunRecord, pictures_root: str | None) -> RunView:
    seen = tried(see_test_pictures, record.workdir, pictures_root)
    return RunView(record, seen, tried(training_pictures, record.workdir, pictures_root))


def older_encoder(run: RunView) -> str:
    """Says so where the newest sound checkpoint is not that of the newest epoch; else empty."""
    done = run.record.rows[-1]["epochs_done"] if run.record.rows else 0
    if run.seen.value is None or run.seen.value.encoder.epochs_done == done:
        return ""
    return (
        f"{run.name}: the records go to {done} epochs, pictures are drawn by the encoder after "
        f"{run.seen.value.encoder.epochs_done}, the newest sound checkpoint."
    )


def folder_of(workdirs: Sequence[Path], out: str | Path | None) -> Path:
    """Raises ValueError for several runs without `out`, or a folder with somebody's page."""
    if out is None and len(set(workdirs)) > 1:
        raise ValueError(f"{len(workdirs)} runs need a folder for their page; name one: --out DIR")
    folder = workdirs[0] / "page" if out is None else Path(out)
    page = folder / NAME
    if out is None and folder.is_symlink():
        raise ValueError(f"{folder} is a link to another folder; name the page's: --out DIR")
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--out {folder} is a file; name a folder")
    if is_there(page) and GENERATOR.encode() not in read_start(page):
        raise ValueError(f"{page} is no page of this program; name another --out")
    return folder


def check_nobodys(folder: Path, names: Sequence[str]) -> None:
    """Raises ValueError if such pictures are there without a page of this program."""
    there = [name for name in names if os.path.lexists(folder / name)]
    if there and not is_there(folder / NAME):
        raise ValueError(
            f"{folder} holds {there[0]}, but no page of this program; name another --out"
        )


def read_start(page: Path) -> bytes:
    with page.open("rb") as file:
        return file.read(2000)


def intro(records: Sequence[RunRecord]) -> Html:
    parts = []
    for run in records:
        data, done = run.config["data"], run.rows[-1]["epochs_done"] if run.rows else 0
        parts.append(
            paragraph(
                f"{run.name}: recipe {run.config['recipe']}, layout {data['layout']}, seed "
                f"{run.config['seed']}, {done} epochs done."
            )
        )
    drawn = [run.name for run in records if run.config["data"].get("synthetic")]
    if drawn:
        parts.append(
            note(
                f"{', '.join(drawn)}: synthetic pictures, drawn by a program. The people in them "
                "do not exist, and the numbers say nothing about real sets."
            )
        )
    else:
        parts.append(note("Pictures of people: show this page to nobody who may not see them."))
    return joined(parts)


def settings_section(records: Sequence[RunRecord]) -> Section:
    """Every setting of every run, folded."""
    parts = [folded(run.name, json.dumps(run.config, indent=1, sort_keys=True)) for run in records]
    return Section("settings", "Settings", joined(parts), {})


def check_size(text: bytes, num_runs: int) -> None:
    if len(text) > MOST_BYTES:
        remedy = "name fewer runs" if num_runs > 1 else "its pictures are too many: report this"
        raise ValueError(
            f"the page is {len(text) / 1e6:.1f} MB, above {MOST_BYTES / 1e6:.0f}; {remedy}"
        )


def write_files(folder: Path, text: bytes, sections: Sequence[Section]) -> None:
    """Beside and renamed, the page last: it never shows half of what it names."""
    files = {name: data for section in sections for name, data in section.files.items()}
    for name, data in (files | {NAME: text}).items():
        with whole_file(folder / name, private=True) as file:  # pictures of people
            file.write(data)
