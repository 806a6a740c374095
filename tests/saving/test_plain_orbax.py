"""Plain Orbax reads our checkpoints by each of its APIs, and nothing of it is used that goes."""

import warnings

import jax
import pytest

from pclhd_jax.processes.mesh import make_mesh
from pclhd_jax.saving.checkpoints import Checkpoints
from tests.helpers.orbax_alone import READERS
from tests.helpers.states import assert_same_bits, mixed_tree, small_state


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_orbax_alone_reads_every_leaf_and_the_progress(tmp_path, read):
    Checkpoints(tmp_path, keep=1).save(7, mixed_tree(1.5), {"stage": 2, "epoch": 0})
    state, progress = read(tmp_path, 7)
    assert progress == {"stage": 2, "epoch": 0}
    assert_same_bits(by_name(state), by_name(mixed_tree(1.5)))


def by_name(tree):
    """Orbax gives lists and dicts where we have tuples and records."""
    leaves = jax.tree_util.tree_leaves_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True): leaf for path, leaf in leaves}


def test_a_save_and_a_restore_use_nothing_of_orbax_that_is_deprecated(tmp_path, monkeypatch):
    events, record = [], jax.monitoring.record_event
    monkeypatch.setattr(
        jax.monitoring, "record_event", lambda name, **more: (events.append(name), record(name))
    )
    checkpoints = Checkpoints(tmp_path, keep=1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        checkpoints.save(1, small_state(1.0), {"stage": 1})
        checkpoints.restore(1, lambda _: small_state(0.0), make_mesh())
    assert any("orbax" in name for name in events)  # it tells of what is used
    assert not [name for name in events if "deprecation" in name]
