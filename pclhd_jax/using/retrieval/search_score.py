"""Rank-1 and mAP of a search, by the functions of an evaluation."""

import os
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from pclhd_jax.data.lists import UNKNOWN, Pictures
from pclhd_jax.evaluation.ranking import PictureNumbers, evaluate_blocks
from pclhd_jax.processes.progress import say

# More similarities than this are ranked only on request: it takes a minute on two cores.
MOST_PAIRS = 200_000_000

# Of rows of queries and rows of the gallery: blocks of similarities, larger is closer.
Blocks = Callable[[np.ndarray, np.ndarray], Iterable[np.ndarray]]

ORDINARY = "every picture takes a rank, no camera filter"
SAME_CAMERA = "pictures of the query's person by the query's own camera take no rank"
SAME_PICTURE = "the query's own picture takes no rank, no camera filter"


class SearchScore(NamedTuple):
    """Fractions in 0..1: means over the `num_valid` queries with a match; NaN where none has one.

    rule: which pictures take a rank, in words. num_queries, num_gallery: pictures whose identity is
    known; unknown_queries, unknown_gallery: those left out.
    """

    rank1: float
    mean_ap: float
    mean_inp: float
    num_valid: int
    num_queries: int
    num_gallery: int
    unknown_queries: int
    unknown_gallery: int
    rule: str


class Side(NamedTuple):
    pictures: Pictures
    modality: str

    @property
    def known_rows(self) -> np.ndarray:
        """Rows of the pictures whose identity is known."""
        return np.flatnonzero(self.pictures.identities_N != UNKNOWN)


class Rule(NamedTuple):
    """A gallery picture of the query's person takes no rank if both numbers are equal."""

    words: str
    query_numbers_Q: np.ndarray
    gallery_numbers_G: np.ndarray


def score_search(query: Side, gallery: Side, blocks: Blocks) -> SearchScore | None:
    """The score over all pictures of known identity; None if one side has none.

    Rank-1, mAP and mINP are those of `evaluation.ranking`, by the rule that skips the query's
    person under the query's own number.
    """
    rows, columns = query.known_rows, gallery.known_rows
    if not len(rows) or not len(columns):
        return None
    of_query, of_gallery = query.pictures.take(rows), gallery.pictures.take(columns)
    rule = rule_of(Side(of_query, query.modality), Side(of_gallery, gallery.modality))
    counts = [len(rows), len(columns)]
    counts += [len(query.pictures.paths) - len(rows), len(gallery.pictures.paths) - len(columns)]
    if not has_match(of_query.identities_N, of_gallery.identities_N, rule):
        return SearchScore(np.nan, np.nan, np.nan, 0, *counts, rule.words)
    # CMC counts a person once under this rule, which changes no Rank-1.
    result = evaluate_blocks(
        blocks(rows, columns),
        (len(rows), len(columns)),
        PictureNumbers(of_query.identities_N, rule.query_numbers_Q),
        PictureNumbers(of_gallery.identities_N, rule.gallery_numbers_G),
        protocol="llcm",
    )
    scores = float(result.cmc[0]), result.mean_ap, result.mean_inp, result.num_valid
    return SearchScore(*scores, *counts, rule.words)


def is_scored(query: Side, gallery: Side, asked: bool | None) -> bool:
    """Whether to score. By default only if it is quick; otherwise a line says so."""
    pairs = len(query.known_rows) * len(gallery.known_rows)
    if asked is None and pairs > MOST_PAIRS:
        say(
            f"Rank-1 and mAP are left out, because {pairs:,} pairs of pictures of known identity "
            f"take long (more than {MOST_PAIRS:,}); --score computes them"
        )
        return False
    return asked is not False


def rule_of(query: Side, gallery: Side) -> Rule:
    """Chooses the rule; in one modality and set it is the usual camera filter of person search.

    Without cameras, a picture on both sides does not count as found by itself.
    """
    sides = query.pictures, gallery.pictures
    one_set = os.path.realpath(sides[0].root) == os.path.realpath(sides[1].root)
    cameras = [side.cameras_N for side in sides]
    known = all((values_N != UNKNOWN).all() for values_N in cameras)
    if query.modality == gallery.modality and one_set and known:
        return Rule(SAME_CAMERA, *cameras)
    own_Q, numbers_G = place_numbers(*sides)
    return Rule(SAME_PICTURE if np.isin(own_Q, numbers_G).any() else ORDINARY, own_Q, numbers_G)


def place_numbers(query: Pictures, gallery: Pictures) -> tuple[np.ndarray, np.ndarray]:
    """A number for every file: equal for the same file, however its folder is named."""
    number_of: dict[str, int] = {}
    numbers = []
    for pictures in (query, gallery):
        root = os.path.realpath(pictures.root)
        places = [os.path.normpath(os.path.join(root, path)) for path in pictures.paths]
        numbers.append(np.array([number_of.setdefault(place, len(number_of)) for place in places]))
    return numbers[0], numbers[1]


def num_own(query: Pictures, gallery: Pictures) -> int:
    """Queries whose own picture is in the gallery."""
    own_Q, numbers_G = place_numbers(query, gallery)
    return int(np.isin(own_Q, numbers_G).sum())


def has_match(query_ids_Q: np.ndarray, gallery_ids_G: np.ndarray, rule: Rule) -> bool:
    """Whether a query's person is in the gallery under another number than the query's."""
    numbers_of: dict[int, set[int]] = {}
    for identity, number in zip(gallery_ids_G, rule.gallery_numbers_G, strict=True):
        numbers_of.setdefault(int(identity), set()).add(int(number))
    pairs = zip(query_ids_Q, rule.query_numbers_Q, strict=True)
    return any(numbers_of.get(int(identity), set()) - {int(own)} for identity, own in pairs)


def score_words(score: SearchScore) -> str:
    """One or two lines."""
    sizes = f"{score.num_queries:,} queries, {score.num_gallery:,} gallery pictures"
    left_out = ""
    if score.unknown_queries or score.unknown_gallery:
        left_out = (
            f"; left out, of unknown identity: {score.unknown_queries:,} queries, "
            f"{score.unknown_gallery:,} gallery pictures"
        )
    if not score.num_valid:
        return (
            f"no Rank-1 and mAP: no query's person is in the gallery ({sizes}; {score.rule}"
            f"{left_out})"
        )
    return (
        f"Rank-1 {100 * score.rank1:.1f} %, mAP {100 * score.mean_ap:.1f} % of "
        f"{score.num_valid:,} queries with a match, of {sizes}{left_out}\n"
        f"  rule: {score.rule}"
    )
