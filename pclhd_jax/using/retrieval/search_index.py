"""Search an index and write what was found: what `python -m pclhd_jax search` does."""

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pclhd_jax.clustering.neighbour_lists import NeighbourLists
from pclhd_jax.evaluation.protocol_score import similarity_blocks
from pclhd_jax.processes.progress import Progress, say
from pclhd_jax.saving.disk import make_folder_of
from pclhd_jax.system.paths import Paths, given_path, several
from pclhd_jax.using.retrieval.embedder import BATCH_SIZE
from pclhd_jax.using.retrieval.found import Found
from pclhd_jax.using.retrieval.found_sheet import write_sheet
from pclhd_jax.using.retrieval.found_table import write_found
from pclhd_jax.using.retrieval.index import Index, file_of, read_index
from pclhd_jax.using.retrieval.inputs import NO_SET, InputOptions, SetChoice, reader_of
from pclhd_jax.using.retrieval.nearest import nearest
from pclhd_jax.using.retrieval.queries import Queries, find_queries
from pclhd_jax.using.retrieval.rerank import (
    PUBLISHED,
    RerankSettings,
    distance_blocks,
    jaccard_of,
)
from pclhd_jax.using.retrieval.rerank import rerank as reranked
from pclhd_jax.using.retrieval.search_score import (
    Blocks,
    Side,
    is_scored,
    num_own,
    score_search,
)

SHEET_QUERIES = 20


def search_index(
    index: str | os.PathLike,
    queries: Paths,
    out: str | os.PathLike | None = None,
    *,
    k: int = 10,
    checkpoint: str | os.PathLike | None = None,
    modality: str | None = None,
    rerank: bool = False,
    k1: int = PUBLISHED.k1,
    k2: int = PUBLISHED.k2,
    weight: float = PUBLISHED.weight,
    layout: str = NO_SET.layout,
    split: str = NO_SET.split,
    trial: int = NO_SET.trial,
    skip: bool = False,
    batch_size: int = BATCH_SIZE,
    sheet_queries: int = SHEET_QUERIES,
    gallery_root: str | None = None,
    score: bool | None = None,
) -> Found:
    """The k pictures of an index that are nearest to each query; exact, on all devices.

    Args:
      index: NAME of what `make_index` wrote.
      queries: the NAME of another index (an embedding file), or one or several pictures, folders
        and lists as `list_inputs` takes them; those need their own `modality`.
      out: writes OUT.csv, a line per query and place, and OUT.png of `sheet_queries`
        queries, evenly chosen (0: none); None writes nothing.
      checkpoint: the encoder that made the index, by any of its names; another one is refused.
        None: the one that the index names, see `index_encoder`.
      rerank: k-reciprocal re-ranking with k1, k2 and weight (lambda); False: by inner product.
      layout, split, trial, skip, batch_size: as for `make_index`.
      gallery_root: where the pictures of the index lie by now, for the contact sheet.
      score: whether Rank-1 and mAP are computed where identities are known on both sides; None:
        for up to 200 million pairs of pictures.

    Raises:
      FileNotFoundError: no index, or no encoder where the index names it. FileExistsError: OUT.csv
        or OUT.png is there.
      ValueError: another encoder (with both digests), a modality missing, one or a checkpoint too
        many, k below 1; and as the readers.
    """
    if k < 1:
        raise ValueError(f"k is {k}; give at least 1")
    if sheet_queries < 0:
        raise ValueError(f"{sheet_queries} queries on the sheet; give 0 or more")
    settings = RerankSettings(k1, k2, weight)
    if rerank:
        settings.check()
    out = None if out is None else out_name(given_path(out))
    gallery_root = None if gallery_root is None else given_path(gallery_root)
    gallery = read_index(given_path(index))
    query = find_queries(
        gallery,
        several(queries),
        InputOptions(SetChoice(layout, split, trial), skip, batch_size),
        checkpoint=checkpoint,
        modality=modality,
    )
    say_sizes(query, gallery, k)
    progress = Progress("searching", "pairs")
    plain = nearest(query.features_QD, gallery.features_ND, k, report=progress)
    found = Found(query.pictures, gallery.pictures, *plain, None)
    blocks = plain_blocks(query, gallery)
    if rerank:
        found, blocks = with_reranking(found, query, gallery, plain, settings)
    sides = Side(query.pictures, query.modality), Side(gallery.pictures, gallery.header["modality"])
    if is_scored(*sides, score):
        found = found._replace(score=score_search(*sides, blocks))
    if out is not None:
        if sheet_queries:  # first: it is what may fail, and a table without it could not be redone
            draw_sheet(file_of(out, ".png"), found, query, gallery, sheet_queries, gallery_root)
        write_found(file_of(out, ".csv"), found)
    return found


def say_sizes(query: Queries, gallery: Index, k: int) -> None:
    num_queries, num_gallery = len(query.features_QD), len(gallery.features_ND)
    modality = gallery.header["modality"]
    say(f"queries: {num_queries:,}; {modality} pictures of the index: {num_gallery:,}")
    if k > num_gallery:
        say(f"k is {k:,}, but the index has {num_gallery:,} pictures: each query finds all of them")
    own = num_own(query.pictures, gallery.pictures)
    if own:
        say(f"{own:,} of the queries are pictures of the index: they find themselves first")


def plain_blocks(query: Queries, gallery: Index) -> Blocks:
    return lambda rows, columns: similarity_blocks(
        query.features_QD[rows], taken(gallery.features_ND, columns)
    )


def taken(features_ND: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Rows in ascending order; the mapped file itself where that is all of it."""
    return features_ND if len(rows) == len(features_ND) else features_ND[rows]


def draw_sheet(
    path: Path,
    found: Found,
    query: Queries,
    gallery: Index,
    num_queries: int,
    gallery_root: str | None,
) -> None:
    try:
        read = reader_of(gallery.header["source"], gallery.pictures, gallery_root)
        write_sheet(path, found, query.open(), read, num_queries)
    except (ValueError, OSError) as error:
        raise ValueError(
            f"{error}\nso there is no contact sheet, and nothing is written; say where the "
            "index's pictures are now (--gallery_root), or draw no sheet (--sheet_queries 0)"
        ) from error


def with_reranking(
    found: Found, query: Queries, gallery: Index, plain: NeighbourLists, settings: RerankSettings
) -> tuple[Found, Blocks]:
    """What was found in the new order, and the order of the whole gallery for a score."""
    num_pictures = len(query.features_QD) + len(gallery.features_ND)
    say(f"re-ranking by k-reciprocal neighbours among {num_pictures:,} pictures")
    features = query.features_QD, np.asarray(gallery.features_ND)
    jaccard_QG = jaccard_of(*features, settings)
    result = reranked(*features, plain, settings, jaccard_QG=jaccard_QG)
    found = found._replace(
        indices_QK=result.indices_QK,
        similarities_QK=result.similarities_QK,
        distances_QK=result.distances_QK,
    )

    def blocks(rows: np.ndarray, columns: np.ndarray) -> Iterator[np.ndarray]:
        sides = query.features_QD[rows], taken(gallery.features_ND, columns)
        for distance_BG in distance_blocks(*sides, jaccard_QG[rows][:, columns], settings.weight):
            yield -distance_BG

    return found, blocks


def out_name(out: str | os.PathLike) -> Path:
    path = Path(out)
    name = path.with_suffix("") if path.suffix in (".csv", ".png") else path
    for suffix in (".csv", ".png"):
        if os.path.lexists(file_of(name, suffix)):
            raise FileExistsError(
                f"{file_of(name, suffix)} is there already; name another, or remove it"
            )
    make_folder_of(file_of(name, ".csv"))
    return name
