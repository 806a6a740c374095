"""Which pictures query which galleries, over which trials."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from pclhd_jax.data.lists import Pictures

TestSet = tuple[Pictures, Pictures]  # visible, infrared
Trials = tuple[np.ndarray, ...]  # of each, int32 indices into the gallery


class Protocol(NamedTuple):
    """One line of a results table.

    rule: the `protocol` of `evaluate_ranking`; gallery: every picture any trial may show, so that
    features are computed once; trials: int32 indices into it; query_modality: 'visible' or
    'infrared', the stem the queries go through, the gallery goes through the other one.
    """

    name: str
    rule: str
    query: Pictures
    gallery: Pictures
    trials: Trials
    query_modality: str = "infrared"


def both_ways(
    test: TestSet,
    rule: str,
    name: str,
    infrared_name: str,
    trials: Callable[[Pictures], Trials],
) -> list[Protocol]:
    """Visible queries, then infrared ones. trials: of a gallery."""
    visible, infrared = test
    forth, back = f"visible to {infrared_name}", f"{infrared_name} to visible"
    return [
        Protocol(name.format(forth), rule, visible, infrared, trials(infrared), "visible"),
        Protocol(name.format(back), rule, infrared, visible, trials(visible), "infrared"),
    ]


def everything(gallery: Pictures) -> Trials:
    """One trial, of all pictures."""
    return (np.arange(len(gallery.paths), dtype=np.int32),)


def check_trials(num_trials: int) -> None:
    """Raises ValueError for no trial."""
    if num_trials < 1:
        raise ValueError(
            f"num_trials is {num_trials}; at least 1 is needed, published scores use 10"
        )
