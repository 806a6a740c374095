"""`configs/` and `data_prep/` of this very program, whatever else has these names on a machine."""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

PROGRAM = Path(__file__).resolve().parents[1]


def own_part(name: str) -> ModuleType:
    """The module `data_prep.check` of this program, installed or in a checkout.

    By the short name where that is what it stands for, so that no module is there twice.
    """
    return importlib.import_module(name if _stands_for_ours(name) else f"pclhd_jax.{name}")


def _stands_for_ours(name: str) -> bool:
    top = name.split(".")[0]
    if (PROGRAM / top).is_dir():  # installed: what has the short name is another's
        return False
    found = importlib.util.find_spec(top)
    origin = found and found.origin
    return bool(origin) and Path(origin).resolve().parent == PROGRAM.parent / top
