"""The upper bound's labels are the people, numbered anew, and each person is matched to itself."""

import numpy as np
import pytest

from benchmarks.supervised import true_labels
from pclhd_jax.training.run_pictures import RunPictures


def pictures_of(visible, infrared):
    return RunPictures({}, [], {}, None, np.array(visible), np.array(infrared))


def test_people_of_both_modalities_are_the_clusters():
    # 4 is in visible pictures alone, 9 and 1 in infrared ones alone.
    pictures = pictures_of([7, 4, 3, 7, 12], [12, 9, 3, 3, 7, 1])
    labels = true_labels(pictures, 1)
    assert labels.visible_N.tolist() == [1, -1, 0, 1, 2]
    assert labels.infrared_N.tolist() == [2, -1, 0, 0, 1, -1]
    assert labels.joint_visible_N is None and labels.visible_to_infrared_K is None
    both = true_labels(pictures, 2)
    assert both.joint_visible_N.tolist() == labels.visible_N.tolist()
    assert both.visible_to_infrared_K.tolist() == both.infrared_to_visible_K.tolist() == [0, 1, 2]


def test_unknown_people_are_refused():
    with pytest.raises(ValueError, match="unknown people"):
        true_labels(pictures_of([1, -1], [1, 1]), 1)
