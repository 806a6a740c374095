"""The epochs of a run: their order, their place and their names."""

from configs import common
from pclhd_jax.settings.schedule import When, epochs_before, schedule, title


def config(stage1, stage2):
    c = common.base("paper")
    c.stage1.epochs, c.stage2.epochs = stage1, stage2
    return c


def test_stage_two_follows_stage_one_and_a_stage_may_have_no_epoch():
    assert schedule(config(2, 1)) == [(1, 0), (1, 1), (2, 0)]
    assert schedule(config(0, 2)) == [(2, 0), (2, 1)]
    assert schedule(config(1, 0)) == [(1, 0)]


def test_an_epoch_has_so_many_before_it():
    assert [epochs_before(config(2, 2), when) for when in schedule(config(2, 2))] == [0, 1, 2, 3]


def test_people_count_epochs_from_one():
    assert title(config(3, 20), When(1, 0)) == "stage 1 epoch 1/3"
    assert title(config(3, 20), When(2, 19)) == "stage 2 epoch 20/20"
