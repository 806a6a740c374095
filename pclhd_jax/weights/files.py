"""Weight files as dicts of NumPy arrays: .safetensors without torch, .pth with it."""

import hashlib
import re
import warnings
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pclhd_jax.system.json_shapes import shown
from pclhd_jax.system.text import printable
from pclhd_jax.weights.foreign_files import what_it_is
from pclhd_jax.weights.pickled_objects import stranger_in

TORCH_SUFFIXES = (".pth", ".pt", ".tar")  # the authors write model_best.pth.tar
OLDEST_TORCH = (2, 6)
SIZE = ("height", "width")  # of pictures, in the metadata
SAVE_ALONE = (
    "load it where it was made and save the tensors alone, torch.save(model.state_dict(), FILE)"
)
DAMAGED = (
    "cannot be read as plain tensors: it is cut short, damaged, or not a file of PyTorch; copy or "
    "download it again"
)
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
    if path.is_dir():
        raise ValueError(
            f"{path} is a folder; name a weight file. A run's encoder becomes one by "
            "python -m pclhd_jax export --format torch"
        )
    if not path.exists():
        raise FileNotFoundError(f"no weight file {path}; see docs/weights.md for sources")
    if words := what_it_is(path):
        raise ValueError(f"{path} {words}; see docs/weights.md for sources of weights")
    check_download(path)
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    if path.suffix in TORCH_SUFFIXES:
        return read_torch(path)
    raise ValueError(
        f"{path} ends in {path.suffix!r}; weights are read from .safetensors and from "
        f"{', '.join(TORCH_SUFFIXES)} (with torch). A checkpoint of a run is named by its folder, "
        "RUN/checkpoints/12"
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
    except (TypeError, AttributeError, KeyError) as error:  # bfloat16 and float8, unless JAX
        raise ValueError(  # taught NumPy
            f"{path} holds numbers that NumPy does not know ({error}); save them in float32"
        ) from error


def size_in(path: Path, record: Mapping[str, Any]) -> tuple[int, int] | None:
    """Raises ValueError for a size that is none."""
    given = [str(record[name]) for name in SIZE if name in record]
    if not given:
        return None
    if len(given) < 2 or not all(re.fullmatch("[0-9]{1,5}", t) for t in given):
        raise ValueError(
            f"{path} gives the picture size ({' and '.join(SIZE)}) as {shown(', '.join(given))}; "
            "it must be two whole numbers; write the file again"
        )
    return int(given[0]), int(given[1])


def read_torch(path: Path) -> Weights:
    torch = import_torch(path)
    check_archive(path)
    try:
        with torch.serialization.safe_globals(numpy_scalars()), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old formats; errors are explained below
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises its own, pickle's, zipfile's and plain RuntimeErrors
        # Without torch's own text, which advises switching off its safety.
        raise ValueError(f"{path} {why_unread(path, error)}") from error
    size = None
    if isinstance(loaded, dict) and isinstance(loaded.get("state_dict"), dict):
        size = size_in(path, loaded)
        loaded = loaded["state_dict"]
    if not isinstance(loaded, dict):
        raise ValueError(
            f"{path} holds a value of type {type(loaded).__name__}, not a state_dict; {SAVE_ALONE}"
        )
    strange = [
        name
        for name, value in loaded.items()
        if not (isinstance(name, str) and isinstance(value, torch.Tensor))
    ]
    if strange:
        raise ValueError(
            f"{path} is not a state_dict: {', '.join(map(in_short, strange[:5]))} are not tensors; "
            "save model.state_dict(), alone or under the key 'state_dict'"
        )
    return Weights({name: to_numpy(path, name, value) for name, value in loaded.items()}, size)


def check_archive(path: Path) -> None:
    """Raises ValueError for an empty file and for one whose tensors would take more than it has."""
    size = path.stat().st_size
    if not size:
        raise ValueError(f"{path} is empty; copy or download it again")
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as archive:
            total = sum(entry.file_size for entry in archive.infolist())
    except Exception as error:  # zipfile and struct raise errors that share no class
        raise ValueError(f"{path} {DAMAGED} ({type(error).__name__})") from error
    if total > size:
        raise ValueError(
            f"{path} has {size:,} bytes and unpacks to {total:,}; PyTorch never compresses; "
            "take the file from where it was made"
        )


def why_unread(path: Path, error: Exception) -> str:
    """The end of a sentence: the reason, and what to do."""
    stranger = stranger_in(path)
    if stranger:
        return f"cannot be read as plain tensors: {stranger}; {SAVE_ALONE}"
    return f"{DAMAGED} (PyTorch raised {type(error).__name__})"


def to_numpy(path: Path, name: str, tensor: Any) -> np.ndarray:
    try:
        if tensor.numel() * tensor.element_size() > tensor.untyped_storage().nbytes():
            raise TypeError("it repeats its numbers")  # a few of them would become any number
        # NumPy has no bfloat16; wider floats become float32 where they are used.
        widened = tensor.float() if str(tensor.dtype) == "torch.bfloat16" else tensor
        return widened.detach().numpy()
    except (TypeError, RuntimeError, NotImplementedError) as error:  # sparse, quantized, no values
        raise ValueError(
            f"{path}: {in_short(name)} is not a plain tensor ({tensor.layout}, {tensor.dtype}, on "
            f"{tensor.device}); save the state_dict of a model in float32"
        ) from error


def in_short(name: Any) -> str:
    return printable(str(name)[:120], keep="")


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
