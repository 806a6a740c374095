"""Pictures and people in two places: both modalities, training and test, a list twice."""

import posixpath
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from pclhd_jax.data.lists import Pictures, same_spelling
from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.data.pictures.old_index import folder_number

from .sources import ONLY, Source

RESTORE = "restore the split files from the data set"
REPLACE = "put the right pictures there"
SIDES = ("train", "test")


class Overlaps(NamedTuple):
    problems: list[str]
    notes: list[str]


def find_overlaps(source: Source, contents: Mapping[str, bytes], *, published: bool) -> Overlaps:
    """Compares the lists and the bytes of a set; one line for each finding.

    contents: a digest of each file by path; empty for files that are not compared. published: the
    set has the published numbers, so equal pictures in training and test come from its authors.
    """
    found = Overlaps([], [])
    _compare_paths(source, found.problems)
    _compare_contents(source, contents, found, published)
    _compare_people(source, found)
    _compare_spelling(source, found.notes)
    return found


def _compare_paths(source: Source, problems: list[str]) -> None:
    for trial, lists in source.trials.items():
        for split, pictures in lists.items():
            counts = Counter(map(posixpath.normpath, pictures.paths))
            _tell(
                problems,
                f"pictures are listed twice in {_name(split, trial)}",
                (path for path, count in counts.items() if count > 1),
                RESTORE,
            )
    visible, infrared = (_paths_of(source, modality) for modality in MODALITIES)
    _tell(problems, "pictures are in BOTH modalities", visible & infrared, RESTORE)
    shared: set[str] = set()
    for lists in source.trials.values():
        train, test = (_paths_in(lists, side) for side in SIDES)
        shared |= train & test
    _tell(problems, "pictures are in training AND test", shared, RESTORE)


def _compare_contents(
    source: Source, contents: Mapping[str, bytes], found: Overlaps, published: bool
) -> None:
    by_modality = [_by_content(_paths_of(source, modality), contents) for modality in MODALITIES]
    same = "are byte for byte the same as pictures of"
    _tell(
        found.problems,
        f"visible pictures {same} the infrared modality",
        _pairs(*by_modality),
        REPLACE,
    )
    shared = set()
    for lists in source.trials.values():
        shared |= set(_pairs(*(_by_content(_paths_in(lists, side), contents) for side in SIDES)))
    lines = found.notes if published else found.problems
    _tell(lines, f"training pictures {same} the test set", shared, REPLACE)
    for modality, by_content in zip(MODALITIES, by_modality, strict=True):
        again = [f"{paths[0]} and {paths[1]}" for paths in by_content.values() if len(paths) > 1]
        _tell(found.notes, f"{modality} pictures are there twice, byte for byte", again)


def _compare_people(source: Source, found: Overlaps) -> None:
    """Compares people in numbered splits, where a folder is a person and labels differ by list."""
    both, unclear = set(), set()
    for trial, lists in source.trials.items():
        if trial == ONLY:
            continue
        people = [{folder_number(path) for path in _paths_in(lists, side)} for side in SIDES]
        both |= {f"{person} (split {trial})" for person in people[0] & people[1] - {-1}}
        for side in SIDES:
            of_label: dict[int, int] = {}
            for pictures in _of_side(lists, side):
                for path, label in zip(pictures.paths, pictures.identities_N.tolist(), strict=True):
                    if of_label.setdefault(label, folder_number(path)) != folder_number(path):
                        unclear.add(f"{label} ({side} {trial})")
    _tell(found.problems, "people are in training AND test", both, RESTORE)
    _tell(
        found.notes, "labels belong to folders of several people", unclear, "scores depend on them"
    )


def _compare_spelling(source: Source, notes: list[str]) -> None:
    paths = _paths_of(source, "visible") | _paths_of(source, "infrared")
    counts = Counter(map(same_spelling, paths))
    twice = [path for path in paths if counts[same_spelling(path)] > 1]
    what = "names differ only in letter case or in how accents are written"
    _tell(notes, what, twice, "some systems take them for one file, so rename them")


def _tell(lines: list[str], what: str, found: Iterable[str], remedy: str = "") -> None:
    if names := sorted(found):
        end = f"; {remedy}" if remedy else ""
        lines.append(f"{len(names):,} {what}, the first is {names[0]}{end}")


def _paths_of(source: Source, modality: str) -> set[str]:
    return {
        posixpath.normpath(path)
        for name, pictures in source.records.items()
        if name.endswith(modality)
        for path in pictures.paths
    }


def _of_side(lists: dict[str, Pictures], side: str) -> list[Pictures]:
    return [pictures for split, pictures in lists.items() if split.startswith(f"{side}_")]


def _paths_in(lists: dict[str, Pictures], side: str) -> set[str]:
    return {
        posixpath.normpath(path) for pictures in _of_side(lists, side) for path in pictures.paths
    }


def _by_content(paths: Iterable[str], contents: Mapping[str, bytes]) -> dict[bytes, list[str]]:
    found: dict[bytes, list[str]] = {}
    for path in sorted(paths):
        if contents.get(path):
            found.setdefault(contents[path], []).append(path)
    return found


def _pairs(one: dict[bytes, list[str]], other: dict[bytes, list[str]]) -> list[str]:
    """'a.jpg (b.jpg)' for each path of one whose content is under another path of the other."""
    return [
        f"{path} ({others[0]})"
        for content in one.keys() & other.keys()
        for path in one[content]
        if (others := [twin for twin in other[content] if twin != path])
    ]


def _name(split: str, trial: int) -> str:
    return split if trial == ONLY else f"{split} of split {trial}"
