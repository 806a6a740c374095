"""The TFDS builder of any layout: the files' own bytes into ArrayRecord, in the readers' order.

TensorFlow is not needed: `ShardBasedBuilder` writes its shards one after the other, while TFDS's
shuffling builders open temporary files with TensorFlow once a split exceeds 1 GB.
"""

import io
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import tensorflow_datasets as tfds

from pclhd_jax.data.datasets import layout_named
from pclhd_jax.data.lists import Pictures
from pclhd_jax.data.pictures.picture_files import open_picture, read_picture_file
from pclhd_jax.data.pictures.prepared_index import FORMAT, sealed
from pclhd_jax.data.pictures.record_files import picture_features
from pclhd_jax.system.owners import let_owners_be_unknown

from .sources import Source, read_source, record_of

let_owners_be_unknown()


PICTURES_PER_SHARD = 4096  # SYSU-MM01: about 400 MB


class PicturesBuilder(tfds.core.ShardBasedBuilder):
    """A visible-infrared set, read from its original layout at `manual_dir`.

    Examples: image (the file's bytes; BMP as PNG), path (relative to manual_dir), identity, camera.
    metadata.json beside the records repeats the lists, so that reading them opens no record.
    """

    VERSION = tfds.core.Version("1.0.0")
    LAYOUT = ""

    def __init__(
        self,
        *,
        source: Source | None = None,
        written: Callable[[int], None] | None = None,
        facts: dict[str, Any] | None = None,
        **tfds_options: Any,
    ):
        """source: lists that were read already, else manual_dir's; written(1) is called after each
        picture; facts: more entries for metadata.json."""
        self.source, self.written, self.facts = source, written, facts or {}
        super().__init__(**{"file_format": "array_record", **tfds_options})

    def _info(self) -> tfds.core.DatasetInfo:
        about = layout_named(self.LAYOUT).about
        return tfds.core.DatasetInfo(
            builder=self,
            description=about.description,
            homepage=about.homepage,
            citation=about.citation,
            features=picture_features(),
            disable_shuffling=True,
            metadata=tfds.core.MetadataDict(),
        )

    def _shard_iterators_per_split(self, dl_manager: Any) -> dict[str, list[Callable]]:
        root = Path(dl_manager.manual_dir)
        source = self.source or read_source(self.LAYOUT, root)
        self.info.metadata.update(sealed(index_of(self.LAYOUT, source) | self.facts))
        return {
            name: [
                partial(self._examples, root, pictures, start)
                for start in range(0, len(pictures.paths), PICTURES_PER_SHARD)
            ]
            for name, pictures in source.records.items()
        }

    def _examples(self, root: Path, pictures: Pictures, start: int) -> Iterator[tuple[int, dict]]:
        for index in range(start, min(start + PICTURES_PER_SHARD, len(pictures.paths))):
            path = pictures.paths[index]
            yield (
                index,
                {
                    "image": io.BytesIO(_stored(root / path)),
                    "path": path,
                    "identity": pictures.identities_N[index],
                    "camera": pictures.cameras_N[index],
                },
            )
            if self.written is not None:
                self.written(1)


@cache  # TFDS registers a name once
def builder_of(layout: str) -> type[PicturesBuilder]:
    """The builder of a row of `data.datasets.LAYOUTS`, under the name of its folder."""
    row = layout_named(layout)
    name = "".join(part.capitalize() for part in row.folder.split("_"))
    facts = {"LAYOUT": layout, "MANUAL_DOWNLOAD_INSTRUCTIONS": row.about.manual}
    return type(name, (PicturesBuilder,), facts | {"__doc__": row.about.description})


def _stored(path: Path) -> bytes:
    try:
        return storable(read_picture_file(path))
    except Exception as error:  # Decoders raise many types: OSError, SyntaxError, zlib.error, ...
        raise ValueError(
            f"picture {path} cannot be read any more ({error}); wait until nothing writes there, "
            "and prepare again"
        ) from error


def storable(data: bytes) -> bytes:
    """A picture file as it is stored: JPEG and PNG as they are, BMP as PNG with the same pixels."""
    if not data.startswith(b"BM"):
        return data
    png = io.BytesIO()
    with open_picture(data) as image:
        image.save(png, "PNG")
    return png.getvalue()


def index_of(layout: str, source: Source) -> dict[str, Any]:
    """metadata.json: the paths of the records; for each trial and split, rows, ids and cameras."""
    places = {
        name: {path: row for row, path in enumerate(pictures.paths)}
        for name, pictures in source.records.items()
    }

    def listed(split: str, pictures: Pictures) -> dict[str, Any]:
        record = record_of(split, source.records)
        return {
            "record": record,
            "rows": [places[record][path] for path in pictures.paths],
            "identities": pictures.identities_N.tolist(),
            "cameras": pictures.cameras_N.tolist(),
        }

    return {
        "format": FORMAT,
        "layout": layout,
        "records": {name: list(pictures.paths) for name, pictures in source.records.items()},
        "trials": {
            str(trial): {split: listed(split, pictures) for split, pictures in lists.items()}
            for trial, lists in source.trials.items()
        },
    }
