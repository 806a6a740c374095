"""Purity and right matches, on labels small enough to count by hand and against plain loops."""

import math
from collections import Counter

import numpy as np
import pytest

from pclhd_jax.clustering.truth import main_identities, purity, right_matches

LABELS = np.array([0, 0, 0, 1, 1, -1, 2, 2])
IDENTITIES = np.array([7, 7, 3, 3, 9, 9, 9, 9])


def test_purity_counts_the_pictures_of_each_clusters_main_person():
    assert main_identities(LABELS, IDENTITIES).tolist() == [7, 3, 9]  # 3 and 9 are level in 1
    assert purity(LABELS, IDENTITIES) == (2 + 1 + 2) / 7


def test_a_partner_is_right_if_it_is_mainly_the_same_person():
    assert right_matches(np.array([2, 0, 1]), np.array([7, 3, 9]), np.array([3, 8, 7])) == 2 / 3


def test_many_labels_agree_with_plain_counting():
    rng = np.random.default_rng(0)
    labels_N = np.append(rng.integers(-1, 12, 300), np.arange(12))
    identities_N = rng.integers(5, 9, 312) * 10
    mains, right = [], 0
    for cluster in range(12):
        counts = Counter(identities_N[labels_N == cluster].tolist())
        most = max(counts.values())
        mains.append(min(person for person, count in counts.items() if count == most))
        right += most
    assert main_identities(labels_N, identities_N).tolist() == mains
    assert purity(labels_N, identities_N) == pytest.approx(right / np.sum(labels_N >= 0))


def test_nothing_but_outliers_has_no_purity():
    assert math.isnan(purity(np.full(3, -1), np.arange(3)))
    assert main_identities(np.full(3, -1), np.arange(3)).size == 0
