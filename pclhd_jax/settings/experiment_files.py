"""Experiment files: which one `--config` means, and the settings that it holds."""

import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from ml_collections import ConfigDict, FrozenConfigDict

from pclhd_jax.system.paths import given_path

EXAMPLE = "configs/sysu.py shows how an experiment file looks"


class ExperimentFile(NamedTuple):
    """value: what `plain_config` takes. note: one line where the file is the installed one, else
    ""."""

    value: str
    note: str


def find_experiment(value: str) -> ExperimentFile:
    """`FILE[:recipe]` as it is where FILE is there; else the installed file of that name.

    `sysu` is short for `configs/sysu.py`. A file of the current folder goes first; where there is
    none, `configs/sysu.py` is the one that came with the program. What is neither is returned as
    it was given: opening it tells that there is nothing.
    """
    given, recipe = split_recipe(given_path(value))
    behind = "" if recipe is None else f":{recipe}"
    path = Path(given if given.endswith(".py") else f"configs/{given}.py")
    if path.is_file():
        return ExperimentFile(f"{path}{behind}", "")
    installed = installed_folder() / path.name
    if path.parent == Path("configs") and installed.is_file():
        note = f"--config={value}: not here; taking {installed}, installed with the program"
        return ExperimentFile(f"{installed}{behind}", note)
    return ExperimentFile(f"{given}{behind}", "")


def split_recipe(value: str) -> tuple[str, str | None]:
    """FILE and the recipe behind it, None where there is none. FILE's own path may hold colons."""
    for end in [len(value), *(i for i, character in enumerate(value) if character == ":")]:
        if os.path.isfile(value[:end]):
            return value[:end], value[end + 1 :] if end < len(value) else None
    name = max(value.rfind("/"), value.rfind("\\")) + 1  # also of C:\\x\\sysu.py
    file, colon, recipe = value[name:].partition(":")
    return value[:name] + file, recipe if colon else None


def installed_folder() -> Path:
    return Path(importlib.import_module("pclhd_jax.configs").__path__[0])


def installed_experiments() -> list[str]:
    """The names that --config takes from any folder."""
    shared = ("__init__", "common")
    return sorted(p.stem for p in installed_folder().glob("*.py") if p.stem not in shared)


def plain_config(name: str) -> ConfigDict:
    """The settings of the experiment `FILE[:recipe]`, without any override.

    Raises:
      ValueError: no such file, one that fails, or one that returns no settings. One line with the
        file, the line where it failed, and what helps.
    """
    path, recipe = split_recipe(name)
    with _names_that_files_import():
        module = _run(path)
        get_config = getattr(module, "get_config", None)
        if not callable(get_config):
            raise ValueError(f"{path} has no function get_config(recipe); {EXAMPLE}")
        arguments = [recipe] if recipe else []
        _check_takes(get_config, arguments, path)
        with _told_by_line(path):
            config = get_config(*arguments)
    if not isinstance(config, ConfigDict):
        raise ValueError(
            f"get_config of {path} returns a {type(config).__name__}, not an "
            f"ml_collections.ConfigDict; {EXAMPLE}"
        )
    if not isinstance(config.get("recipe"), str):
        raise ValueError(
            f"the settings of {path} lack a recipe; begin with common.base(recipe), as {EXAMPLE}"
        )
    return ConfigDict(config) if isinstance(config, FrozenConfigDict) else config


def _run(path: str) -> ModuleType:
    if os.path.isdir(path):
        raise ValueError(f"{path} is a folder; name the experiment file in it")
    if not os.path.exists(path):
        raise ValueError(
            f"no such experiment: {path}; name a file, or one of the installed ones (configs/): "
            f"{', '.join(installed_experiments())}"
        )
    if not os.path.isfile(path):
        raise ValueError(f"{path} is not a regular file; name an experiment file")
    module = ModuleType("experiment", None)
    module.__file__ = os.path.abspath(path)
    sys.modules["experiment"] = module  # as an import does: dataclasses look their module up
    with _told_by_line(path):
        code = compile(Path(path).read_bytes(), path, "exec")
        exec(code, module.__dict__)
    return module


@contextmanager
def _told_by_line(path: str) -> Iterator[None]:
    """What an experiment file raises, as a ValueError that names the file's line."""
    try:
        yield
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # whatever else a file may raise: it is not the program's own
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
        line = error.lineno if isinstance(error, SyntaxError) else lines[-1] if lines else None
        what = f"{type(error).__name__}: {error.msg}" if isinstance(error, SyntaxError) else ""
        what = what or "".join(traceback.format_exception_only(error))
        where = f"{path}, line {line}" if line else path
        raise ValueError(f"{where}: {' '.join(what.split())}") from error


def _check_takes(get_config: Any, arguments: list[str], path: str) -> None:
    try:
        signature = inspect.signature(get_config)
    except (TypeError, ValueError):  # built in: calling it tells
        return
    try:
        signature.bind(*arguments)
    except TypeError as error:
        remedy = (
            f"it takes no recipe; give --config={path}, or let the function take one"
            if arguments
            else f"it needs a recipe; give --config={path}:RECIPE"
        )
        raise ValueError(f"get_config{signature} of {path}: {remedy}") from error


@contextmanager
def _names_that_files_import() -> Iterator[None]:
    """Modules in the current folder can be imported, as with `python -m`. `configs` means the
    program's own unless another package has that name."""
    sys.path.insert(0, os.getcwd())
    try:
        if importlib.util.find_spec("configs") is None:
            sys.modules["configs"] = importlib.import_module("pclhd_jax.configs")
        yield
    finally:
        sys.path.remove(os.getcwd())
