"""Search an index and write what was found: what `python -m pclhd_jax.search` does."""

import csv
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pclhd_jax.clustering.neighbour_lists import Neighbours
from pclhd_jax.data.lists import UNKNOWN, Pictures
from pclhd_jax.encoder import load_encoder
from pclhd_jax.pictures.decode import Read
from pclhd_jax.processes.progress import Progress, say
from pclhd_jax.retrieval.embedder import BATCH_SIZE, Embedder, check_modality
from pclhd_jax.retrieval.found_sheet import write_sheet
from pclhd_jax.retrieval.index import Index, file_of, plain_name, read_index
from pclhd_jax.retrieval.inputs import NO_SET, SetChoice, list_inputs, reader_of
from pclhd_jax.retrieval.make_index import embed_listed
from pclhd_jax.retrieval.nearest import nearest
from pclhd_jax.retrieval.rerank import RerankSettings, rerank
from pclhd_jax.saving.disk import make_folder_of
from pclhd_jax.system.whole_files import whole_file

SHEET_QUERIES = 20


class Queries(NamedTuple):
    features_QD: np.ndarray
    pictures: Pictures
    open: Callable[[], Read]  # what reads their bytes; called for a contact sheet alone


class Found(NamedTuple):
    """indices_QK: rows of the index, best first; distances_QK: None unless re-ranked."""

    query: Pictures
    gallery: Pictures
    indices_QK: np.ndarray
    similarities_QK: np.ndarray
    distances_QK: np.ndarray | None


def search_index(
    index: str | os.PathLike,
    queries: Sequence[str | os.PathLike],
    out: str | os.PathLike | None = None,
    *,
    k: int = 10,
    checkpoint: str | os.PathLike | None = None,
    modality: str | None = None,
    reranked: RerankSettings | None = None,
    choice: SetChoice = NO_SET,
    skip: bool = False,
    batch_size: int = BATCH_SIZE,
    sheet_queries: int = SHEET_QUERIES,
    gallery_root: str | None = None,
) -> Found:
    """The k pictures of an index that are nearest to each query; exact, on all devices.

    Args:
      index: NAME of what `make_index` wrote.
      queries: the NAME of another index (an embedding file), or pictures as `list_inputs` takes
        them; those need `checkpoint` and `modality`, their own.
      out: writes OUT.csv, a line per query and place, and OUT.png of `sheet_queries`
        queries, evenly chosen (0: none); None writes nothing.
      checkpoint: the encoder that made the index, by any of its names; another one is refused.
      reranked: k-reciprocal re-ranking with these settings; None: by inner product.
      choice, skip, batch_size: as for `make_index`.
      gallery_root: where the pictures of the index lie by now, for the contact sheet.

    Raises:
      FileNotFoundError: no index. FileExistsError: OUT.csv or OUT.png is there.
      ValueError: another encoder (with both digests), a checkpoint or a modality missing or too
        many, k below 1; and as the readers.
    """
    if k < 1:
        raise ValueError(f"k is {k}; give at least 1")
    if sheet_queries < 0:
        raise ValueError(f"{sheet_queries} queries on the sheet; give 0 or more")
    if reranked is not None:
        reranked.check()
    out = None if out is None else out_name(out)
    gallery = read_index(index)
    query = find_queries(
        gallery,
        queries,
        checkpoint=checkpoint,
        modality=modality,
        choice=choice,
        skip=skip,
        batch_size=batch_size,
    )
    num_queries, num_gallery = len(query.features_QD), len(gallery.features_ND)
    say(f"{num_queries:,} queries, {num_gallery:,} {gallery.header['modality']} pictures")
    progress = Progress("searching", "pairs")
    plain = nearest(query.features_QD, gallery.features_ND, k, report=progress)
    found = Found(query.pictures, gallery.pictures, *plain, None)
    if reranked is not None:
        say(f"re-ranking by k-reciprocal neighbours among {num_queries + num_gallery:,} pictures")
        found = with_reranking(found, query, gallery, plain, reranked)
    if out is not None:
        if sheet_queries:  # first: it is what may fail, and a table without it could not be redone
            draw_sheet(file_of(out, ".png"), found, query, gallery, sheet_queries, gallery_root)
        write_found(file_of(out, ".csv"), found)
    return found


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
            f"{error}\nno contact sheet of it, and nothing is written; name where the index's "
            "pictures lie now (--gallery_root), or draw none (--sheet_queries 0)"
        ) from error


def with_reranking(
    found: Found, query: Queries, gallery: Index, plain: Neighbours, settings: RerankSettings
) -> Found:
    result = rerank(query.features_QD, np.asarray(gallery.features_ND), plain, settings)
    return found._replace(
        indices_QK=result.indices_QK,
        similarities_QK=result.similarities_QK,
        distances_QK=result.distances_QK,
    )


def find_queries(
    gallery: Index,
    queries: Sequence[str | os.PathLike],
    *,
    checkpoint: str | os.PathLike | None,
    modality: str | None,
    choice: SetChoice,
    skip: bool,
    batch_size: int,
) -> Queries:
    header = gallery.header
    if is_index(queries, checkpoint):
        if checkpoint is not None or modality is not None:
            raise ValueError(
                f"{os.fspath(queries[0])} holds embeddings, of an encoder and a modality that it "
                "names itself; leave checkpoint and modality out"
            )
        index = read_index(queries[0])
        check_encoder(header, index.header["encoder"], os.fspath(queries[0]))
        read = partial(reader_of, index.header["source"], index.pictures)
        return Queries(np.asarray(index.features_ND), index.pictures, read)
    gone = [query for query in queries if not os.path.exists(query)]
    if gone:
        raise FileNotFoundError(
            f"there is no {os.fspath(gone[0])}; name pictures, folders, lists, a set, or what "
            "python -m pclhd_jax.embed wrote"
        )
    if checkpoint is None or modality is None:
        raise ValueError(
            "query pictures go through an encoder; give a checkpoint, the one of the index "
            f"({header['checkpoint']}), and the queries' modality"
        )
    check_modality(modality)
    listed = list_inputs(queries, modality, choice)
    encoder = load_encoder(checkpoint)
    check_encoder(header, encoder.digest, os.fspath(checkpoint))
    # A weight file may not tell its size: the gallery's pictures were of this one.
    encoder = encoder._replace(height=header["height"], width=header["width"])
    embedded = embed_listed(Embedder.of(encoder, batch_size), listed, modality, skip=skip)
    return Queries(embedded.features_ND, embedded.listed.pictures, lambda: embedded.listed.read)


def is_index(queries: Sequence[str | os.PathLike], checkpoint: str | os.PathLike | None) -> bool:
    """One name, of an index or of a file of one. Pictures and folders are none.

    A folder with an index of its name beside it is meant where there is a checkpoint for it.
    """
    if len(queries) != 1:
        return False
    path = Path(queries[0])
    if checkpoint is not None and path.is_dir():
        return False
    return path.suffix == ".npy" or file_of(plain_name(path), ".json").is_file()


def check_encoder(header: dict, digest: str, name: str) -> None:
    """Raises ValueError, with both digests, for another encoder than the index's."""
    if digest != header["encoder"]:
        raise ValueError(
            f"{name} is of encoder {digest}, the index of encoder {header['encoder']} "
            f"({header['checkpoint']}); features of two encoders cannot be compared: name that "
            "one, or embed the index anew"
        )


def out_name(out: str | os.PathLike) -> Path:
    path = Path(out)
    name = path.with_suffix("") if path.suffix in (".csv", ".png") else path
    for suffix in (".csv", ".png"):
        if file_of(name, suffix).exists():
            raise FileExistsError(
                f"{file_of(name, suffix)} is there already; name another, or remove it"
            )
    make_folder_of(file_of(name, ".csv"))
    return name


def write_found(path: Path, found: Found) -> None:
    """A line per query and place; identities where both sides have some, 1 or 0 for the same."""
    known = all((side.identities_N != UNKNOWN).any() for side in (found.query, found.gallery))
    columns = ["query", "rank", "name", "similarity"]
    columns += ["distance"] * (found.distances_QK is not None)
    columns += ["query_identity", "identity", "same"] * known
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        for q, name in enumerate(found.query.paths):
            for place, row in enumerate(found.indices_QK[q].tolist()):
                line = [name, place + 1, found.gallery.paths[row]]
                line.append(f"{found.similarities_QK[q, place]:.6f}")
                if found.distances_QK is not None:
                    line.append(f"{found.distances_QK[q, place]:.6f}")
                writer.writerow(line + identity_fields(found, q, row) * known)
    say(f"wrote {path}")


def identity_fields(found: Found, q: int, row: int) -> list:
    pair = int(found.query.identities_N[q]), int(found.gallery.identities_N[row])
    same = "" if UNKNOWN in pair else int(pair[0] == pair[1])
    return [*("" if identity == UNKNOWN else identity for identity in pair), same]
