"""How processes share a search: each has all rows and looks for the neighbours of some."""

from typing import NamedTuple


class Share(NamedTuple):
    """Which of the query rows a process searches: those of `number`, from 0, of `count`."""

    number: int
    count: int

    def rows(self, num_rows: int, block_rows: int) -> tuple[int, int]:
        """Its first row and the end: whole blocks, those that one process alone would compare.

        So a row is compared in the same product whoever does it, and rounds alike. With fewer
        blocks than processes the last ones get none.
        """
        num_blocks = -(-num_rows // block_rows)
        first, end = (-(-num_blocks * n // self.count) for n in (self.number, self.number + 1))
        return min(first * block_rows, num_rows), min(end * block_rows, num_rows)


WHOLE = Share(0, 1)
