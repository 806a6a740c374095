"""The data sets: one row for each layout that a folder of pictures may have."""

from pclhd_jax.data import folders, llcm, regdb, sysu
from pclhd_jax.data.folders import folders_test, folders_train
from pclhd_jax.data.layout import Layout
from pclhd_jax.data.llcm import llcm_test, llcm_train
from pclhd_jax.data.regdb import regdb_test, regdb_train
from pclhd_jax.data.sysu import sysu_gallery, sysu_test, sysu_train

__all__ = [
    "LAYOUTS",
    "folders_test",
    "folders_train",
    "layout_named",
    "llcm_test",
    "llcm_train",
    "regdb_test",
    "regdb_train",
    "sysu_gallery",
    "sysu_test",
    "sysu_train",
]

# By the name that config.data.layout takes. A row says all that the program knows of a layout.
LAYOUTS: dict[str, Layout] = {
    "sysu": sysu.LAYOUT,
    "regdb": regdb.LAYOUT,
    "llcm": llcm.LAYOUT,
    "folders": folders.LAYOUT,
}


def layout_named(name: str) -> Layout:
    """Raises ValueError for a name that is not in the table."""
    if name not in LAYOUTS:
        raise ValueError(f"config.data.layout is {name!r}; it must be {' or '.join(LAYOUTS)}")
    return LAYOUTS[name]
