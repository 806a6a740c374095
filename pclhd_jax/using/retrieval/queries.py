"""The queries of a search: existing embeddings, or pictures that go through the encoder."""

import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pclhd_jax.data.lists import Pictures
from pclhd_jax.data.pictures.decode import Read
from pclhd_jax.using.encoder import Encoder, load_encoder
from pclhd_jax.using.retrieval.embedder import Embedder, check_modality
from pclhd_jax.using.retrieval.index import Index, file_of, plain_name, read_index
from pclhd_jax.using.retrieval.index_encoder import encoder_of_index, picture_size
from pclhd_jax.using.retrieval.inputs import InputOptions, list_inputs, reader_of
from pclhd_jax.using.retrieval.make_index import embed_listed


class Queries(NamedTuple):
    features_QD: np.ndarray
    pictures: Pictures
    modality: str
    open: Callable[[], Read]  # what reads their bytes; called for a contact sheet alone


def find_queries(
    gallery: Index,
    queries: Sequence[str | os.PathLike],
    options: InputOptions,
    *,
    checkpoint: str | os.PathLike | None,
    modality: str | None,
) -> Queries:
    header = gallery.header
    given = checkpoint is not None or modality is not None
    if is_index(queries, pictures_meant=given):
        if given:
            raise ValueError(
                f"{os.fspath(queries[0])} holds embeddings and names their encoder "
                "and modality itself; leave out checkpoint and modality"
            )
        index = read_index(queries[0])
        check_width(gallery, index)
        check_encoder(header, index.header["encoder"], os.fspath(queries[0]))
        read = partial(reader_of, index.header["source"], index.pictures)
        features_QD = np.asarray(index.features_ND)
        return Queries(features_QD, index.pictures, index.header["modality"], read)
    gone = [query for query in queries if not os.path.exists(query)]
    if gone:
        raise FileNotFoundError(
            f"there is no {os.fspath(gone[0])}; name pictures, folders, lists, a set, or what "
            "python -m pclhd_jax embed wrote"
        )
    if modality is None:
        raise ValueError("query pictures need a modality, visible or infrared; give --modality")
    check_modality(modality)
    listed = list_inputs(queries, modality, options.choice)
    encoder = encoder_for(gallery, checkpoint)
    embedder = Embedder.of(encoder, options.batch_size)
    embedded = embed_listed(embedder, listed, modality, skip=options.skip)
    return Queries(
        embedded.features_ND, embedded.listed.pictures, modality, lambda: embedded.listed.read
    )


def is_index(queries: Sequence[str | os.PathLike], *, pictures_meant: bool) -> bool:
    """Whether the queries are the name of an index or of one of its files.

    If a folder and an index have the same name, the pictures in the folder may be meant.
    """
    if len(queries) != 1:
        return False
    path = Path(queries[0])
    if pictures_meant and path.is_dir():
        return False
    return path.suffix == ".npy" or file_of(plain_name(path), ".json").is_file()


def encoder_for(gallery: Index, checkpoint: str | os.PathLike | None) -> Encoder:
    """The encoder of the index, from --checkpoint or from where the index says."""
    if checkpoint is None:
        return encoder_of_index(gallery)
    encoder = load_encoder(checkpoint, **picture_size(gallery))
    check_encoder(gallery.header, encoder.digest, os.fspath(checkpoint))
    return encoder


def check_width(gallery: Index, queries: Index) -> None:
    """Raises ValueError for features of two lengths, whatever their headers say."""
    widths = [index.features_ND.shape[1] for index in (gallery, queries)]
    if widths[0] != widths[1]:
        raise ValueError(
            f"{queries.name} has features of {widths[1]:,} numbers, {gallery.name} of "
            f"{widths[0]:,}; embed the queries with the encoder of the index"
        )


def check_encoder(header: dict, digest: str, name: str) -> None:
    """Raises ValueError, with both checksums, for another encoder than that of the index."""
    if digest != header["encoder"]:
        raise ValueError(
            f"{name} is of encoder {digest}, the index of encoder {header['encoder']} "
            f"({header['checkpoint']}); features of two encoders cannot be compared; name that "
            "encoder, or embed the pictures of the index again"
        )
