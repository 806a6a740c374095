"""Checks lists of prepared sets from earlier versions, which have no checksum.

`PreparedSet.read` compares identities and cameras with the records, picture by picture. This file
checks what the records do not show: the order, the splits and RegDB's labels.
"""

from pathlib import Path, PurePosixPath
from typing import Any

from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.data.pictures.prepared_index import INDEX, damaged


def check_lists(root: Path, records: dict[str, list[str]], lists: dict[str, dict]) -> None:
    """Raises ValueError for lists that preparation never wrote.

    records: paths by name; lists: by split, entries of metadata.json.
    """
    for split, entry in lists.items():
        paths = records[entry["record"]]
        if entry["record"] == split:
            sound = entry["rows"] == list(range(len(paths)))
        else:
            sound = split not in records and _one_label_each(paths, entry)
        if not sound:
            raise ValueError(damaged(root, f"{INDEX}: {split} is not the list that was written"))
    for modality in MODALITIES:
        train, test = lists[f"train_{modality}"], lists.get(f"test_{modality}")
        # Sets of one record hold train and test apart; others divide the same pictures.
        if test and train["record"] == test["record"] and {*train["rows"]} & {*test["rows"]}:
            raise ValueError(damaged(root, f"{INDEX}: {modality} pictures in training and test"))


def _one_label_each(paths: list[str], entry: dict[str, Any]) -> bool:
    """Whether each numbered folder, a person, has one label, and each label one folder."""
    pairs = {
        (folder_number(paths[row]), label)
        for row, label in zip(entry["rows"], entry["identities"], strict=True)
    }
    known = [pair for pair in pairs if pair[0] >= 0]
    people, labels = {person for person, _ in known}, {label for _, label in known}
    return len(known) == len(people) == len(labels)


def folder_number(path: str) -> int:
    """The person, by the folder's name; -1 where that is no number."""
    name = PurePosixPath(path).parent.name
    return int(name) if name.isascii() and name.isdigit() and len(name) <= 9 else -1
