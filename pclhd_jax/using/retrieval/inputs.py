"""What INPUT names: picture files, folders of them, text lists, or a set with its identities."""

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pclhd_jax.data.lists import (
    PICTURE_SUFFIXES,
    UNKNOWN,
    Pictures,
    check_length,
    check_names,
    is_picture_name,
)
from pclhd_jax.data.pictures.decode import Read, file_reader
from pclhd_jax.data.pictures.prepared import is_prepared, open_prepared
from pclhd_jax.data.pictures.prepared_index import INDEX
from pclhd_jax.data.pictures.source import open_raw
from pclhd_jax.data.places import both_modalities, tell_others
from pclhd_jax.data.walk import look_below, tell_left_out
from pclhd_jax.processes.progress import say
from pclhd_jax.system.json_shapes import shown
from pclhd_jax.system.paths import given_path, is_local
from pclhd_jax.system.plain_files import BROKEN_LINK, NOTHING, kind_of, text_lines

LIST_SUFFIX = ".txt"


class SetChoice(NamedTuple):
    """Which pictures of a data set.

    layout: of a folder as its authors hand it out; '' where it is prepared, or no set at all.
    split: 'test' or 'train'. trial: of the sets that have numbered splits, RegDB.
    """

    layout: str = ""
    split: str = "test"
    trial: int = 1


NO_SET = SetChoice()


class InputOptions(NamedTuple):
    """How pictures that INPUT names are taken.

    skip: leave out those that cannot be read. batch_size: how many are embedded at a time.
    """

    choice: SetChoice
    skip: bool
    batch_size: int


class Listed(NamedTuple):
    """Pictures, how to read them, and what finds them again (a small JSON object)."""

    pictures: Pictures
    read: Read
    source: dict[str, Any]


def list_inputs(
    inputs: Sequence[str | os.PathLike], modality: str, choice: SetChoice = NO_SET
) -> Listed:
    """The pictures that `inputs` name, in the order of inputs, lists and sorted paths.

    A folder gives all pictures below it; a .txt file a path per line, relative to the file's
    folder; a prepared set, or with `choice.layout` an original one, those of one modality, with
    identities and cameras. Names are relative to the folder that holds all of them. A line tells
    of what a folder holds beside pictures, and of pictures in a folder of the other modality.

    Raises:
      FileNotFoundError: an input that is not there.
      ValueError: no input, a folder or a list without pictures, a picture named twice, a file that
        is no picture by its name, a set beside other inputs or without that split, a folder of
        pictures of both modalities.
    """
    if not inputs:
        raise ValueError("nothing to read; name pictures, folders, lists or a prepared set")
    inputs = [given_path(path) for path in inputs]
    sets = [path for path in inputs if choice.layout or is_prepared(path)]
    if not sets:
        listed = of_files([Path(os.path.abspath(path)) for path in inputs], modality)
        paths = [os.path.join(listed.pictures.root, name) for name in listed.pictures.paths]
        if note := tell_others(paths, modality):
            say(f"note: {note}")
        return listed
    if len(inputs) > 1:
        raise ValueError(f"{os.fspath(sets[0])} is a data set; give it alone, the rest apart")
    return of_set(os.fspath(inputs[0]), f"{choice.split}_{modality}", choice)


def of_set(path: str, split: str, choice: SetChoice) -> Listed:
    if is_prepared(path):
        opened = open_prepared(path, trial=choice.trial)
        lists, layout = opened.pictures, opened.layout
        if choice.layout not in ("", layout):
            raise ValueError(
                f"{path} is a prepared {layout}, asked for {choice.layout}; leave --layout out"
            )
    else:
        opened = open_raw(choice.layout, path, trial=choice.trial)
        lists, layout = opened.lists, choice.layout
    if split not in lists:
        raise ValueError(f"{path} has no {split}; it has {', '.join(lists)}; see --split")
    source = {"root": os.path.abspath(path), "set": split, "layout": layout, "trial": choice.trial}
    return Listed(lists[split], partial(opened.read, split), source)


def of_files(inputs: Sequence[Path], modality: str) -> Listed:
    found = [below(path, modality) for path in inputs]
    paths = [path for _, paths in found for path in paths]
    # A list may lead out of its folder.
    folders = {os.fspath(folder) for folder, _ in found} | {os.path.dirname(p) for p in paths}
    root = os.path.commonpath(folders)
    names = [Path(os.path.relpath(path, root)).as_posix() for path in paths]
    check_names(root, names)
    if len(set(names)) < len(names):
        seen: set[str] = set()
        twice = next(name for name in names if name in seen or seen.add(name))
        raise ValueError(f"{os.path.join(root, twice)} is named twice; name each picture once")
    unknown_N = np.full(len(names), UNKNOWN, np.int32)
    pictures = Pictures(root, tuple(names), unknown_N, unknown_N)
    return Listed(pictures, file_reader(pictures), {"root": root})


def below(path: Path, modality: str) -> tuple[Path, list[str]]:
    """The folder that an input is or is in, and the absolute paths that it names.

    A line on the terminal counts the other files of a folder.
    """
    kind = kind_of(path)
    if kind in (NOTHING, BROKEN_LINK):
        what = f"there is no {path}" if kind == NOTHING else f"{path} is {kind}"
        raise FileNotFoundError(f"{what}; name pictures, folders, lists or a set")
    if path.is_dir():
        return path, below_folder(path, modality)
    if path.suffix == LIST_SUFFIX:
        return path.parent, read_list(path)
    if not is_picture_name(path.name):
        raise ValueError(
            f"{path} is neither a picture ({', '.join(PICTURE_SUFFIXES)}) nor a list of paths "
            f"({LIST_SUFFIX}) nor a folder"
        )
    return path.parent, [os.fspath(path)]


def below_folder(path: Path, modality: str) -> list[str]:
    found = look_below(path)
    left_out = f"left out below {path}: {tell_left_out(found.left_out)}" if found.left_out else ""
    if not found.pictures:
        # Where preparation writes: DATA_DIR/LAYOUT/FINGERPRINT/VERSION.
        places = [place for deep in range(5) for place in path.glob("*/" * deep + INDEX)]
        sets = [place.parent for place in places if is_prepared(place.parent)]
        raise ValueError(
            f"no picture below {path}; "
            + (
                f"name the prepared set below it, {sets[0]}"
                if sets
                else f"put files there that end in {', '.join(PICTURE_SUFFIXES)}"
            )
            + (f" ({left_out})" if left_out else "")
        )
    if both := both_modalities(path, found.pictures):
        folders = " ".join(os.path.join(both.folder, name) for name in both.folders[modality])
        raise ValueError(
            f"{both.folder} holds pictures of both modalities: visible in "
            f"{', '.join(both.folders['visible'])}, infrared in "
            f"{', '.join(both.folders['infrared'])}; name the {modality} folders, {folders}, "
            f"or the set, {both.folder} --layout {both.layout}"
        )
    if left_out:
        say(left_out)
    return [os.path.join(path, name) for name in found.pictures]


def read_list(path: Path) -> list[str]:
    paths = []
    for number, line in text_lines(path):
        check_names(f"{path}, line {number}", [line])
        check_length(line, f"{path}, line {number}")
        if not is_picture_name(os.path.basename(line) or "."):
            raise ValueError(
                f"{path}, line {number}: {line[:80]!r} is no picture; list a path per line that "
                f"ends in {', '.join(PICTURE_SUFFIXES)}"
            )
        paths.append(os.path.abspath(path.parent / given_path(line)))
    if not paths:
        raise ValueError(f"{path} lists no picture; write a path per line")
    return paths


def reader_of(source: dict[str, Any], pictures: Pictures, root: str | None = None) -> Read:
    """Reads listed pictures again. root: where they lie now, if they were moved.

    Raises ValueError for a set that lists other pictures by now, a recorded folder on another
    computer, and as the readers.
    """
    if root is None and not (is_local(source["root"]) and os.path.isabs(source["root"])):
        raise ValueError(
            f"the pictures are recorded at {shown(source['root'])}, which is no folder of this "
            "computer"
        )
    root = root or source["root"]
    if "set" not in source:
        return file_reader(pictures._replace(root=root))
    _, modality = source["set"].split("_")
    split = source["set"].removesuffix(f"_{modality}")
    listed = of_set(root, source["set"], SetChoice(source["layout"], split, source["trial"]))
    row_of = {name: row for row, name in enumerate(listed.pictures.paths)}
    missing = [name for name in pictures.paths if name not in row_of]
    if missing:
        raise ValueError(f"{root} has no {missing[0]} by now, and {len(missing) - 1:,} others")
    return lambda index: listed.read(row_of[pictures.paths[index]])
