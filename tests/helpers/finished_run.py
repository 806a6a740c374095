"""Fixtures of the whole suite: the tiny pictures, and one undisturbed run to compare with."""

import jax
import numpy as np
import pytest

from pclhd_jax.training import run_pictures, train
from tests.helpers.orbax_alone import read_by_manager
from tests.helpers.tiny import tiny_config


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures") / "synthetic"
    run_pictures.draw_if_missing(tiny_config(root).data)
    return root


@pytest.fixture(scope="session")
def finished(pictures, tmp_path_factory):
    """(workdir, returned record) of an undisturbed run."""
    workdir = tmp_path_factory.mktemp("runs") / "undisturbed"
    return workdir, train.train_and_evaluate(tiny_config(pictures), workdir)


def checkpointed(workdir, epochs_done):
    """Every leaf of a checkpoint, read by plain Orbax."""
    return jax.tree.map(np.asarray, read_by_manager(workdir, epochs_done)[0])


def assert_same_tree(one, other):
    jax.tree.map(np.testing.assert_array_equal, one, other)


def assert_same_end(workdir, undisturbed, epochs=3):
    """Every leaf of the state, and every byte of the records."""
    assert_same_tree(checkpointed(workdir, epochs), checkpointed(undisturbed, epochs))
    one, other = ((path / "metrics.jsonl").read_bytes() for path in (workdir, undisturbed))
    assert one == other
