"""The doctor: does this folder hold the whole set, and can every picture be read?

    python -m pclhd_jax check sysu --source DIR

Exits with 1 when something is missing, unreadable or of another number than published;
--allow_partial accepts other numbers and unreadable pictures.
"""

import argparse
import os
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0], __package__ = str(Path(__file__).resolve().parents[1]), "data_prep"

from pclhd_jax.data.datasets import LAYOUTS, layout_named
from pclhd_jax.data.lists import parse_labelled, read_lines
from pclhd_jax.data.pictures.prepared import is_prepared
from pclhd_jax.processes.progress import Progress, say
from pclhd_jax.system.command import command, parser_of, path_flag
from pclhd_jax.system.paths import given_path
from pclhd_jax.system.plain_files import FILE, kind_of

from .counts import Row, count_rows, people_without_pictures, table, wrong_copy
from .health import Health, examine_all
from .misplaced import find_misplaced
from .overlaps import find_overlaps
from .passed_over import passed_over
from .sources import Source, read_source

SHOWN = 20  # names of a kind; the count tells the rest
ALLOW = "--allow_partial, in a config data.allow_partial=True"


class Findings(NamedTuple):
    """What the doctor found.

    problems: what fails the check, a line each; notes: odd, but taken; unreadable: (path, why).
    """

    rows: list[Row]
    problems: list[str]
    notes: list[str]
    unreadable: list[tuple[str, str]]

    def text(self, *, brief: bool = False, allowed: bool = False) -> str:
        """All of it for the terminal; brief: see `table`; allowed: problems are accepted."""
        lines = [table(self.rows, brief=brief), *(f"note: {note}" for note in self.notes)]
        lines += [f"unreadable: {path} ({why})" for path, why in self.unreadable[:SHOWN]]
        if len(self.unreadable) > SHOWN:
            lines.append(f"unreadable: {len(self.unreadable) - SHOWN:,} more")
        word = "accepted" if allowed else "PROBLEM"
        lines += [f"{word}: {problem}" for problem in self.problems] or ["nothing is wrong"]
        return "\n".join(lines)


def diagnose(
    layout: str,
    root: str | os.PathLike,
    source: Source,
    *,
    report: Callable[[int, int], None] | None = None,
) -> Findings:
    """Counts a set and opens each of its pictures once.

    source: of `read_source`, whose errors tell what keeps a set from being read at all.
    """
    rows = count_rows(layout, root, source)
    paths = [path for pictures in source.records.values() for path in pictures.paths]
    healths = examine_all(root, paths, report=report)
    unreadable = [(p, h.problem) for p, h in zip(paths, healths, strict=True) if h.problem]
    absent = [
        f"{where}: no picture of {len(ids):,} identities, {', '.join(map(str, ids[:SHOWN]))}"
        + (", ..." if len(ids) > SHOWN else "")
        for where, ids in people_without_pictures(layout, root, source)
    ]
    contents = {path: health.content for path, health in zip(paths, healths, strict=True)}
    published = not any(row.differs for row in rows) and any(
        row.expected.pictures is not None for row in rows
    )
    overlaps = find_overlaps(source, contents, published=published)
    left_out, hidden = passed_over(layout, root, source)
    problems = _problems(layout, rows, len(paths), unreadable) + hidden + overlaps.problems
    problems += find_misplaced(layout, root, source)
    notes = absent + _oddities(healths) + left_out + overlaps.notes
    return Findings(rows, problems, notes, unreadable)


def _problems(
    layout: str,
    rows: list[Row],
    pictures: int,
    unreadable: list[tuple[str, str]],
) -> list[str]:
    problems = [problem] if (problem := wrong_copy(layout, rows)) else []
    if differing := sum(row.differs for row in rows):
        problems.append(
            f"{differing} of {len(rows)} lines differ from the published numbers (*); unpack the "
            f"authors' archive again, or go on with what is there: {ALLOW}"
        )
    if unreadable:
        problems.append(
            f"{len(unreadable):,} of {pictures:,} pictures cannot be read; copy them again, or "
            f"leave them out: {ALLOW}"
        )
    return problems


def missing_listed(layout: str, root: str | os.PathLike) -> list[str]:
    """Pictures that a set's lists name but that are not on disk, sorted.

    Raises ValueError for a malformed line.
    """
    pattern = layout_named(layout).picture_lists
    missing: set[str] = set()
    for file in sorted(Path(root).glob(pattern)) if pattern else ():
        name = file.relative_to(root).as_posix()
        for number, text in read_lines(root, name, layout, file.parent.name):
            path, _ = parse_labelled(file, number, text)
            if kind_of(os.path.join(root, path)) != FILE:
                missing.add(path)
    return sorted(missing)


def _oddities(healths: list[Health]) -> list[str]:
    """What the loader does with readable pictures that are not plain RGB."""
    modes = Counter(health.mode for health in healths if not health.problem)
    rotated = sum(health.rotated for health in healths if not health.problem)
    grey = modes["1"] + modes["L"]
    others = modes.total() - modes["RGB"] - modes["CMYK"] - grey
    blank = sum(health.blank for health in healths)
    notes = {
        "are of a single colour; look at some": blank,
        "are grey: they become RGB with three equal channels": grey,
        "are CMYK: they become RGB without their colour profile, look at some": modes["CMYK"],
        "have a palette or transparency: they become plain RGB": others,
        "are marked as rotated (EXIF): they are NOT turned; turn and save them": rotated,
    }
    return [f"{count:,} pictures {what}" for what, count in notes.items() if count]


def check(
    layout: str, source: str | os.PathLike, *, trial: int = 1, camera_pattern: str = ""
) -> Findings:
    """Reads a set's lists, counts it and opens every picture; lines of progress on the way.

    Raises as `read_source` when the lists cannot be read, and ValueError for a prepared folder.
    """
    source = given_path(source)
    if is_prepared(source):
        raise ValueError(f"{source} is a prepared set; give --source the folder it was made from")
    lists = read_source(layout, source, trial=trial, camera_pattern=camera_pattern)
    return diagnose(layout, source, lists, report=Progress("checking pictures", "pictures"))


def add_source_options(parser: argparse.ArgumentParser) -> None:
    """What `check` and `prepare` ask for alike."""
    parser.add_argument("layout", choices=LAYOUTS)
    parser.add_argument(
        "--source", required=True, type=path_flag, help="the folder of the original layout"
    )
    parser.add_argument("--trial", type=int, default=1, help="RegDB: a split that must be there")
    parser.add_argument(
        "--camera_pattern",
        default="",
        help=r"folders: regular expression with one group, the camera, as in 'cam(\d+)/'",
    )
    parser.add_argument(
        "--allow_partial",
        action="store_true",
        help="accept other numbers than published, and leave unreadable pictures out",
    )


def note_missing(error: Exception, layout: str, source: str | os.PathLike) -> None:
    """Adds to an error of the readers the names of the listed pictures that are missing."""
    try:
        missing = missing_listed(layout, source)
    except (OSError, ValueError):  # the lists themselves are what is wrong, and the error says so
        missing = []
    for path in missing[:SHOWN]:
        error.add_note(f"missing: {path[:200]}")
    if len(missing) > SHOWN:
        error.add_note(f"missing: {len(missing) - SHOWN:,} more")


@command
def main(argv: list[str] | None = None) -> None:
    """Command line of `check`."""
    parser = parser_of("check", "Count a set and open every picture.")
    add_source_options(parser)
    options = parser.parse_args(argv)
    try:
        findings = check(
            options.layout,
            options.source,
            trial=options.trial,
            camera_pattern=options.camera_pattern,
        )
    except (OSError, ValueError) as error:
        note_missing(error, options.layout, options.source)
        raise
    say(findings.text(allowed=options.allow_partial))
    if findings.problems and not options.allow_partial:
        sys.exit(1)


if __name__ == "__main__":
    main()
