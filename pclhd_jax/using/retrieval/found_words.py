"""What a search found, as a CSV file and as a short table on the terminal."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from pclhd_jax.data.lists import UNKNOWN
from pclhd_jax.processes.progress import say
from pclhd_jax.reports.columns import aligned
from pclhd_jax.system.csv_files import write_csv
from pclhd_jax.system.text import printable, shortened
from pclhd_jax.system.whole_files import whole_file
from pclhd_jax.using.retrieval.found import Found

PLACES, NAME_COLUMNS = 3, 30  # of a query; of a name


def write_found(path: Path, found: Found) -> None:
    """A line per query and rank; with identities on both sides, also 1 or 0 for the same person.

    Readable by its owner alone, as the index is.
    """
    known = all((side.identities_N != UNKNOWN).any() for side in (found.query, found.gallery))
    columns = ["query", "rank", "name", "similarity"]
    columns += ["distance"] * (found.distances_QK is not None)
    columns += ["query_identity", "identity", "same"] * known
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, "w", private=True) as file:
        write_csv(file, chain([columns], csv_lines(found, known)))
    say(f"wrote {path}")


def csv_lines(found: Found, known: bool) -> Iterator[list]:
    for q, name in enumerate(found.query.paths):
        for place, row in enumerate(found.indices_QK[q].tolist()):
            line = [name, place + 1, found.gallery.paths[row]]
            line.append(f"{found.similarities_QK[q, place]:.6f}")
            if found.distances_QK is not None:
                line.append(f"{found.distances_QK[q, place]:.6f}")
            yield line + identity_fields(found, q, row) * known


def identity_fields(found: Found, q: int, row: int) -> list:
    pair = int(found.query.identities_N[q]), int(found.gallery.identities_N[row])
    same = "" if UNKNOWN in pair else int(pair[0] == pair[1])
    return [*("" if identity == UNKNOWN else identity for identity in pair), same]


def found_lines(found: Found, queries: int) -> list[str]:
    """A table of the first queries and the best three of each; the last line counts the others."""
    total = len(found.query.paths)
    shown = min(queries, total)
    if not shown:
        return []
    rows = [("query", "rank", "similarity", "found", "person")]
    if found.distances_QK is not None:
        rows = [("query", "rank", "similarity", "distance", "found", "person")]
    for q in range(shown):
        for place, row in enumerate(found.indices_QK[q, :PLACES].tolist()):
            cells = [in_short(found.query.paths[q]) if place == 0 else "", f"{place + 1}"]
            cells.append(f"{found.similarities_QK[q, place]:.3f}")
            if found.distances_QK is not None:
                cells.append(f"{found.distances_QK[q, place]:.3f}")
            verdict = {None: "", True: "same", False: "other"}[found.same(q, row)]
            rows.append((*cells, in_short(found.gallery.paths[row]), verdict))
    if not any(row[-1] for row in rows[1:]):
        rows = [row[:-1] for row in rows]
    found_at = rows[0].index("found")
    lines = aligned(rows, words=(0, found_at, found_at + 1))
    if total > shown:
        lines.append(f"and {total - shown:,} more queries")
    return lines


def in_short(name: str) -> str:
    return shortened(printable(name, keep=""), NAME_COLUMNS)
