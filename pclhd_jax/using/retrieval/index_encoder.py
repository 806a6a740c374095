"""The encoder that an index names: `embed` records its path, and `search` finds it there."""

import os
from contextlib import suppress
from pathlib import Path

from pclhd_jax.processes.progress import say
from pclhd_jax.saving.checkpoint_name import RunCheckpoint, parse_checkpoint
from pclhd_jax.system.paths import is_local
from pclhd_jax.system.text import printable
from pclhd_jax.using.encoder import Encoder, load_encoder
from pclhd_jax.using.retrieval.index import Index, file_of

ABSOLUTE, BESIDE = "checkpoint_path", "checkpoint_beside"  # keys of NAME.json


def checkpoint_places(
    checkpoint: str | os.PathLike, encoder: Encoder, index: Path
) -> dict[str, str]:
    """The checkpoint for NAME.json, as an absolute path and as a path relative to the index.

    For a workdir it is the checkpoint that was newest, so that the index names the same encoder
    while the run continues. The second path stays valid if both move together.
    """
    named = parse_checkpoint(checkpoint)
    if isinstance(named, RunCheckpoint):
        path = named.workdir / "checkpoints" / str(encoder.epochs_done)
    else:
        path = named.path
    places = {ABSOLUTE: os.fspath(path)}
    with suppress(ValueError):  # on Windows: two drives
        places[BESIDE] = Path(os.path.relpath(path, os.path.abspath(index.parent))).as_posix()
    return places


def encoder_of_index(index: Index) -> Encoder:
    """The encoder that NAME.json names, if it is still there with the same weights.

    The paths come from a file that a stranger may have made. They are opened only as checkpoints or
    weight files, with the checks of `load_encoder`, and a line says what was loaded.

    Raises:
      FileNotFoundError: it is not there, or the index does not say where.
      ValueError: other weights lie there, or it cannot be read.
    """
    header = file_of(index.name, ".json")
    paths = named_paths(index)
    remedy = f"give --checkpoint, the encoder of the index ({shown(index.header['checkpoint'])})"
    if not paths:
        raise FileNotFoundError(f"{header} does not say where its encoder is; {remedy}")
    there = [path for path in paths if os.path.exists(path)]
    if not there:
        raise FileNotFoundError(
            f"the encoder that {header} names is not at {shown(paths[0])} any more; {remedy}"
        )
    reasons = []
    for path in there:
        try:
            encoder = load_encoder(path, **picture_size(index))
        except (ValueError, OSError) as error:
            reasons.append(f"the encoder that {header} names cannot be loaded: {error}")
            continue
        if encoder.digest == index.header["encoder"]:
            say(f"encoder: {shown(encoder.origin)}, which {header.name} names")
            return encoder
        reasons.append(
            f"{shown(path)} holds other weights (encoder {encoder.digest}) than those that made "
            f"{header} ({index.header['encoder']})"
        )
    raise ValueError(f"{reasons[0]}; {remedy}, or embed the pictures again")


def picture_size(index: Index) -> dict[str, int]:
    """The size of the index's pictures: a weight file may not tell it, a run takes no other."""
    return {side: index.header[side] for side in ("height", "width")}


def named_paths(index: Index) -> list[str]:
    """The path relative to the index comes first: if both were copied, it is the copy."""
    beside, absolute = (index.header.get(key) for key in (BESIDE, ABSOLUTE))
    paths = []
    if is_local(beside) and not os.path.isabs(beside):
        paths.append(os.path.abspath(index.name.parent / beside))
    if is_local(absolute) and os.path.isabs(absolute) and absolute not in paths:
        paths.append(absolute)
    return paths


def shown(path: str) -> str:
    return printable(path, keep="")
