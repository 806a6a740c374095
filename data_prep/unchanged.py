"""Does a prepared set still hold its source's pictures? Those that changed since are compared."""

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from pclhd_jax.data.pictures.compared import compared_until_ns, note_compared
from pclhd_jax.data.pictures.picture_files import open_picture, read_picture_file
from pclhd_jax.data.pictures.prepared_index import read_index
from pclhd_jax.data.pictures.record_files import PictureRecord
from pclhd_jax.processes.progress import say

from .sources import Source


def check_unchanged(target: Path, root: str | os.PathLike, source: Source) -> None:
    """Raises ValueError when pictures below `root` have other bytes than those in `target`.

    The fingerprint in the folder's name tells other names and sizes. Pictures that were written,
    moved in or touched after the preparation (none, as a rule) are read and compared, once.
    """
    index = read_index(target)
    # Beside the set: a file within it would make it another to those who read it.
    note, pair = target.parent / "compared.json", f"{target.name} of {os.path.abspath(root)}"
    known_ns = max(index["changed_ns"], compared_until_ns(note, pair))
    changed_ns = {
        name: [_changed_ns(root, path) for path in pictures.paths]
        for name, pictures in source.records.items()
    }
    newer = {
        name: [
            path
            for path, changed in zip(pictures.paths, changed_ns[name], strict=True)
            if changed > known_ns
        ]
        for name, pictures in source.records.items()
    }
    total = sum(map(len, newer.values()))
    if not total:
        return
    say(f"comparing {total:,} pictures that changed after {target} was made with what it holds")
    other = []
    for name, paths in newer.items():
        stored = index["records"].get(name, [])
        other += _others(PictureRecord(target, name, stored), stored, root, paths)
    if other:
        raise ValueError(
            f"{len(other):,} pictures below {root} are others than when {target} was made from "
            f"them, of the same names and sizes, the first is {other[0]}; remove {target}, and the "
            f"set is prepared again, or go on with it as it is: --config.data.source={target}"
        )
    note_compared(note, pair, max(map(max, changed_ns.values())))


def _others(
    record: PictureRecord, stored: list[str], root: str | os.PathLike, paths: list[str]
) -> list[str]:
    """Those of `paths` whose file below root is not the picture that is stored."""
    rows = {path: row for row, path in enumerate(stored)}

    def is_other(path: str) -> bool:
        # Pictures that were left out as unreadable have no row.
        return path in rows and not _same_picture(
            record.read(rows[path]).file, read_picture_file(Path(root) / path)
        )

    with ThreadPoolExecutor(min(16, os.cpu_count() or 1)) as pool:
        verdicts = pool.map(is_other, paths)
        return [path for path, other in zip(paths, verdicts, strict=True) if other]


def _changed_ns(root: str | os.PathLike, path: str) -> int:
    return os.stat(os.path.join(root, path)).st_ctime_ns


def _same_picture(stored: bytes, found: bytes) -> bool:
    if stored == found:
        return True
    if not found.startswith(b"BM"):
        return False
    # A BMP is stored as PNG, whose bytes depend on Pillow's version: compare pixels.
    with open_picture(found) as image, open_picture(stored) as png:
        return png.mode == image.mode and np.array_equal(np.asarray(png), np.asarray(image))
