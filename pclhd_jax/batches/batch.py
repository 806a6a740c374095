"""What one step takes, and the labels of an epoch that it is made from."""

from typing import Any, NamedTuple

import numpy as np


class Batch(NamedTuple):
    """A pytree of host or device arrays; the rows of a modality belong together.

    Labels are rows of the own modality's bank (of the joint bank in a joint batch),
    matches are rows of the other modality's bank (None where a step needs none).
    """

    visible_BHWC: Any  # uint8
    infrared_BHWC: Any  # uint8
    visible_labels_B: Any  # int32
    infrared_labels_B: Any  # int32
    visible_matches_B: Any = None  # int32
    infrared_matches_B: Any = None  # int32


class Batches(NamedTuple):
    """What one iteration takes: a batch for each of its optimiser steps."""

    apart: Batch  # labels by the clusters of each modality
    joint: Batch | None = None  # labels by joint clusters; None in stage 1, or without the term


class EpochLabels(NamedTuple):
    """Labels of the N training pictures of each modality; -1 takes no part this epoch.

    The match and joint fields are None in stage 1. The joint fields are None also where there is
    nothing to contrast (`clustering.both_modalities.keep_joint`): the epoch then has no joint term.
    Joint clusters of one modality, where they are kept, are negatives and never drawn.
    """

    visible_N: np.ndarray
    infrared_N: np.ndarray
    visible_to_infrared_K: np.ndarray | None = None
    infrared_to_visible_K: np.ndarray | None = None
    joint_visible_N: np.ndarray | None = None
    joint_infrared_N: np.ndarray | None = None


def mixed_clusters(joint_visible_N: np.ndarray, joint_infrared_N: np.ndarray) -> np.ndarray:
    """The joint clusters that hold both modalities, ascending."""
    shared_J = np.intersect1d(joint_visible_N, joint_infrared_N)
    return shared_J[shared_J >= 0]
