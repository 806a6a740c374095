"""Text from files and strangers, made safe for a terminal and for a spreadsheet."""

import re
import unicodedata
from collections.abc import Callable

# Cc: control characters, escape sequences begin with one. Cf: marks that reorder or hide text.
# Cs: halves of surrogate pairs, from file names that are not UTF-8. Zl, Zp: line separators.
HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def printable(text: str, *, keep: str = "\n\t") -> str:
    """`text` with every control, formatting and surrogate character as a visible escape.

    keep: control characters that stay.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c in keep or unicodedata.category(c) not in HIDDEN else _escaped(c) for c in text
    )


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")


def csv_cell(value: object) -> object:
    """A text cell that a spreadsheet would run as a formula, with an apostrophe in front.

    Numbers, also written as text, and other text stay as they are. `csv_text` undoes it.
    """
    is_text = isinstance(value, str) and not NUMBER.fullmatch(value)
    if is_text and value.startswith((*FORMULA, "'")):
        return f"'{value}"
    return value


def csv_text(cell: str) -> str:
    """The text that `csv_cell` was given."""
    return cell[1:] if cell.startswith("'") and cell[1:].startswith((*FORMULA, "'")) else cell


def terminal_columns(text: str) -> int:
    """How many columns a terminal gives to printable text: Chinese characters take two."""
    wide = sum(unicodedata.east_asian_width(c) in "WF" for c in text)
    return len(text) + wide - sum(unicodedata.combining(c) > 0 for c in text)


def shortened(text: str, most: float, size: Callable[[str], float] = terminal_columns) -> str:
    """`text`, or its two ends with dots between them, so that its size is at most `most`.

    Names of one folder often begin alike and end alike. size: of a text, in the unit of `most`.
    """
    if size(text) <= most:
        return text
    fits, too_long = 0, len(text)  # characters kept
    while too_long - fits > 1:
        kept = (fits + too_long) // 2
        if size(_ends(text, kept)) <= most:
            fits = kept
        else:
            too_long = kept
    return _ends(text, fits)


def _ends(text: str, kept: int) -> str:
    head = kept // 2
    return f"{text[:head]}...{text[len(text) - (kept - head) :]}"
