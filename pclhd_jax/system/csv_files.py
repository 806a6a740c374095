"""The one reader and writer of CSV files: columns by name, bounded, errors with file and line."""

import csv
import os
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, NamedTuple

from pclhd_jax.system.plain_files import MAX_TEXT_BYTES, divided, read_text
from pclhd_jax.system.text import csv_cell


class CsvRow(NamedTuple):
    """A row of a table. line: the number of its first line; cells: by column."""

    line: int
    cells: dict[str, str]


def read_csv(
    path: str | os.PathLike,
    columns: Sequence[str],
    optional: Sequence[str] = (),
    *,
    limit: int = MAX_TEXT_BYTES,
    strip: bool = True,
) -> Iterator[CsvRow]:
    """The rows of a CSV file (UTF-8, commas, a header), without blank ones.

    The header has `columns`, then any of `optional`, in this order. Cells of
    `system.text.csv_cell` stay as they are; `csv_text` returns their text.
    limit: the most bytes to read. strip: remove spaces around a cell; not for names that a
    program wrote.

    Raises OSError; ValueError with file and line: not UTF-8, too large, another header, another
    number of cells, a quote that is not closed or stands within a cell.
    """
    lines = _records(os.fspath(path), read_text(path, limit))
    header = [cell.strip() for cell in next(lines, (1, []))[1]]
    rest = header[len(columns) :]
    if header[: len(columns)] != list(columns) or rest != [c for c in optional if c in rest]:
        raise ValueError(
            f"{path}, line 1: the header is {','.join(header)[:80]!r}; it must be "
            f"{','.join((*columns, *optional))!r}"
            + (f", where {', '.join(optional)} may be left out" if optional else "")
        )
    return _rows(os.fspath(path), header, lines, strip)


def write_csv(file: IO[str], rows: Iterable[Sequence[object]]) -> None:
    """Writes rows to a text file that keeps line ends; no cell is a formula for a spreadsheet.

    Text that looks like a formula gets an apostrophe, which `csv_text` removes.
    """
    writer = csv.writer(file, lineterminator="\n")
    writer.writerows([csv_cell(cell) for cell in row] for row in rows)


def _rows(
    path: str, header: list[str], lines: Iterator[tuple[int, list[str]]], strip: bool
) -> Iterator[CsvRow]:
    for line, cells in lines:
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise ValueError(
                f"{path}, line {line} has {len(cells)} fields, the header has {len(header)}; write "
                f"{','.join(header)}, with text that holds commas in double quotes"
            )
        kept = (cell.strip() for cell in cells) if strip else cells
        yield CsvRow(line, dict(zip(header, kept, strict=True)))


def _records(path: str, text: str) -> Iterator[tuple[int, list[str]]]:
    """(first line, cells). `strict`: a quote that is never closed would swallow the rest."""
    reader = csv.reader(divided(text), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise ValueError(
                f"{path}, line {line}: {error}; look for a quote that is not closed"
            ) from error
        if cells is None:
            return
        yield line, cells
