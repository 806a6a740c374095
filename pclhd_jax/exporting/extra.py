"""The packages of the ONNX format, which nothing else needs."""

import importlib
from typing import Any

EXTRA = "pip install -r requirements-export.txt (onnx and onnxruntime)"


def import_onnx() -> Any:
    """The package with the parts that are used.

    Raises:
      ValueError: it is not installed, with the remedy.
    """
    for part in ("checker", "helper", "numpy_helper"):
        imported(f"onnx.{part}")
    return imported("onnx")


def import_onnxruntime() -> Any:
    """As `import_onnx`."""
    return imported("onnxruntime")


def imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.split(".")[0]
        raise ValueError(f"ONNX needs {package} ({error}); {EXTRA}") from error
