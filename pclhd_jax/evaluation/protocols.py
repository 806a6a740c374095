"""Which pictures query which galleries, over which trials, and the table of the scores."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from pclhd_jax.data.galleries import draw_gallery, draw_llcm_gallery
from pclhd_jax.data.lists import Pictures
from pclhd_jax.evaluation.ranking import MAX_RANK, evaluate_ranking

TestSet = tuple[Pictures, Pictures]  # visible, infrared


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
    trials: tuple[np.ndarray, ...]
    query_modality: str = "infrared"


class Score(NamedTuple):
    """Means over trials; fractions in 0..1. num_valid and gallery_size: one number per trial.

    cmc: float64 (20,). The two `_std` are population standard deviations over trials.
    """

    name: str
    num_queries: int
    num_valid: tuple[int, ...]
    gallery_size: tuple[int, ...]
    num_trials: int
    cmc: np.ndarray
    mean_ap: float
    mean_inp: float
    rank1_std: float
    mean_ap_std: float


def sysu_protocols(
    test: TestSet,
    *,
    modes: Sequence[str] = ("all", "indoor"),
    shots: Sequence[int] = (1,),
    num_trials: int = 10,
) -> list[Protocol]:
    """SYSU-MM01: every infrared test picture against visible galleries, trials 0..num_trials-1.

    test: as `sysu_test` returns it; all protocols share the two. Full set: 3,803 queries; galleries
    of 301 (all) and 112 (indoor) pictures in single-shot. Raises as `draw_gallery`, and ValueError
    for no trial.
    """
    _check_trials(num_trials)
    visible, infrared = test
    protocols = []
    for mode in modes:
        for number in shots:
            trials = tuple(
                draw_gallery(visible, mode=mode, trial=trial, shots=number)
                for trial in range(num_trials)
            )
            kind = "single-shot" if number == 1 else f"multi-shot ({number})"
            name = f"sysu {mode}-search {kind}"
            protocols.append(Protocol(name, "sysu", infrared, visible, trials, "infrared"))
    return protocols


def regdb_protocols(test: TestSet, *, trial: int) -> list[Protocol]:
    """RegDB split `trial` (1..10): visible queries on thermal pictures, then the reverse.

    test: as `regdb_test` returns it. Full set: 2,060 x 2,060. Published scores are means over ten
    models, one per split.
    """
    return _both_ways(test, "regdb", f"regdb split {trial} {{}}", "thermal", _everything)


def llcm_protocols(test: TestSet, *, num_trials: int = 10) -> list[Protocol]:
    """LLCM: near-infrared queries on visible galleries, then the reverse.

    test: as `llcm_test` returns it. Every picture of one modality queries galleries of one picture
    per identity and camera of the other, trials 0..num_trials-1. (The set's own program swaps the
    roles in the direction it calls visible to infrared; this is the plain protocol.)
    Raises ValueError for no trial.
    """
    _check_trials(num_trials)

    def trials(gallery: Pictures) -> tuple[np.ndarray, ...]:
        return tuple(draw_llcm_gallery(gallery, trial=trial) for trial in range(num_trials))

    return _both_ways(test, "llcm", "llcm {}", "infrared", trials)[::-1]


def folders_protocols(test: TestSet | None) -> list[Protocol]:
    """Own pictures, both directions, every picture of the other modality in the gallery.

    test: as `folders_test` returns it; None (nobody's identity is known) gives no protocol.
    Ordinary CMC, no rule about cameras.
    """
    if test is None:
        return []
    return _both_ways(test, "regdb", "folders {}", "infrared", _everything)


def _both_ways(
    test: TestSet,
    rule: str,
    name: str,
    infrared_name: str,
    trials: Callable[[Pictures], tuple[np.ndarray, ...]],
) -> list[Protocol]:
    """Visible queries, then infrared ones."""
    visible, infrared = test
    forth, back = f"visible to {infrared_name}", f"{infrared_name} to visible"
    return [
        Protocol(name.format(forth), rule, visible, infrared, trials(infrared), "visible"),
        Protocol(name.format(back), rule, infrared, visible, trials(visible), "infrared"),
    ]


def _everything(gallery: Pictures) -> tuple[np.ndarray, ...]:
    return (np.arange(len(gallery.paths), dtype=np.int32),)


def _check_trials(num_trials: int) -> None:
    if num_trials < 1:
        raise ValueError(
            f"num_trials is {num_trials}; at least 1 is needed, published scores use 10"
        )


def score(
    protocol: Protocol, query_features_QD: np.ndarray, gallery_features_GD: np.ndarray
) -> Score:
    """Scores unit features by inner product, over all trials of the protocol.

    query_features_QD, gallery_features_GD: one L2-normalised row per picture of `protocol.query`
    and `protocol.gallery`. Raises ValueError for other shapes, for rows that are not of unit
    length, and as `evaluate_ranking`.
    """
    query_QD = _unit_rows(query_features_QD, protocol.query, "query")
    gallery_GD = _unit_rows(gallery_features_GD, protocol.gallery, "gallery")
    if query_QD.shape[1] != gallery_GD.shape[1]:
        raise ValueError(
            f"query features are {query_QD.shape[1]:,} wide, gallery features "
            f"{gallery_GD.shape[1]:,}; compute both with one model"
        )
    if not protocol.trials:
        raise ValueError(f"{protocol.name} has 0 trials, at least 1 is needed; draw its galleries")
    results = [
        evaluate_ranking(
            query_QD @ gallery_GD[trial].T,
            protocol.query.identities_N,
            protocol.gallery.identities_N[trial],
            protocol.query.cameras_N,
            protocol.gallery.cameras_N[trial],
            protocol=protocol.rule,
        )
        for trial in protocol.trials
    ]
    cmc_TR = np.stack([result.cmc for result in results])
    ap_T = np.array([result.mean_ap for result in results])
    return Score(
        name=protocol.name,
        num_queries=len(protocol.query.paths),
        num_valid=tuple(result.num_valid for result in results),
        gallery_size=tuple(len(trial) for trial in protocol.trials),
        num_trials=len(results),
        cmc=cmc_TR.mean(axis=0),
        mean_ap=float(ap_T.mean()),
        mean_inp=float(np.mean([result.mean_inp for result in results])),
        rank1_std=float(cmc_TR[:, 0].std()),
        mean_ap_std=float(ap_T.std()),
    )


def format_table(scores: Sequence[Score], title: str) -> str:
    """A plain-text table in %: protocol, counts, trials, Rank-1/5/10/20, mAP, mINP.

    'Queries' are those with a match, of all; '+-' is the standard deviation over trials.
    """
    ranks = [rank for rank in (1, 5, 10, 20) if rank <= MAX_RANK]
    header = ["Protocol", "Queries", "Gallery", "Trials", *(f"Rank-{r}" for r in ranks)]
    rows = [[*header, "mAP", "mINP"]]
    for one in scores:
        cmc = [f"{100 * one.cmc[rank - 1]:.2f}" for rank in ranks]
        mean_ap = f"{100 * one.mean_ap:.2f}"
        if one.num_trials > 1:
            cmc[0] += f" +- {100 * one.rank1_std:.2f}"
            mean_ap += f" +- {100 * one.mean_ap_std:.2f}"
        queries = f"{_span(one.num_valid)} of {one.num_queries:,}"
        counts = [queries, _span(one.gallery_size), f"{one.num_trials}"]
        rows.append([one.name, *counts, *cmc, mean_ap, f"{100 * one.mean_inp:.2f}"])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]) for row in rows
    ]
    return "\n".join([title, lines[0], "-" * len(lines[0]), *lines[1:]])


def _span(numbers: Sequence[int]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,}-{high:,}"


def _unit_rows(features: np.ndarray, pictures: Pictures, side: str) -> np.ndarray:
    features = np.asarray(features)
    if features.ndim != 2 or len(features) != len(pictures.paths):
        raise ValueError(
            f"{side} features have shape {features.shape}, the protocol lists "
            f"{len(pictures.paths):,} {side} pictures; give one row per picture"
        )
    features = features.astype(np.float32, copy=False)
    length_N = np.linalg.norm(features, axis=1)
    # NaN passes here: the ranking names it. One per cent leaves room for bfloat16 features.
    far_N = np.abs(length_N - 1) > 0.01
    if far_N.any():
        raise ValueError(
            f"{int(far_N.sum()):,} of {len(features):,} {side} features are not of unit length "
            f"(the first has {length_N[far_N.argmax()]:.3f}, the limit is 1 +- 0.01); "
            "L2-normalise them"
        )
    return features
