"""Folder names with every printable character: is what is saved there read again?"""

import os
from collections.abc import Iterator
from pathlib import Path

from benchmarks.corruption import outcome, tiny_checkpoints
from benchmarks.doors import Try

ASCII = [chr(code) for code in range(32, 127) if chr(code) != "/"]
# Marks, other scripts, a character outside the basic plane, a byte that is not UTF-8, a newline.
OTHERS = ["é", "e\u0301", "日本", "\u202e", "😀", os.fsdecode(b"\xff"), "\n", "\t"]
PATTERNS = ["[a]", "[!a]", "{a,b}", "**", "?*", "\\d", "~", "$HOME", "%s", "a b", "-x", ".hidden"]


def tries(root: Path) -> Iterator[Try]:
    for number, text in enumerate([*ASCII, *OTHERS, *PATTERNS]):
        plain = text in PATTERNS  # as the whole name, too
        for name in (f"a{text}b", *([text] if plain else [])):
            folder = root / str(number) / name
            folder.mkdir(parents=True)
            yield Try(f"a save in {name!r}", *saved_and_restored(folder))


def saved_and_restored(folder: Path) -> tuple[str, str]:
    before = sorted(folder.parent.iterdir())
    try:
        saved = tiny_checkpoints((1, 2), folder)
        done, said = outcome(saved, folder, "checkpoints", "")
    except (ValueError, OSError) as error:
        return "told", str(error)
    except Exception as error:
        return "TRACEBACK", f"{type(error).__name__}: {error}"
    if sorted(folder.parent.iterdir()) != before:
        return "LOST", "something was written beside the folder"
    return ("worked", "") if done == "exact" else ("LOST", f"{done}: {said}")
