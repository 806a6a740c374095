"""Names what a PyTorch file holds besides tensors, without creating any of it.

A pickle is a program that names classes to call. Here a stand-in that does nothing replaces every
class, and nothing is imported, so it is safe to look at any file.
"""

import io
import pickle
import re
import zipfile
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from pclhd_jax.system.json_shapes import shown

MOST_PICKLE = 64_000_000  # bytes of names and places; the numbers lie elsewhere
MOST_LOOKED_AT = 100_000  # entries
# Before 2020: a magic number, a version, the machine, then the content, each a pickle.
LEGACY_MAGIC, LEGACY_HEAD = 0x1950A86A20F9469CFC6C, 3
TAKEN = re.compile(  # by `weights_only`, with NumPy's numbers
    r"(?!torch\.nn\.modules)torch\..*|numpy\.(_core|core)\.multiarray\.scalar|numpy\.dtypes?(\..*)?"
)
NUMPY_ARRAYS = ("_reconstruct", "ndarray", "_frombuffer")


class StandIn:
    """An object that a pickle asks for; `origin` is its class or function, module and all."""

    origin = ""

    def __new__(cls, *_: Any, **__: Any) -> "StandIn":
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass

    def __setitem__(self, *_: Any) -> None:
        pass

    def __hash__(self) -> int:
        return id(self)

    def append(self, _: Any) -> None:
        pass

    extend = add = append


class Looker(pickle.Unpickler):
    """Makes lists, dicts and plain values; everything else becomes a StandIn."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return dict
        return type("StandInOf", (StandIn,), {"origin": f"{module}.{name}"})

    def persistent_load(self, _: Any) -> StandIn:
        return StandIn()


def stranger_in(path: Path) -> str:
    """The first thing in a file that is neither a tensor nor a plain value, and where; or empty.

    Also empty if the file cannot be parsed.
    """
    try:
        content = looked_at(path)
    except Exception:  # a damaged pickle raises whatever its bytes lead to
        return ""
    found = (
        thing for thing in things_in(content) if not TAKEN.fullmatch(thing[1].origin or "torch.")
    )
    where, thing = next(found, ("", None))
    return f"{where} is {described(thing.origin)}" if thing else ""


def looked_at(path: Path) -> Any:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            (entry,) = (e for e in archive.infolist() if e.filename.endswith("/data.pkl"))
            if entry.file_size > MOST_PICKLE:
                return None
            return Looker(io.BytesIO(archive.read(entry)), encoding="utf-8").load()
    with path.open("rb") as file:
        start = io.BytesIO(file.read(MOST_PICKLE))
    contents = [Looker(start, encoding="utf-8").load()]
    if contents[0] == LEGACY_MAGIC:
        contents += [Looker(start, encoding="utf-8").load() for _ in range(LEGACY_HEAD)]
    return contents[-1]


def things_in(content: Any) -> Iterator[tuple[str, StandIn]]:
    """(where, thing), those near the top first; each list and dict is looked into once."""
    todo, seen, looked = deque([("the whole file", content)]), set(), 0
    while todo and looked < MOST_LOOKED_AT:
        where, thing = todo.popleft()
        looked += 1
        if isinstance(thing, StandIn):
            yield where, thing
        elif isinstance(thing, dict | list | tuple | set) and id(thing) not in seen:
            seen.add(id(thing))
            pairs = thing.items() if isinstance(thing, dict) else enumerate(thing)
            outer = "" if where == "the whole file" else f"{where}, "
            room = MOST_LOOKED_AT - len(todo)
            todo.extend((f"{outer}{shown(key)}", inner) for key, inner in islice(pairs, room))


def described(origin: str) -> str:
    module, _, name = origin.rpartition(".")
    if module.split(".")[0] == "numpy":
        return "a NumPy array" if name in NUMPY_ARRAYS else "a NumPy number"
    if module.startswith("torch.nn"):
        return f"a layer or a model ({shown(origin)[1:-1]})"
    return f"an object of Python ({shown(origin)[1:-1]})"
