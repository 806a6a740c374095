"""Weight files as dicts of NumPy arrays: .safetensors without torch, .pth with it."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

TORCH_SUFFIXES = (".pth", ".pt", ".tar")  # the authors write model_best.pth.tar
OLDEST_TORCH = (2, 6)
SIZE = ("height", "width")  # of pictures, in the metadata
NEEDS_TORCH = """{path} is a PyTorch file and torch is not installed.
pip install torch (the CPU build will do), or convert the file where torch is:
  from pclhd_jax.weights.files import read_state_dict, write_state_dict
  write_state_dict("{stem}.safetensors", read_state_dict("{name}"))"""


class Weights(NamedTuple):
    """picture_size: (height, width) that the encoder was trained on; None if the file has none."""

    tensors: dict[str, np.ndarray]
    picture_size: tuple[int, int] | None


def read_state_dict(path: str | Path) -> dict[str, np.ndarray]:
    """The tensors of a weight file by name. As `read_weights`."""
    return read_weights(path).tensors


def read_weights(path: str | Path) -> Weights:
    """The tensors of a weight file by name; of a checkpoint, those under `state_dict`.

    A .pth file is read with `weights_only=True`: it can hold tensors and plain values, not
    code to run.

    Raises:
      FileNotFoundError: no such file.
      ValueError: an unknown suffix, a damaged file, no torch for a .pth file (with the remedy).
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weight file {path}; see docs/weights.md for sources")
    check_download(path)
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    if path.suffix in TORCH_SUFFIXES:
        return read_torch(path)
    raise ValueError(
        f"{path} ends in {path.suffix!r}; weights are read from .safetensors and from "
        f"{', '.join(TORCH_SUFFIXES)} (with torch)"
    )


def write_state_dict(
    path: str | Path,
    state_dict: Mapping[str, np.ndarray],
    *,
    picture_size: tuple[int, int] | None = None,
) -> None:
    """Write tensors by name: .safetensors, or .pth in the layout of the authors' checkpoints.

    picture_size: (height, width) of the pictures that the encoder takes; written beside the
    tensors, where `read_weights` finds it and other programs look over it.
    Raises ValueError: another suffix, or no torch for .pth.
    """
    size = {} if picture_size is None else dict(zip(SIZE, map(int, picture_size), strict=True))
    path = Path(path)
    if path.suffix == ".safetensors":
        from safetensors.numpy import save_file

        save_file(dict(state_dict), path, {name: str(value) for name, value in size.items()})
    elif path.suffix in TORCH_SUFFIXES:
        torch = import_torch(path)
        tensors = {name: torch.from_numpy(np.array(v)) for name, v in state_dict.items()}
        torch.save({"state_dict": tensors, "epoch": 0, "best_mAP": 0.0} | size, path)
    else:
        raise ValueError(f"{path} ends in {path.suffix!r}; write .safetensors or .pth")


def read_safetensors(path: Path) -> Weights:
    from safetensors import SafetensorError, safe_open
    from safetensors.numpy import load_file

    try:
        with safe_open(path, "np") as file:
            metadata = file.metadata() or {}
        return Weights(load_file(path), size_in(path, metadata))
    except SafetensorError as error:
        raise ValueError(f"{path} cannot be read ({error}); copy or download it again") from error
    except (TypeError, AttributeError) as error:  # bfloat16 and float8, unless JAX taught NumPy
        raise ValueError(
            f"{path} holds numbers that NumPy does not know ({error}); save them in float32"
        ) from error


def size_in(path: Path, record: Mapping[str, Any]) -> tuple[int, int] | None:
    """Raises ValueError for a size that is none."""
    given = [str(record[name]) for name in SIZE if name in record]
    if not given:
        return None
    if len(given) < 2 or not all(text.isascii() and text.isdecimal() for text in given):
        raise ValueError(
            f"{path} says of its picture size ({' and '.join(SIZE)}) {', '.join(given)[:40]}; two "
            "whole numbers are needed: write it again"
        )
    return int(given[0]), int(given[1])


def read_torch(path: Path) -> Weights:
    torch = import_torch(path)
    try:
        with torch.serialization.safe_globals(numpy_scalars()):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises its own, pickle's, zipfile's and plain RuntimeErrors
        first_line = str(error).strip().split("\n")[0]
        raise ValueError(
            f"{path} cannot be read as plain tensors ({first_line}); download it again, or save "
            "its state_dict alone where it was made"
        ) from error
    size = None
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        size = size_in(path, loaded)
        loaded = loaded["state_dict"]
    strange = (
        [name for name, value in loaded.items() if not isinstance(value, torch.Tensor)]
        if isinstance(loaded, dict)
        else [type(loaded).__name__]
    )
    if strange:
        raise ValueError(
            f"{path} holds no state_dict: {', '.join(map(str, strange[:5]))} are not tensors; "
            "save model.state_dict(), alone or under the key 'state_dict'"
        )
    return Weights({name: to_numpy(path, name, value) for name, value in loaded.items()}, size)


def to_numpy(path: Path, name: str, tensor: Any) -> np.ndarray:
    try:
        # NumPy has no bfloat16; wider floats become float32 where they are used.
        widened = tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor
        return widened.detach().numpy()
    except (TypeError, RuntimeError) as error:  # sparse, quantized, or without values
        first_line = str(error).strip().split("\n")[0]
        raise ValueError(
            f"{path}: {name} is no plain tensor ({first_line}); save the state_dict of a model in "
            "float32"
        ) from error


def numpy_scalars() -> list[Any]:
    """What torch must know to read a NumPy number, which the authors' `best_mAP` may be."""
    scalar = np.float64(0).__reduce__()[0]
    names = ("numpy.core.multiarray.scalar", "numpy._core.multiarray.scalar")  # before, since 2.0
    dtypes = [type(np.dtype(code)) for code in ("float64", "float32", "int64")]
    return [*((scalar, name) for name in names), np.dtype, *dtypes]


def import_torch(path: Path) -> Any:
    try:
        import torch
    except ImportError as error:
        raise ValueError(
            NEEDS_TORCH.format(path=path, name=path.name, stem=path.name.split(".")[0])
        ) from error
    version = re.match(r"(\d+)\.(\d+)", torch.__version__)
    if (int(version[1]), int(version[2])) < OLDEST_TORCH:
        raise ValueError(
            f"torch {torch.__version__} is installed, {path} needs 2.6 or newer: before, a file "
            "could run code in spite of weights_only=True (CVE-2025-32434); pip install -U torch"
        )
    return torch


def check_download(path: Path) -> None:
    """torchvision's file names end in the first eight digits of the content's SHA-256."""
    named = re.fullmatch(r"resnet\d+-([0-9a-f]{8})\.pth", path.name)
    if named is None:
        return
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if not found.startswith(named[1]):
        raise ValueError(
            f"{path} has SHA-256 {found[:8]}..., its name says {named[1]}...: a broken download; "
            "fetch it again"
        )
