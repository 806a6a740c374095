"""What a process computes on all its devices is what one of them finds."""

import numpy as np
import pytest

from tests.helpers.eight_devices import found_by_eight_devices, lists_of_both


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    return found_by_eight_devices(tmp_path_factory.mktemp("eight") / "found.npz")


def test_the_search_uses_every_device_that_there_is_a_block_for(eight):
    assert eight["used"].tolist() == [7, 8]  # of the infrared rows there are 7 blocks


def test_lists_are_the_same_on_one_device_on_two_and_on_eight_bit_for_bit(eight):
    for i, here in enumerate(lists_of_both()):  # on two
        np.testing.assert_array_equal(eight[f"lists_all_{i}"], eight[f"lists_one_{i}"])
        np.testing.assert_array_equal(eight[f"lists_all_{i}"], here)


def test_features_of_eight_devices_are_those_of_one_but_for_rounding(eight):
    for i in (0, 1):
        of_all, of_one = eight[f"features_all_{i}"], eight[f"features_one_{i}"]
        np.testing.assert_allclose(of_all, of_one, rtol=0, atol=3e-7)
        assert of_one.std(axis=0).mean() > 1e-3  # the pictures differ by far more


@pytest.mark.parametrize("groups", [1, 2])
def test_statistics_of_the_batch_and_of_its_groups_are_those_of_one_device(eight, groups):
    """A group of two is four devices' rows."""
    features, gradient, stats = (
        (eight[f"pass{groups}_all_{i}"], eight[f"pass{groups}_one_{i}"]) for i in range(3)
    )
    np.testing.assert_allclose(*features, rtol=0, atol=2e-5)
    np.testing.assert_allclose(*stats, rtol=1e-5, atol=1e-6)
    difference = np.linalg.norm(gradient[0] - gradient[1]) / np.linalg.norm(gradient[1])
    assert difference < 1e-4
    # The two ways to take statistics differ by far more.
    assert np.abs(eight["pass1_one_0"] - eight["pass2_one_0"]).max() > 0.1
