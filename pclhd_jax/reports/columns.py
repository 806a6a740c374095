"""Rows of words as columns of text."""

from collections.abc import Collection, Sequence

from pclhd_jax.system.text import terminal_columns


def aligned(rows: Sequence[Sequence[str]], *, words: Collection[int] = (0,)) -> list[str]:
    """The header, a rule, the other rows: columns of words to the left, of numbers to the right.

    rows: of one length; the first is the header. words: which columns hold words.
    """
    widths = [max(map(terminal_columns, column)) for column in zip(*rows, strict=True)]
    header, *lines = (
        "  ".join(
            padded(cell, width, to_left=place in words)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
    rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
    return [header, rule, *lines]


def padded(cell: str, width: int, *, to_left: bool) -> str:
    space = " " * (width - terminal_columns(cell))
    return cell + space if to_left else space + cell
