"""What docstrings, comments and pages call by name exists: `room.module.name`, `room/module`."""

import ast
import io
import re
import tokenize
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHON = {
    path.relative_to(ROOT).with_suffix("").as_posix(): path.read_text()
    for folder in ("pclhd_jax", "data_prep", "configs", "benchmarks", "tests")
    for path in (ROOT / folder).rglob("*.py")
}
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
# Rooms and modules that are also a reader's folder, or a common name of a variable.
NOT_OURS_ALONE = {"data", "settings", "pictures"}
ROOMS = {part for module in PYTHON for part in module.split("/")[:-1]}
OURS = {part for module in PYTHON for part in module.split("/")} - NOT_OURS_ALONE
NAME = re.compile(r"(?<!`)`(\w+(?:[./]\w+)+)(?:\(.*?\))?`(?!`)")
FILES = (".csv", ".json", ".png", ".ipynb")


def texts():
    for module, source in PYTHON.items():
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                yield module, ast.get_docstring(node, clean=False) or ""
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                yield module, token.string
    for page in PAGES:
        yield page.name, page.read_text()


def exists(name):
    """Whether it is a room or module of ours, or a word in the file of such a module."""
    # The wheel has all of it in pclhd_jax.
    name = name.removesuffix("/__init__.py").removesuffix(".py").removeprefix("pclhd_jax.")
    parts = re.split(r"[./]", name)
    if len(parts) == 1:
        return parts[0] in OURS | NOT_OURS_ALONE
    # A room is followed by what lies in it, a module by a name of its file.
    for length in range(len(parts), parts[0] in ROOMS, -1):
        place = "/" + "/".join(parts[:length])
        files = [m for m in PYTHON if f"/{m}".removesuffix("/__init__").endswith(place)]
        if files:
            words = set(re.findall(r"\w+", "".join(PYTHON[m] for m in files)))
            return set(parts[length:]) <= words
    return any(f"/{'/'.join(parts)}/" in f"/{m}" for m in PYTHON)


def is_setting(name):
    return f"c.{name} = " in PYTHON["configs/common"]


def test_every_module_named_in_a_docstring_a_comment_or_a_page_exists():
    named = {
        (place, name)
        for place, text in texts()
        for name in NAME.findall(text)
        if re.split(r"[./]", name)[0] in OURS and not name.endswith(FILES)
        if not re.search(r"NAME|FILE|ROOM", name)  # to be filled in by the reader
    }
    missing = sorted(use for use in named if not exists(use[1]) and not is_setting(use[1]))
    assert len(named) > 100 and not missing


def test_a_module_or_a_name_that_is_not_there_is_noticed():
    assert exists("clustering.labels.pseudo_labels") and exists("clustering/matching.py")
    assert not exists("clustering.epoch") and not exists("clustering.labels.no_such_labels")
