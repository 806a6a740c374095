"""What a search found as a CSV file."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from pclhd_jax.data.lists import UNKNOWN
from pclhd_jax.processes.progress import say
from pclhd_jax.system.csv_files import write_csv
from pclhd_jax.system.whole_files import whole_file
from pclhd_jax.using.retrieval.found import Found


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
    for row in found.rows():
        line = [row.query, row.rank, row.name, f"{row.similarity:.6f}"]
        if row.distance is not None:
            line.append(f"{row.distance:.6f}")
        if known:
            same = None if row.same is None else int(row.same)
            cells = (row.query_identity, row.identity, same)
            line += ["" if cell is None else cell for cell in cells]
        yield line
