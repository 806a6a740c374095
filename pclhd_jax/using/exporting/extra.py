"""Packages that one format alone needs."""

import importlib
from typing import Any

EXPORT = "pip install onnx onnxruntime (floors: requirements-export.txt)"
TORCH = "pip install torch (the CPU build will do), or write .safetensors, which needs nothing"


def import_onnx() -> Any:
    """The package with the parts that are used.

    Raises:
      ValueError: it is not installed, with the remedy.
    """
    for part in ("checker", "helper", "numpy_helper"):
        imported(f"onnx.{part}", EXPORT)
    return imported("onnx", EXPORT)


def import_onnxruntime() -> Any:
    """As `import_onnx`."""
    return imported("onnxruntime", EXPORT)


def check_needed(format: str, suffix: str) -> None:
    """Raises ValueError, as `import_onnx`, for what the format needs in a file of that suffix."""
    if format == "onnx":
        import_onnx()
        import_onnxruntime()
    if format == "torch" and suffix != ".safetensors":
        imported("torch", TORCH)


def imported(name: str, remedy: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.split(".")[0]
        raise ValueError(f"this format needs {package} ({error}); {remedy}") from error
