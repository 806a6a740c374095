"""Where an experiment file is: here, or among those that were installed with the program."""

import importlib
import os
import sys
from pathlib import Path
from typing import NamedTuple


class ExperimentFile(NamedTuple):
    """value: what --config takes. note: one line where the file is the installed one, else ""."""

    value: str
    note: str


def find_experiment(value: str) -> ExperimentFile:
    """`FILE[:recipe]` as it is where FILE is there; else the installed file of that name.

    `sysu` is short for `configs/sysu.py`. A file of the current folder goes first; where there is
    none, `configs/sysu.py` is the one that came with the program. What is neither is returned as
    it was given: opening it tells that there is nothing.
    """
    given, colon, recipe = value.partition(":")
    path = Path(given if given.endswith(".py") else f"configs/{given}.py")
    if path.is_file():
        if path.resolve().parent == Path("configs").resolve():
            import_configs_of_this_folder()
        return ExperimentFile(f"{path}{colon}{recipe}", "")
    installed = installed_folder() / path.name
    if path.parent == Path("configs") and installed.is_file():
        note = f"--config={value}: not here; taking {installed}, installed with the program"
        return ExperimentFile(f"{installed}{colon}{recipe}", note)
    return ExperimentFile(value, "")


def import_configs_of_this_folder() -> None:
    """So that `from configs import common` finds the checkout's in a checkout, as with -m."""
    sys.path.insert(0, os.getcwd())
    try:
        importlib.import_module("configs")
    finally:
        sys.path.pop(0)


def installed_folder() -> Path:
    return Path(importlib.import_module("configs").__path__[0])


def installed_experiments() -> list[str]:
    """The names that --config takes from any folder."""
    shared = ("__init__", "common")
    return sorted(p.stem for p in installed_folder().glob("*.py") if p.stem not in shared)


def with_found_experiment(argv: list[str]) -> tuple[list[str], str]:
    """`argv` with the file that --config means, in both of absl's spellings; and the note."""
    argv = list(argv)
    for place, argument in enumerate(argv):
        flag, equals, value = argument.partition("=")
        if flag not in ("--config", "-config"):
            continue
        if equals:
            found = find_experiment(value)
            argv[place] = f"{flag}={found.value}"
        elif place + 1 < len(argv):
            found = find_experiment(argv[place + 1])
            argv[place + 1] = found.value
        else:
            continue
        return argv, found.note
    return argv, ""
