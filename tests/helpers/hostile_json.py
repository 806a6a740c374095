"""A JSON file, and every way in which it can be another one: of its bytes, and of each field."""

import copy
import json
from collections.abc import Iterator
from typing import Any

DEEP: Any = []
for _ in range(500):
    DEEP = [DEEP]
CODES = "\x1b[2J\u202e"
OTHERS = (None, -1, 10**30, 1.5, float("nan"), "text", CODES, [], [[]], {}, {"a": 1}, True)


def damaged(data: bytes) -> Iterator[tuple[str, bytes]]:
    """(what was done, the bytes)"""
    yield "empty", b""
    yield "cut short", data[: len(data) // 2]
    yield "not UTF-8", data.replace(b'"', b'"\x9a', 1)
    yield "UTF-16", data.decode().encode("utf-16")
    yield "a zero byte", data.replace(b" ", b"\0", 1) + b"\0"
    yield "nested", b"[" * 100_000 + b"\n"
    yield "objects nested", b'{"a":' * 100_000 + b"\n"
    yield "many digits", b'{"a": ' + b"9" * 5000 + b"}\n"
    yield "a name twice", b'{"a": 1, "a": 2}\n'
    yield "not a number", b'{"a": NaN}\n'
    for text in ("[1]", "1", "null", '"text"', "{}", "[[]]", "true"):
        yield text, text.encode() + b"\n"


def changed(value: Any) -> Iterator[tuple[str, Any]]:
    """(what was done, the value) for every place of a value: left out, and each of `OTHERS`."""
    for path in places(value):
        name = ".".join(map(str, path))
        for other in (*OTHERS, DEEP):
            yield f"{name} = {str(other)[:20]}", with_other(value, path, other)
        yield f"{name} left out", without(value, path)


def places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in pairs:
        yield (*path, key)
        if isinstance(inner, dict | list):
            yield from places(inner, (*path, key))


def with_other(value: Any, path: tuple, other: Any) -> Any:
    whole = copy.deepcopy(value)
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = other
    return whole


def without(value: Any, path: tuple) -> Any:
    whole = copy.deepcopy(value)
    inner = whole
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return whole


def variants(value: Any) -> Iterator[tuple[str, bytes]]:
    yield from damaged(json.dumps(value).encode() + b"\n")
    for what, other in changed(value):
        yield what, json.dumps(other).encode() + b"\n"
