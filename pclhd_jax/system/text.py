"""Text from files and strangers, made safe for a terminal and for a spreadsheet."""

import re
import unicodedata

# Cc: control characters, escape sequences begin with one. Cf: marks that reorder or hide text.
# Cs: halves of surrogate pairs, from file names that are not UTF-8. Zl, Zp: line separators.
HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")
NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
FORMULA = ("=", "+", "-", "@", "\t", "\r")


def printable(text: str, *, keep: str = "\n\t") -> str:
    """`text` with every control, formatting and surrogate character as a visible escape.

    keep: characters that stay although they are control characters.
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
