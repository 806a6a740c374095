"""What a search found: as arrays, as rows and as words."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pclhd_jax.data.lists import UNKNOWN, Pictures
from pclhd_jax.reports.columns import aligned
from pclhd_jax.system.text import printable, shortened
from pclhd_jax.using.retrieval.search_score import SearchScore, score_words

PLACES, NAME_COLUMNS = 3, 30  # of a query; of a name


class FoundRow(NamedTuple):
    """One picture that was found. None: an identity that nobody knows; no re-ranking."""

    query: str
    rank: int  # from 1
    name: str
    similarity: float
    distance: float | None
    query_identity: int | None
    identity: int | None

    @property
    def same(self) -> bool | None:
        """Whether both show the same person; None if unknown."""
        if None in (self.query_identity, self.identity):
            return None
        return self.query_identity == self.identity


class Found(NamedTuple):
    """indices_QK: rows of the index, best first; distances_QK: None unless re-ranked.

    score: None if it was not computed, as when identities are not known on both sides.
    """

    query: Pictures
    gallery: Pictures
    indices_QK: np.ndarray
    similarities_QK: np.ndarray
    distances_QK: np.ndarray | None
    score: SearchScore | None = None

    def rows(self) -> Iterator[FoundRow]:
        """A row per query and rank; `pandas.DataFrame(found.rows())` is a table of them."""
        for q in range(len(self.query.paths)):
            yield from self.rows_of(q)

    def rows_of(self, q: int) -> Iterator[FoundRow]:
        """The rows of query number q."""
        for place, row in enumerate(self.indices_QK[q].tolist()):
            distance = None if self.distances_QK is None else float(self.distances_QK[q, place])
            yield FoundRow(
                self.query.paths[q],
                place + 1,
                self.gallery.paths[row],
                float(self.similarities_QK[q, place]),
                distance,
                *(identity_in(self.query, q), identity_in(self.gallery, row)),
            )

    def text(self, queries: int = 5) -> str:
        """A table of the first queries and the best three of each, then the score."""
        score = [] if self.score is None else [score_words(self.score)]
        return "\n".join([*table_lines(self, queries), *score])


def identity_in(pictures: Pictures, row: int) -> int | None:
    identity = int(pictures.identities_N[row])
    return None if identity == UNKNOWN else identity


def table_lines(found: Found, queries: int) -> list[str]:
    """The last line counts the queries that are not shown. No query: no line."""
    total = len(found.query.paths)
    shown = min(queries, total)
    if shown < 1:
        return []
    has_distance = found.distances_QK is not None
    rows = [("query", "rank", "similarity", *["distance"] * has_distance, "found", "person")]
    for q in range(shown):
        for row in list(found.rows_of(q))[:PLACES]:
            cells = [in_short(row.query) if row.rank == 1 else "", f"{row.rank}"]
            cells.append(f"{row.similarity:.3f}")
            if has_distance:
                cells.append(f"{row.distance:.3f}")
            verdict = {None: "", True: "same", False: "other"}[row.same]
            rows.append((*cells, in_short(row.name), verdict))
    if not any(row[-1] for row in rows[1:]):
        rows = [row[:-1] for row in rows]
    found_at = rows[0].index("found")
    lines = aligned(rows, words=(0, found_at, found_at + 1))
    if total > shown:
        lines.append(f"and {total - shown:,} more queries")
    return lines


def in_short(name: str) -> str:
    return shortened(printable(name, keep=""), NAME_COLUMNS)
