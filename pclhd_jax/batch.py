"""What one step takes: pictures and the labels of their clusters."""

from typing import Any, NamedTuple


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
