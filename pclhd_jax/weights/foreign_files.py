"""Says what a file is that holds no weights, by its first bytes."""

import json
import zipfile
from pathlib import Path

from pclhd_jax.system.plain_files import FILE, kind_of

LOOKED_AT = 512  # bytes; a tar archive says so at the 257th
MOST_INDEX = 64_000_000
# What a file begins with -> what it is and what to do.
STARTS = {
    b"version https://git-lfs": (
        "is a Git LFS pointer, not the file itself; run `git lfs pull` where it was cloned, or "
        "download the file by hand"
    ),
    b"\x89HDF\r\n": "is an HDF5 file, of Keras or MATLAB; weights of PCLHD come from PyTorch",
    b"\x93NUMPY": "is one NumPy array; a weight file holds an array for every name",
    b"\x1f\x8b": "is compressed by gzip; unpack it and name what it holds",
    b"\xfd7zXZ": "is compressed by xz; unpack it and name what it holds",
    b"Rar!": "is a RAR archive; unpack it and name what it holds",
    b"7z\xbc\xaf": "is a 7z archive; unpack it and name what it holds",
    b"%PDF": "is a PDF document",
    b"\x89PNG": "is a picture",
    b"\xff\xd8\xff": "is a picture",
    b"GGUF": "is a GGUF file, of a language model",
}
PAGE = (
    "is a web page, not weights: the link leads to a page, perhaps one that asks you to "
    "sign in or to confirm; download the file itself"
)
TAR = (
    "is a tar archive, perhaps of PyTorch before 2017; load it where it was made and save its "
    "state_dict with a newer PyTorch"
)
NUMPY = (
    "is a NumPy archive; convert it: from pclhd_jax.weights.files import write_state_dict; "
    'write_state_dict("weights.safetensors", dict(numpy.load("{name}")))'
)
SCRIPT = (
    "is a TorchScript program; load it with torch.jit.load where it was made, and save its "
    "state_dict() with torch.save"
)
PARTS = "is the list of a model in several files; save the model as one file where it was made"
ENCRYPTED = "is an encrypted archive; unpack it with its password"


def what_it_is(path: Path) -> str:
    """The end of a sentence, with what to do; empty for a file that may hold weights.

    Raises ValueError for a pipe or a device, OSError as the system says.
    """
    if (kind := kind_of(path)) != FILE:
        return f"is {kind}, not {FILE}"
    with path.open("rb") as file:
        start = file.read(LOOKED_AT)
    for begins, words in STARTS.items():
        if start.startswith(begins):
            return words
    words = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    # The length in front of a .safetensors file may be 0x3c20: a blank, `<` and zeros.
    if words.startswith((b"<", b"&lt;")) and b"\0" not in start:
        return PAGE
    if start[257:262] == b"ustar":
        return TAR
    if start.startswith(b"PK\x03\x04"):
        return of_archive(path)
    return of_json(path) if start.lstrip()[:1] == b"{" else ""


def of_archive(path: Path) -> str:
    """As `what_it_is`, for a zip file, by its list of entries."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except Exception:  # cut short or damaged; its reader says so
        return ""
    names = [entry.filename for entry in entries]
    if any(entry.flag_bits & 1 for entry in entries):
        return ENCRYPTED
    if any(name.endswith("/constants.pkl") or "/code/" in name for name in names):
        return SCRIPT
    if names and all(name.endswith(".npy") for name in names):
        return NUMPY.format(name=path.name)
    if not any(name.endswith("data.pkl") for name in names):
        return "is a zip archive; unpack it and name what it holds"
    return ""


def of_json(path: Path) -> str:
    if path.stat().st_size > MOST_INDEX:
        return ""
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return ""
    is_index = isinstance(content, dict) and "weight_map" in content
    return PARTS if is_index else "is a JSON text, not weights"
