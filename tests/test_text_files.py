"""Text files are UTF-8, whatever the locale of the machine says: LC_ALL=C, or Windows."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted([*ROOT.glob("pclhd_jax/**/*.py"), *ROOT.glob("data_prep/*.py")])


def opened_by_locale(source: str) -> list[str]:
    """The calls that open a text file without naming its encoding."""
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
    return [ast.unparse(call) for call in calls if _is_text(call) and not _names_encoding(call)]


def _is_text(call: ast.Call) -> bool:
    function = call.func
    if isinstance(function, ast.Name):
        return function.id == "open" and not _is_binary(call.args[1:2])
    if not isinstance(function, ast.Attribute):
        return False
    if function.attr == "open":  # of a path: Image.open and os.open are given a first argument
        modes = call.args[:1]
        is_mode = modes and isinstance(modes[0], ast.Constant) and len(modes[0].value) <= 3
        return bool(is_mode) and not _is_binary(modes)
    return function.attr in ("read_text", "write_text")


def _is_binary(modes: list[ast.expr]) -> bool:
    """A mode that a variable holds is that of a function which chooses the encoding."""
    return any(not isinstance(mode, ast.Constant) or "b" in mode.value for mode in modes)


def _names_encoding(call: ast.Call) -> bool:
    return any(keyword.arg == "encoding" for keyword in call.keywords)


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_text_files_are_opened_as_utf_8(path):
    assert opened_by_locale(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "source", ["open(p)", "open(p, 'w')", "p.open('a')", "p.read_text()", "p.write_text(t)"]
)
def test_a_file_opened_by_the_locale_is_found(source):
    assert opened_by_locale(source) == [source]


@pytest.mark.parametrize(
    "source", ["open(p, 'rb')", "p.open('x+b')", "p.read_text(encoding='utf-8')", "read_text(p, 9)"]
)
def test_a_file_opened_as_bytes_or_as_utf_8_is_well(source):
    assert opened_by_locale(source) == []
