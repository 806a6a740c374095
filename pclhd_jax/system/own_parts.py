"""Finds this program's own `configs` and `data_prep`, although other packages have these names."""

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType

PROGRAM = Path(__file__).resolve().parents[1]


def own_part(name: str) -> ModuleType:
    """This program's module of a name like `data_prep.check`, installed or in a checkout.

    It uses the short name if that means our module, so that no module is imported twice.
    """
    return importlib.import_module(name if _stands_for_ours(name) else f"pclhd_jax.{name}")


def _stands_for_ours(name: str) -> bool:
    top = name.split(".")[0]
    if (PROGRAM / top).is_dir():  # installed: the short name means another package
        return False
    found = importlib.util.find_spec(top)
    origin = found and found.origin
    return bool(origin) and Path(origin).resolve().parent == PROGRAM.parent / top
