"""Rows of words as columns of text."""

from collections.abc import Sequence


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """The header, a rule, the other rows: the first column to the left, numbers to the right.

    rows: of one length; the first is the header.
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    header, *lines = (
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    )
    return [header, "-" * len(header), *lines]
