"""PCLHD in JAX: unsupervised visible-infrared person re-identification.

    import pclhd_jax

    config = pclhd_jax.load_config("synthetic:paper")
    pclhd_jax.train(config, "runs/notebook")
    z_ND = pclhd_jax.Embedder.load("runs/notebook")(["a.jpg"], "infrared")

Every command is a function of the same name: `python -m pclhd_jax search` is `pclhd_jax.search`.
`import pclhd_jax` imports nothing else; a function is imported when it is first used.

Axes, written as suffixes of array names throughout the package:

    B batch rows            N pictures of one modality (or of both)
    K, L clusters           D feature width (2048 for ResNet-50)
    S dynamic prototypes    P clusters in a batch
    Q queries               G gallery pictures
    H W C image height, width, channels

`z` is an L2-normalised feature of the online encoder, `momentum_z` the same of
the momentum (EMA) encoder.
"""

import sys as _sys
from importlib.machinery import PathFinder as _PathFinder
from pathlib import Path as _Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # for editors; `_PLACES` says the same
    from typing import Any as _Any

    from pclhd_jax.data_prep.check import check
    from pclhd_jax.data_prep.contact_sheet import contact_sheet
    from pclhd_jax.data_prep.prepare import prepare
    from pclhd_jax.data_prep.synthetic import generate as synthetic
    from pclhd_jax.reports.eps_report import report_clusters
    from pclhd_jax.reports.summary import summarize
    from pclhd_jax.settings.load import load_config
    from pclhd_jax.training.train import train_and_evaluate as train
    from pclhd_jax.using.evaluate import evaluate_only as evaluate
    from pclhd_jax.using.exporting.write import export_encoder as export
    from pclhd_jax.using.inspection.contents import load_params, load_state
    from pclhd_jax.using.inspection.report import inspect_checkpoint as inspect
    from pclhd_jax.using.pages.page import write_page as visualize
    from pclhd_jax.using.retrieval.embedder import Embedder
    from pclhd_jax.using.retrieval.make_index import make_index as embed
    from pclhd_jax.using.retrieval.search_index import search_index as search

__version__ = "0.1.0"

__all__ = [
    "Embedder",
    "check",
    "contact_sheet",
    "embed",
    "evaluate",
    "export",
    "inspect",
    "load_config",
    "load_params",
    "load_state",
    "prepare",
    "report_clusters",
    "search",
    "summarize",
    "synthetic",
    "train",
    "visualize",
]

_PLACES = {
    "Embedder": "pclhd_jax.using.retrieval.embedder:Embedder",
    "check": "data_prep.check:check",
    "contact_sheet": "data_prep.contact_sheet:contact_sheet",
    "embed": "pclhd_jax.using.retrieval.make_index:make_index",
    "evaluate": "pclhd_jax.using.evaluate:evaluate_only",
    "export": "pclhd_jax.using.exporting.write:export_encoder",
    "inspect": "pclhd_jax.using.inspection.report:inspect_checkpoint",
    "load_config": "pclhd_jax.settings.load:load_config",
    "load_params": "pclhd_jax.using.inspection.contents:load_params",
    "load_state": "pclhd_jax.using.inspection.contents:load_state",
    "prepare": "data_prep.prepare:prepare",
    "report_clusters": "pclhd_jax.reports.eps_report:report_clusters",
    "search": "pclhd_jax.using.retrieval.search_index:search_index",
    "summarize": "pclhd_jax.reports.summary:summarize",
    "synthetic": "data_prep.synthetic:generate",
    "train": "pclhd_jax.training.train:train_and_evaluate",
    "visualize": "pclhd_jax.using.pages.page:write_page",
}


class _Beside:
    """Finds `pclhd_jax.configs` and `pclhd_jax.data_prep` in a checkout, beside this folder.

    In the wheel they are in it. The names mean ours, even if another package is called `configs`.
    """

    @staticmethod
    def find_spec(name: str, path: "_Any" = None, target: "_Any" = None) -> "_Any":
        ours = name in (f"{__name__}.configs", f"{__name__}.data_prep")
        return _PathFinder.find_spec(name, [str(_here.parent)]) if ours else None


_here = _Path(__file__).resolve().parent
if not (_here / "configs").is_dir():
    _sys.meta_path.append(_Beside)


def __getattr__(name: str) -> "_Any":
    """Imports a function when it is first used."""
    if name not in _PLACES:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}"
        )
    from pclhd_jax.system.own_parts import own_part

    module, attribute = _PLACES[name].split(":")
    return getattr(own_part(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__} - {"TYPE_CHECKING"})
