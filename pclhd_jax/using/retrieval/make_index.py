"""Embed pictures and write an index: what `python -m pclhd_jax embed` does."""

import os
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from pclhd_jax.data.pictures.decode import load_pictures
from pclhd_jax.data.pictures.picture_files import UnreadablePictureError
from pclhd_jax.processes.progress import Progress, say
from pclhd_jax.saving.disk import make_folder_of
from pclhd_jax.system.paths import Paths, given_path, several
from pclhd_jax.using.retrieval.embedder import (
    BATCH_SIZE,
    Embedder,
    check_modality,
)
from pclhd_jax.using.retrieval.index import (
    Index,
    check_free,
    check_parquet,
    file_of,
    header_of,
    plain_name,
    write_index,
)
from pclhd_jax.using.retrieval.index_encoder import checkpoint_places
from pclhd_jax.using.retrieval.inputs import NO_SET, Listed, SetChoice, list_inputs

NAMED = 10  # pictures left out that are named on the terminal; NAME.json has all


class Embedded(NamedTuple):
    features_ND: np.ndarray
    listed: Listed  # the N pictures that were read
    skipped: list[str]  # the names of the others


def make_index(
    checkpoint: str | os.PathLike,
    inputs: Paths,
    modality: str,
    out: str | os.PathLike,
    *,
    height: int | None = None,
    width: int | None = None,
    batch_size: int = BATCH_SIZE,
    layout: str = NO_SET.layout,
    split: str = NO_SET.split,
    trial: int = NO_SET.trial,
    skip: bool = False,
    parquet: bool = False,
) -> Index:
    """Embed the pictures that `inputs` name and write out.npy, .csv and .json.

    Args:
      checkpoint, height, width, batch_size: as for `Embedder.load`.
      inputs: one or several, as `list_inputs` takes them. layout, split, trial: see `SetChoice`.
      modality: 'visible' or 'infrared'.
      skip: leave out pictures that cannot be read, named and counted, instead of stopping.
      parquet: also out.parquet, with pyarrow.

    Raises:
      FileExistsError: there is such an index already. OSError: nothing can be written there.
      ValueError: a picture that cannot be read (its name), or none is left; and as those above.
    """
    checkpoint, out = given_path(checkpoint), plain_name(given_path(out))
    check_modality(modality)
    check_free(out)
    make_folder_of(file_of(out, ".npy"))
    if parquet:
        check_parquet()
    listed = list_inputs(several(inputs), modality, SetChoice(layout, split, trial))
    embedder = Embedder.load(checkpoint, height=height, width=width, batch_size=batch_size)
    say(f"{len(listed.pictures.paths):,} {modality} pictures; encoder: {embedder.encoder.origin}")
    embedded = embed_listed(embedder, listed, modality, skip=skip)
    header = header_of(embedder.encoder, modality, listed.source) | {"skipped": embedded.skipped}
    header |= checkpoint_places(checkpoint, embedder.encoder, out)
    pictures = embedded.listed.pictures
    index = write_index(out, embedded.features_ND, pictures, header, parquet=parquet)
    rows, columns = index.features_ND.shape
    files = f"{out}.csv, {out}.json" + (f", {out}.parquet" if parquet else "")
    say(f"wrote {out}.npy ({rows:,} x {columns:,}), {files}")
    return index


def embed_listed(
    embedder: Embedder, listed: Listed, modality: str, *, skip: bool = False
) -> Embedded:
    """Features of the pictures, read a chunk ahead; what was left out is told.

    Raises ValueError for a picture that cannot be read, with `skip` if none can.
    """
    total = len(listed.pictures.paths)
    kept: list[int] = []
    progress = Progress(f"{modality} pictures")
    started = time.monotonic()
    features_ND = np.empty((total, embedder.encoder.model.feature_width), np.float32)
    done = 0
    chunks = read_chunks(embedder, listed, skip, kept)
    for z_CD in embedder.embed_chunks(chunks, modality, total, progress):
        features_ND[done : done + len(z_CD)] = z_CD
        done += len(z_CD)
    progress.close()
    seconds = time.monotonic() - started
    read = set(kept)
    skipped = [name for row, name in enumerate(listed.pictures.paths) if row not in read]
    tell_skipped(skipped, total)
    if not kept:
        raise ValueError(f"none of {total:,} pictures can be read; the first is {skipped[0]}")
    say(
        f"{done:,} pictures in {seconds:.1f} s, {done / seconds:,.1f} images/s, with the time to "
        "compile"
    )
    rows = np.array(kept)
    left = Listed(
        listed.pictures.take(rows), lambda index: listed.read(int(rows[index])), listed.source
    )
    return Embedded(features_ND[:done], left, skipped)


def read_chunks(
    embedder: Embedder, listed: Listed, skip: bool, kept: list[int]
) -> Iterator[np.ndarray]:
    """uint8 (C, H, W, 3), no chunk empty; the rows that could be read go to `kept`."""
    size = embedder.chunk_size
    for start in range(0, len(listed.pictures.paths), size):
        chunk = listed.pictures.take(
            np.arange(start, min(start + size, len(listed.pictures.paths)))
        )
        bad: set[int] = set()
        lock = threading.Lock()

        def note(index: int, _: ValueError, bad: set[int] = bad, lock: threading.Lock = lock):
            with lock:
                bad.add(index)

        try:
            images_CHWC = load_pictures(
                chunk,
                embedder.form,
                read=lambda index, start=start: listed.read(start + index),
                unreadable=note if skip else None,
            )
        except UnreadablePictureError as error:
            raise ValueError(f"{error}; --skip leaves such pictures out") from error
        good = [row for row in range(len(images_CHWC)) if row not in bad]
        kept += [start + row for row in good]
        if good:
            yield images_CHWC if not bad else images_CHWC[good]


def tell_skipped(skipped: list[str], total: int) -> None:
    if skipped:
        more = f" and {len(skipped) - NAMED:,} more" if len(skipped) > NAMED else ""
        say(
            f"left out {len(skipped):,} of {total:,} pictures that cannot be read: "
            f"{', '.join(skipped[:NAMED])}{more}"
        )
