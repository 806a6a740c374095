"""Loops that numba compiles, and keeps on disk if it can. They also work without a cache.

numba's own `cache=True` raises at import if no folder can be written, and at every call if a file
of its cache is damaged.
"""

import hashlib
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numba
from numba.core import serialize
from numba.core.caching import CompileResultCacheImpl, FunctionCache

from pclhd_jax.system.caches import cache_folder


def compiled(**options: Any) -> Callable[[Callable], Callable]:
    """`numba.njit(**options)`, from the cache if it is there."""

    def decorate(function: Callable) -> Callable:
        loop = numba.njit(**options)(function)
        try:
            loop._cache = LoopCache(function)  # what cache=True does, with ours
        except Exception:  # no place, NUMBA_DISABLE_JIT, another numba: compiled at each start
            return loop
        return loop

    return decorate


class Place:
    """The folder of one source file's loops, as numba asks for it."""

    def __init__(self, folder: Path, source: Path, line: int):
        self.folder, self.source, self.line = folder, source, line

    @classmethod
    def from_function(cls, function: Callable, source: str) -> "Place | None":
        given = numba.config.CACHE_DIR  # NUMBA_CACHE_DIR
        folder = Path(given) if given else cache_folder("loops")
        if folder is None:
            return None
        checkout = hashlib.sha256(os.path.abspath(source).encode(errors="surrogateescape"))
        return cls(
            folder / checkout.hexdigest()[:16], Path(source), function.__code__.co_firstlineno
        )

    def ensure_cache_path(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        return str(self.folder)

    def get_source_stamp(self) -> str:
        return hashlib.sha256(self.source.read_bytes()).hexdigest()

    def get_disambiguator(self) -> str:
        return str(self.line)


class Checked(CompileResultCacheImpl):
    """Machine code with its checksum, because the processor would run a flipped bit."""

    _locator_classes = (Place,)

    def reduce(self, compiled: Any) -> tuple[bytes, bytes]:
        data = serialize.dumps(super().reduce(compiled))
        return hashlib.sha256(data).digest(), data

    def rebuild(self, target_context: Any, kept: tuple[bytes, bytes]) -> Any:
        digest, data = kept
        if hashlib.sha256(data).digest() != digest:
            raise ValueError("damaged")
        return super().rebuild(target_context, pickle.loads(data))


class LoopCache(FunctionCache):
    """numba's cache, which compiles again what it cannot read and ignores what it cannot write."""

    _impl_class = Checked

    def load_overload(self, *signature: Any) -> Any:
        try:
            return super().load_overload(*signature)
        except Exception:  # pickle raises nearly anything for bytes that are none of its own
            self._forget()
            return None

    def save_overload(self, *loop: Any) -> None:
        try:
            super().save_overload(*loop)
        except Exception:  # the disk is full, or the folder has gone
            self._forget()

    def _forget(self) -> None:
        try:
            self.flush()
        except Exception:
            self.disable()
