"""Which settings may differ, between machines, on resume and between runs of one experiment."""

import copy

import pytest

from configs import sysu
from pclhd_jax.settings.differences import (
    FREE_BETWEEN_RUNS,
    FREE_ON_RESUME,
    PLACES,
    differences,
)

# Written here anew.
WHERE_THINGS_LIE = {"data.source", "data.prepared", "data.cache"}
MAY_CHANGE = {
    "keep_checkpoints",
    "keep_features",
    "checkpoint_every_steps",
    "writers",
    "send_pictures",
}
PER_RUN = {"seed", "trial", "feature_batch_size"}


@pytest.mark.parametrize(
    ("free", "expected"),
    [
        (PLACES, WHERE_THINGS_LIE),
        (FREE_ON_RESUME, WHERE_THINGS_LIE | MAY_CHANGE),
        (FREE_BETWEEN_RUNS, WHERE_THINGS_LIE | MAY_CHANGE | PER_RUN),
    ],
)
def test_only_what_is_free_may_differ(free, expected):
    here = sysu.get_config().to_dict()
    there = copy.deepcopy(here)
    for path in (*expected, "loss.temperature", "optimizer.learning_rate"):
        *sections, name = path.split(".")
        section = there
        for key in sections:
            section = section[key]
        section[name] = "another"
    named = [line.split(":")[0] for line in differences(there, here, but=free)]
    assert named == ["config.loss.temperature", "config.optimizer.learning_rate"]
    assert len(free) == len(expected)
