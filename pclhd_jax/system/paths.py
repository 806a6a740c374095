"""Paths as users give them: on the command line, in a config, in a list."""

import os
from collections.abc import Iterable

Paths = str | os.PathLike | Iterable[str | os.PathLike]  # one path is a list of one


def given_path(path: str | os.PathLike) -> str:
    """The path with a leading `~` or `~user` expanded; an empty path stays empty.

    A shell does not expand the tilde in `--flag=~/x`, and Python would make a folder named `~`.
    An existing file whose own name begins with a tilde keeps its name.

    Raises:
      TypeError: what is no path, by name. ValueError: the home folder is not known, and nothing
        has the name as it stands.
    """
    if not isinstance(path, str | bytes | os.PathLike):
        shown = " ".join(repr(path).split())[:60]
        raise TypeError(f"{shown} is no path; give a text or a pathlib.Path")
    text = os.fsdecode(path)
    if not text.startswith("~"):
        return text
    expanded = os.path.expanduser(text)
    if expanded.startswith("~") and not os.path.lexists(text):
        first = text.split(os.sep)[0]
        raise ValueError(
            f"{text}: the home folder {first} is not known on this machine; write the whole path, "
            f"or ./{text} for a name that begins with a tilde"
        )
    return expanded


def several(paths: Paths) -> list[str]:
    """One path or several as a list, each as `given_path` gives it.

    Raises as that; ValueError: none is given.
    """
    if isinstance(paths, str | bytes | os.PathLike) or not isinstance(paths, Iterable):
        paths = [paths]
    found = [given_path(path) for path in paths]
    if not found:
        raise ValueError("no path is given; give at least one")
    return found


def is_local(path: object) -> bool:
    """Whether a stranger's path may be asked for: not of another computer.

    Windows would send that one the user's name and password.
    """
    if not isinstance(path, str) or not path or "\0" in path:
        return False
    return not path.startswith(("\\\\", "//", "\\/", "/\\"))
