"""The modality of a picture by its folder: layouts name folders such as visible/."""

import os
from collections.abc import Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

from pclhd_jax.data.datasets import LAYOUTS


class BothModalities(NamedTuple):
    """A folder that holds a set: its layout, and its folders with pictures, by modality."""

    folder: str
    layout: str
    folders: dict[str, list[str]]


def modality_of(path: str | os.PathLike) -> str | None:
    """'visible' or 'infrared' by the nearest folder above that says so; None if none does."""
    return _modality_below(os.path.dirname(os.path.abspath(path)))


def tell_others(paths: Sequence[str], modality: str) -> str:
    """A line about pictures in a folder of the other modality; '' if there are none."""
    others = [path for path in paths if modality_of(path) not in (None, modality)]
    if not others:
        return ""
    other = modality_of(others[0])
    return (
        f"{len(others):,} of {len(paths):,} pictures are in a folder of {other} pictures and go "
        f"through the {modality} stem, the first is {others[0]}; if they are {other}, give "
        f"the modality {other}"
    )


def both_modalities(root: str | os.PathLike, names: Iterable[str]) -> BothModalities | None:
    """The first folder, from the top, that holds visible and infrared pictures.

    names: posix paths of pictures relative to root. Other files in the folder show whether numbered
    folders are the cameras of a set.
    """
    parents: dict[str, set[str]] = {}
    for folder in {os.path.dirname(name) for name in names}:
        parts = folder.split("/") if folder else []
        for place, part in enumerate(parts):
            parents.setdefault("/".join(parts[:place]), set()).add(part)
    for parent in sorted(parents, key=lambda name: (name.count("/"), name)):
        folder = os.path.normpath(os.path.join(root, parent))
        for layout in LAYOUTS:
            found: dict[str, list[str]] = {}
            for name in sorted(parents[parent]):
                if modality := _said_by(layout, folder, name):
                    found.setdefault(modality, []).append(name)
            if len(found) == 2:
                return BothModalities(folder, layout, found)
    return None


@lru_cache(maxsize=10_000)  # many pictures lie in one folder
def _modality_below(folder: str) -> str | None:
    parent, name = os.path.split(folder)
    if not name:
        return None
    said = [modality for layout in LAYOUTS if (modality := _said_by(layout, parent, name))]
    return said[0] if said else _modality_below(parent)


def _said_by(layout: str, parent: str, name: str) -> str | None:
    """The modality of the folder parent/name in a layout; None if it has no such folder."""
    row = LAYOUTS[layout]
    by_name = {known.casefold(): modality for known, modality in row.modality_folders.items()}
    modality = by_name.get(name.casefold())
    # A camera's number has a meaning in one set only, which has its mark beside the folders.
    numbered = any(letter.isdigit() for letter in name)
    if modality and numbered and not (Path(parent) / row.mark).is_dir():
        return None
    return modality
