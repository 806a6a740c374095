"""Small files that parse but hold something else, and files that do not parse: what is said?"""

import contextlib
import io
import json
import math
import re
import shutil
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.doors import Try
from pclhd_jax.commands.verbs import main as pclhd

WHOLE = {
    "nothing": b"",
    "a list": b"[1]",
    "null": b"null",
    "a number": b"7",
    "a text": b'"x"',
    "an empty object": b"{}",
    "not UTF-8": b'{"a": "\x9a"}',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf{}",
    "no end": b'{"a": ',
    "deep nesting": b"[" * 100_000,
    "a number of 5,000 digits": b"9" * 5_000,
    "zeros": bytes(1_000),
    "HTML": b"<!DOCTYPE html><html></html>",
}
MISSING = object()
VALUES = (MISSING, None, -1, "x", [], {}, [1, "x"], math.nan, 10**400, True)


def tries(root: Path) -> Iterator[Try]:
    sample = root / "sample"
    make_sample(sample)
    for file, commands in DOORS.items():
        for command in commands:
            yield from through(sample, file, command)


def make_sample(folder: Path) -> None:
    """A finished run, an index and queries of it, a prepared set and a weight file."""
    from pclhd_jax.training.train import train_and_evaluate
    from tests.helpers.tiny import tiniest_config

    folder.mkdir()
    config = tiniest_config(folder / "set")
    config.model.depth = 18  # the least that has torch's names
    config.stage1.batches_per_epoch = 2
    train_and_evaluate(config, folder / "run")
    quiet(
        ["embed", f"{folder}/run", f"{folder}/set/cam1", "--modality=visible", f"--out={folder}/g"]
    )
    quiet(
        ["embed", f"{folder}/run", f"{folder}/set/cam3", "--modality=infrared", f"--out={folder}/q"]
    )
    quiet(["export", f"{folder}/run", "--format=torch", f"--out={folder}/w.safetensors"])
    own = folder / "own"
    for modality, camera in (("visible", 1), ("infrared", 3)):
        shutil.copytree(folder / f"set/cam{camera}", own / modality)
    names = sorted(path.relative_to(own) for path in own.rglob("*.jpg"))
    rows = [f"{name.as_posix()},{int(name.parts[1])},1" for name in names[::2]]
    (own / "identities.csv").write_text("\n".join(["path,identity,camera", *rows]) + "\n")
    quiet(
        ["prepare", "sysu", f"--source={folder}/set", f"--data_dir={folder}/p", "--allow_partial"]
    )


SUMMARIZE, INSPECT, VISUALIZE = (
    ("summarize", "{}/run"),
    ("inspect", "{}/run"),
    ("visualize", "{}/run"),
)
SWEEP = ("visualize", "--clusters", "{}/run", "--out={}/sweep.png")
EMBED = ("embed", "{}/run", "{}/set/cam1", "--modality=visible", "--out={}/new")
SEARCH = ("search", "{}/g", "{}/q", "--out={}/found", "--sheet_queries=2")
CHECK = ("check", "folders", "--source={}/own")
SYSU = ("check", "sysu", "--source={}/set", "--allow_partial")
AGAIN = ("prepare", "sysu", "--source={}/set", "--data_dir={}/p", "--allow_partial")
WEIGHTS = ("inspect", "{}/w.safetensors")
SLOW = ("visualize", "embed")  # these are tried with every tenth change
# File of the sample -> the commands that read it; a folder stands for one file in it (`single`).
DOORS = {
    "run/config.json": (SUMMARIZE, INSPECT, EMBED, VISUALIZE),
    "run/metrics.jsonl": (SUMMARIZE, VISUALIZE),
    "run/timing.jsonl": (VISUALIZE,),
    "run/pictures.json": (VISUALIZE,),
    "run/features": (SWEEP,),
    "run/checkpoints/2/manifest.json": (INSPECT,),
    "g.json": (SEARCH,),
    "g.csv": (SEARCH,),
    "g.npy": (SEARCH,),
    "q.json": (SEARCH,),
    "own/identities.csv": (CHECK,),
    "set/exp/test_id.txt": (SYSU,),
    "p": (AGAIN,),
    "w.safetensors": (WEIGHTS,),
}


def through(sample: Path, file: str, command: tuple[str, ...]) -> Iterator[Try]:
    """Every change of a file, each read by one command; the file is put back."""
    path = single(sample / file)
    content = path.read_bytes()
    undisturbed = outcome_of(sample, command)
    if undisturbed[0] != "ended well":
        yield Try(f"{command[0]} of the sample", "TRACEBACK", str(undisturbed))
        return
    each = 10 if command[0] in SLOW else 1
    for what, changed, must_tell in islice(changes(path.suffix, content), 0, None, each):
        path.write_bytes(changed)
        ended, said = outcome_of(sample, command)
        path.write_bytes(content)
        names = (path.name, field_of(what))
        told = judged(ended, said, undisturbed[1], must_tell, names)
        yield Try(f"{command[0]}: {file}: {what}", *told)


def single(path: Path) -> Path:
    """The newest file of a folder of features, the metadata of a prepared set; else the path."""
    if path.is_dir():
        found = sorted([*path.glob("epoch-*.npz"), *path.rglob("metadata.json")])
        return found[-1]
    return path


def field_of(what: str) -> str:
    """The field that was changed, such as `data.synthetic`; of a list, the list."""
    return re.sub(r"\.\d+$", "", what.split(" ")[0])


def judged(
    ended: str, said: str, before: str, must_tell: bool, names: tuple[str, ...]
) -> tuple[str, str]:
    """A command that does its work without the file is well, too, if it names file or field."""
    if ended == "traceback":
        return "TRACEBACK", said
    if ended == "one line":
        return "told", said
    if ended == "many lines":
        return "TRACEBACK", said
    if said == before and not must_tell:
        return "worked", ""  # this command does not read that
    new = [line for line in said.splitlines() if line not in before.splitlines()]
    told = any(name in line for line in new for name in names)
    return ("told" if told else "SILENT"), "; ".join(new)


def changes(suffix: str, content: bytes) -> Iterator[tuple[str, bytes, bool]]:
    """What is changed, the new content, and whether the command must not end well."""
    for what, whole in WHOLE.items():
        yield what, whole, True
    yield "cut to half", content[: len(content) // 2], False
    for place in np.linspace(0, len(content) - 1, 24).astype(int):
        yield f"byte {place} flipped", flipped(content, place), False
    if suffix == ".json":
        for where, changed in fields(json.loads(content)):
            yield where, json.dumps(changed).encode(), False
    if suffix == ".jsonl":
        first, *rest = content.splitlines(keepends=True)
        for where, changed in fields(json.loads(first)):
            yield where, b"".join([json.dumps(changed).encode() + b"\n", *rest]), False


def flipped(content: bytes, place: int) -> bytes:
    changed = bytearray(content)
    changed[place] ^= 0xFF
    return bytes(changed)


def fields(record: Any) -> Iterator[tuple[str, Any]]:
    """The record with one field of it, at any depth, of another type or gone."""
    for path in sorted(paths_of(record), key=str):
        value = record
        for key in path:
            value = value[key]
        for other in VALUES:
            if other is not MISSING and type(other) is type(value):
                continue
            copy = json.loads(json.dumps(record))
            owner = copy
            for key in path[:-1]:
                owner = owner[key]
            if other is MISSING:
                del owner[path[-1]]
            else:
                owner[path[-1]] = other
            name = "gone" if other is MISSING else f"{json.dumps(other)[:20]}"
            yield f"{'.'.join(map(str, path))} {name}", copy


def paths_of(record: Any, depth: int = 3) -> set[tuple]:
    """Keys and places at each level; of a list the first and the last alone."""
    if isinstance(record, dict):
        items = list(record.items())
    elif isinstance(record, list) and record:
        items = [(0, record[0])]
    else:
        return set()
    below = (
        {(key, *rest) for key, value in items for rest in paths_of(value, depth - 1)}
        if depth
        else set()
    )
    return {(key,) for key, _ in items} | below


def outcome_of(sample: Path, command: tuple[str, ...]) -> tuple[str, str]:
    """How a command ends, in this process, and what it says; what it writes is removed."""
    kept = set(sample.iterdir())
    try:
        return quiet([argument.format(sample) for argument in command])
    finally:
        for path in set(sample.iterdir()) - kept:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for leftover in (sample / "run/page", sample / "run/sweep.png"):
            shutil.rmtree(leftover, ignore_errors=True)


def quiet(arguments: list[str]) -> tuple[str, str]:
    said = io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        try:
            pclhd(arguments)
        except SystemExit as end:
            if end.code in (None, 0):
                return "ended well", said.getvalue()
            text = end.code if isinstance(end.code, str) else said.getvalue()
            return ("one line" if len(text) < 4_000 else "many lines"), text
        except BaseException as error:
            return "traceback", f"{type(error).__name__}: {error}"
    return "ended well", said.getvalue()
