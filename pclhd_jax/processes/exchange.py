"""What several processes do together: agree, wait, share what process 0 found.

With one process every function here is the identity and costs nothing. With several, all of them
call the same ones in the same order, from the main thread; `launch.joined` makes them one run.
"""

import pickle
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

T = TypeVar("T")
SMALLEST = 4096  # bytes of a message; up to here all of them share one compiled program


_number, _count = 0, 1
_apart = False  # while one process does something that the others wait for


def set_place(number: int, count: int) -> None:
    """Which process this is, from 0, of how many."""
    global _number, _count
    _number, _count = number, count


def number() -> int:
    return _number


def count() -> int:
    return _count


def is_first() -> bool:
    """Whether this is the process that labels, writes and prints."""
    return _number == 0


def is_alone() -> bool:
    return _count == 1


def gather(value: T) -> list[T]:
    """What every process gives, by process id; waits for all. `value`: anything that pickles."""
    if is_alone():
        return [value]
    if _apart:
        raise RuntimeError("the other processes wait for this one's work: nothing to gather now")
    from jax.experimental.multihost_utils import process_allgather

    data = np.frombuffer(pickle.dumps(value), np.uint8)
    sizes = process_allgather(np.int32(data.size))
    # Powers of two: every size of an array is a program to compile.
    padded = np.zeros(max(SMALLEST, 1 << int(sizes.max() - 1).bit_length()), np.uint8)
    padded[: data.size] = data
    rows = process_allgather(padded)
    return [
        pickle.loads(row[:size].tobytes()) for row, size in zip(rows, sizes.tolist(), strict=True)
    ]


def barrier(name: str) -> None:
    """Wait until all processes are here. Raises RuntimeError when they are at different ones."""
    names = gather(name)
    if len(set(names)) > 1:
        where = "; ".join(f"process {i} is at {name!r}" for i, name in enumerate(names))
        raise RuntimeError(f"the processes have come apart: {where}; were all started alike?")


def together(name: str, work: Callable[..., T], *args: Any) -> T:
    """`work(*args)` on every process. An error on one of them is raised on all."""
    if is_alone():
        return work(*args)
    barrier(name)
    value, error = None, None
    try:
        with _others_wait():
            value = work(*args)
    except Exception as caught:
        error = caught
    errors = gather(_portable(error))
    if error is None:
        error = next((error for error in errors if error is not None), None)
    if error is not None:
        raise error
    return value


def from_first(work: Callable[..., T], *args: Any) -> T:
    """`work(*args)` on process 0 alone; all get its result, or its error."""
    if is_alone():
        return work(*args)
    value = together(_name(work), work if is_first() else _nothing, *args)
    return gather(value)[0]


def first_then_all(work: Callable[..., T], *args: Any) -> T:
    """`work(*args)` on process 0, then on the others, which find what it left on the disk."""
    if is_alone():
        return work(*args)
    value = together(_name(work), work if is_first() else _nothing, *args)
    rest = together(f"the others: {_name(work)}", _nothing if is_first() else work, *args)
    return value if is_first() else rest


def same_as_first(tree: T) -> T:
    """A pytree of arrays with process 0's values: equal bits where hardware might round apart."""
    if is_alone():
        return tree
    from jax.experimental.multihost_utils import broadcast_one_to_all

    return broadcast_one_to_all(tree)


@contextmanager
def _others_wait() -> Iterator[None]:
    global _apart
    _apart = True
    try:
        yield
    finally:
        _apart = False


def _nothing(*_: Any) -> None:
    return None


def _name(work: Callable) -> str:
    """The same on all processes, for `barrier`."""
    return getattr(work, "func", work).__qualname__


def _portable(error: Exception | None) -> Exception | None:
    """The error as the other processes can raise it: of its type, if that survives pickling."""
    if error is None:
        return None
    try:
        copy = pickle.loads(pickle.dumps(error))
        if str(copy) == str(error):
            return copy
    except Exception:  # whatever an exception class makes of unpickling
        pass
    return RuntimeError(f"{type(error).__name__}: {error}")
