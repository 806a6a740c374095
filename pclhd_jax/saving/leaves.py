"""The leaves of a pytree by name: their kinds, their bits and their digest."""

import hashlib
import json
from typing import Any

import jax
import numpy as np

from pclhd_jax.saving.integrity import shortened


def named_leaves(tree: Any) -> dict[str, Any]:
    """The leaves of a pytree by path, such as `params/bottleneck/scale`."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): leaf
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def kind_of(leaf: Any) -> list:
    return [np.dtype(leaf.dtype).name, list(leaf.shape)]


def check_fits(saved: Any, like: Any, where: str) -> None:
    """Raises ValueError where two pytrees differ in the names, types or shapes of their leaves."""
    there, here = (
        {name: kind_of(leaf) for name, leaf in named_leaves(tree).items()} for tree in (saved, like)
    )
    wrong = [
        f"{name}: there {there.get(name, 'absent')}, here {here.get(name, 'absent')}"
        for name in sorted(there.keys() | here.keys())
        if there.get(name) != here.get(name)
    ]
    if wrong:
        raise ValueError(
            f"{where} is of other settings than these; {shortened(wrong)}; "
            "bring those settings back, or name another --workdir"
        )


def other_leaves(saved: Any, back: Any) -> list[str]:
    """The names of the leaves, host arrays, that are not in `back` bit by bit."""
    here = named_leaves(back)
    return [
        name
        for name, leaf in named_leaves(saved).items()
        if kind_of(leaf) != kind_of(here[name])
        or not np.array_equal(bytes_of(leaf), bytes_of(here[name]))
    ]


def digest_of_leaves(tree: Any) -> str:
    """Of the name, type, shape and bytes of every leaf, host arrays."""
    digests = {}
    for name, array in named_leaves(tree).items():
        hashed = hashlib.blake2b(json.dumps(kind_of(array)).encode(), digest_size=16)
        hashed.update(bytes_of(array))
        digests[name] = [*kind_of(array), hashed.hexdigest()]
    return hashlib.blake2b(json.dumps(digests, sort_keys=True).encode(), digest_size=16).hexdigest()


def bytes_of(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
