"""What changes by epoch, against numbers worked by hand."""

from dataclasses import replace

import numpy as np

from configs import common
from pclhd_jax.method.schedules import (
    infrared_crosses,
    learning_rate_at,
    progressive_weights,
    ramp,
)
from pclhd_jax.settings.schedule import When
from pclhd_jax.settings.sections import settings_of


def loss(ramp_epochs):
    numbers = dict(stage1_weights=(1.0, 0.0, 0.0), stage2_weights=(0.0, 2.0, 4 / 7), balance=0.3)
    paper = settings_of(common.base("paper")).loss
    return replace(paper, **numbers, ramp_epochs=ramp_epochs)


def test_stage_one_keeps_its_weights():
    for epoch in (0, 7, 49):
        assert progressive_weights(When(1, epoch), loss(4)) == (1.0, 0.0, 0.0)


def test_no_ramp_is_a_plain_switch():
    for epoch in (0, 1, 30):
        got = progressive_weights(When(2, epoch), loss(0))
        np.testing.assert_allclose(got, (0.0, 0.6, 0.4), atol=1e-7)


def test_a_ramp_of_three_epochs_goes_by_quarters():
    got = [progressive_weights(When(2, epoch), loss(3)) for epoch in range(5)]
    want = [
        (0.75, 0.15, 0.10),
        (0.50, 0.30, 0.20),
        (0.25, 0.45, 0.30),
        (0.00, 0.60, 0.40),
        (0.00, 0.60, 0.40),
    ]
    np.testing.assert_allclose(got, want, atol=1e-6)


def test_a_cosine_ramp_has_the_same_ends_and_is_slow_at_both():
    got = [ramp(epoch, ramp_epochs=3, shape="cosine") for epoch in range(5)]
    np.testing.assert_allclose(got, [0.146447, 0.5, 0.853553, 1.0, 1.0], atol=1e-6)


def test_infrared_features_cross_on_odd_epochs():
    assert [bool(infrared_crosses(epoch)) for epoch in range(4)] == [False, True, False, True]


def test_the_rate_falls_tenfold_every_so_many_epochs():
    rates = [
        learning_rate_at(epoch, start=0.1, decay_every_epochs=3, factor=0.1) for epoch in range(9)
    ]
    np.testing.assert_allclose(rates, [0.1] * 3 + [0.01] * 3 + [0.001] * 3)
