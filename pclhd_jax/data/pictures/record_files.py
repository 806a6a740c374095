"""The ArrayRecord files of a prepared set, read by row.

Not by `tfds.builder_from_directory`: that imports whatever module the folder's features.json names,
so a folder of a stranger's could run code. Here the features are ours and the file names too.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pclhd_jax.data.pictures.picture_files import UnreadablePictureError
from pclhd_jax.data.pictures.prepared_index import damaged, short
from pclhd_jax.system.plain_files import FILE, kind_of


def picture_features() -> Any:
    """What an example of a prepared set holds, as TFDS writes and parses it."""
    import tensorflow_datasets as tfds  # a second to import, and no need of it for raw folders

    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3)),
            "path": tfds.features.Text(),
            "identity": np.int32,
            "camera": np.int32,
        }
    )


class StoredPicture(NamedTuple):
    """The bytes of a picture's file, and who is on it: of RegDB the number of the folder."""

    file: bytes
    identity: int
    camera: int


class PictureRecord:
    """The pictures of one record split; `read` may be called from several threads."""

    def __init__(self, root: Path, name: str, paths: list[str]):
        """paths: of the pictures that are listed, in order.

        Raises ValueError: files that are missing, damaged or hold another number of pictures.
        """
        import tensorflow_datasets as tfds
        from array_record.python.array_record_data_source import ArrayRecordDataSource

        self._root, self._name, self._paths = root, name, paths
        self._features = picture_features()
        self._decoders = {"image": tfds.decode.SkipDecoding()}
        files = _files(root, name)
        try:
            self._source = ArrayRecordDataSource(files)
        except Exception as error:  # RuntimeErrors so far, of a file cut short or overwritten
            raise ValueError(damaged(root, f"{name} cannot be read ({short(error)})")) from error
        if len(self._source) != len(paths):
            raise ValueError(
                damaged(
                    root,
                    f"{len(paths):,} pictures of {name} are listed, {len(self._source):,} stored",
                )
            )

    def read(self, row: int) -> StoredPicture:
        """What is stored. Raises UnreadablePictureError."""
        what = f"picture {row:,} of {self._name}, {self._paths[row]},"
        try:
            # ArrayRecord keeps checksums: what was not as written raises.
            example = self._features.deserialize_example_np(
                self._source[row], decoders=self._decoders
            )
            stored = example["path"].decode()
            numbers = int(example["identity"]), int(example["camera"])
        except Exception as error:  # RuntimeError of Riegeli, and what parsers raise
            raise UnreadablePictureError(
                damaged(self._root, f"{what} cannot be read ({short(error)})")
            ) from error
        if stored != self._paths[row]:
            raise UnreadablePictureError(damaged(self._root, f"{what} is {short(stored)} there"))
        return StoredPicture(example["image"], *numbers)


def _files(root: Path, name: str) -> list[str]:
    """The files of a record split, in order, none missing."""
    pattern = re.compile(rf"[a-z0-9_]+-{name}\.array_record-([0-9]{{5}})-of-([0-9]{{5}})")
    found = {path: pattern.fullmatch(path.name) for path in sorted(root.iterdir())}
    files = {path: match.groups() for path, match in found.items() if match}
    total = int(next(iter(files.values()))[1]) if files else 1
    expected = [(f"{number:05d}", f"{total:05d}") for number in range(total)]
    if list(files.values()) != expected:
        raise ValueError(
            damaged(root, f"{name} has {len(files):,} files of {total:,}, or files of two sets")
        )
    for path in files:
        if (kind := kind_of(path)) != FILE:
            raise ValueError(damaged(root, f"{path.name} is {kind}"))
    return [str(path) for path in files]
