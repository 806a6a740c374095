"""The contact sheet of a search: only the pictures that it shows are read."""

from pathlib import Path

import numpy as np

from pclhd_jax.data.lists import UNKNOWN, Pictures
from pclhd_jax.data.pictures.decode import PictureForm, Read, load_pictures
from pclhd_jax.processes.progress import say
from pclhd_jax.reports.rank_sheet import HEIGHT, WIDTH, SheetRow, Tile, draw_sheet
from pclhd_jax.system.whole_files import whole_file
from pclhd_jax.using.retrieval.found import Found

MOST_PLACES = 20  # of a row


def write_sheet(path: Path, found: Found, query: Read, gallery: Read, most: int) -> None:
    """Draw up to `most` queries of a search, evenly chosen, into a PNG.

    Raises ValueError for a picture that cannot be read (by now).
    """
    total = len(found.query.paths)
    shown = np.linspace(0, total - 1, min(most, total)).round().astype(int)
    indices_SK = found.indices_QK[shown, :MOST_PLACES]
    query_SHWC = thumbnails(found.query, query, shown)
    rows, row_of = np.unique(indices_SK, return_inverse=True)
    gallery_RHWC = thumbnails(found.gallery, gallery, rows)
    row_of = row_of.reshape(indices_SK.shape)
    sheet = [
        SheetRow(
            Tile(query_SHWC[s], caption_of_query(found.query, q), name=found.query.paths[q]),
            [
                Tile(gallery_RHWC[r], f"{row.rank}  {row.similarity:.2f}", row.same, row.name)
                for r, row in zip(row_of[s], found.rows_of(q), strict=False)
            ],
        )
        for s, q in enumerate(shown)
    ]
    with whole_file(path, private=True) as file:  # pictures of people
        draw_sheet(sheet, *title_and_legend(found, len(shown))).save(file, format="PNG")
    say(f"wrote {path}: {len(shown):,} of {total:,} queries, evenly chosen")


def title_and_legend(found: Found, num_shown: int) -> tuple[str, str]:
    title = f"{num_shown:,} of {len(found.query.paths):,} queries (blue), then the nearest"
    title += f" of {len(found.gallery.paths):,} pictures"
    if found.distances_QK is not None:
        title += ", re-ranked"
    known = all((side.identities_N != UNKNOWN).any() for side in (found.query, found.gallery))
    frames = "; green: the same person; broken red: another person" if known else ""
    return title, f"below: rank, similarity, file{frames}"


def thumbnails(pictures: Pictures, read: Read, rows: np.ndarray) -> np.ndarray:
    return load_pictures(
        pictures.take(rows),
        PictureForm(HEIGHT, WIDTH, "lanczos"),
        read=lambda index: read(int(rows[index])),
    )


def caption_of_query(query: Pictures, row: int) -> str:
    identity = query.identities_N[row]
    return "query" if identity == UNKNOWN else f"query: {identity}"
