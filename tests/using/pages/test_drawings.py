"""Drawings of arrays: heat maps, t-SNE, curves."""

import jax.numpy as jnp
import numpy as np
import pytest

from pclhd_jax.models.agw import gem_pool
from pclhd_jax.using.pages.encoder_arrays import shares
from pclhd_jax.using.pages.epoch_plots import Line, Panel, draw_panels
from pclhd_jax.using.pages.heat_section import overlay
from pclhd_jax.using.pages.tsne_section import choose, draw_plane, plane
from tests.helpers.unit_rows import unit_rows


def test_shares_of_two_positions_by_hand():
    y_BhwD = jnp.array([[[[1.0, 2.0, 0.0], [2.0, 0.0, 0.0]]]])  # cubes 1, 8, 0 and 8, 0, 0
    z_BD = jnp.sqrt(jnp.array([[0.5, 0.3, 0.2]]))
    expected = [0.5 / 9 + 0.3 + 0.1, 0.5 * 8 / 9 + 0.1]  # the dead channel is spread evenly
    np.testing.assert_allclose(shares(y_BhwD, z_BD)[0, 0], expected, rtol=1e-6)


def test_shares_sum_to_one_and_a_channels_are_those_of_what_pooling_takes():
    rng = np.random.default_rng(0)
    y_BhwD = jnp.asarray(rng.random((2, 3, 4, 5)), jnp.float32)
    z_BD = jnp.asarray(unit_rows(rng, 2, 5))
    np.testing.assert_allclose(shares(y_BhwD, z_BD).sum(axis=(1, 2)), 1, rtol=1e-6)
    one_channel = jnp.zeros((2, 5)).at[:, 3].set(1.0)
    without = gem_pool(y_BhwD.at[:, 1, 2].set(0.0))[:, 3] ** 3 / gem_pool(y_BhwD)[:, 3] ** 3
    np.testing.assert_allclose(shares(y_BhwD, one_channel)[:, 1, 2], 1 - without, rtol=1e-4)


def test_the_greatest_share_is_yellow_and_the_least_dark_blue():
    grey_HWC = np.full((40, 40, 3), 100, np.uint8)
    map_hw = np.array([[0.0, 0.0], [0.0, 1.0]])
    shown_HWC = overlay(grey_HWC, map_hw).astype(int)
    dark, bright = shown_HWC[2, 2], shown_HWC[-2, -2]
    assert dark[2] > dark[0] and bright[0] > bright[2] + 50 and bright.sum() > dark.sum() + 200
    assert len(np.unique(overlay(grey_HWC, np.ones((2, 2))).reshape(-1, 3), axis=0)) == 1


def test_ten_people_of_both_modalities_are_spread_over_those_there_are():
    visible_N = np.repeat(np.arange(40), 15)
    infrared_N = np.repeat(np.arange(20, 60), 2)
    rows_v, rows_i = choose(visible_N, infrared_N)
    people = np.unique(visible_N[rows_v])
    assert len(people) == 10 and people[0] == 20 and people[-1] == 39
    np.testing.assert_array_equal(np.unique(infrared_N[rows_i]), people)
    assert len(rows_v) == 10 * 12 and len(rows_i) == 10 * 2  # no more than 12 of each
    assert choose(np.array([1, 1]), np.array([1, 2])) is None


def test_tsne_keeps_two_far_groups_apart_and_comes_out_the_same_again():
    rng = np.random.default_rng(0)
    z_ND = np.repeat(np.eye(2, 6), 8, axis=0) + 0.01 * rng.normal(size=(16, 6))
    xy_N2 = plane(z_ND.astype(np.float32))
    np.testing.assert_array_equal(xy_N2, plane(z_ND.astype(np.float32)))
    centre_22 = xy_N2.reshape(2, 8, 2).mean(axis=1)
    spread = np.linalg.norm(xy_N2 - np.repeat(centre_22, 8, axis=0), axis=1).max()
    assert np.linalg.norm(centre_22[0] - centre_22[1]) > spread


def test_the_marker_tells_the_modality_and_a_number_the_person():
    people_N, is_infrared_N = np.array([3, 3, 8, 8]), np.array([False, True, False, True])
    drawing = draw_plane(np.arange(8.0).reshape(4, 2), people_N, is_infrared_N, "title")
    (ax,) = drawing.axes
    assert sorted(text.get_text() for text in ax.texts) == ["3", "3", "8", "8"]
    visible_3, infrared_3, visible_8, _ = ax.collections[:4]
    assert len(visible_3.get_paths()[0].vertices) != len(infrared_3.get_paths()[0].vertices)
    assert len(infrared_3.get_facecolors()) == 0 and len(visible_3.get_facecolors()) == 1
    assert not np.array_equal(visible_3.get_edgecolors(), visible_8.get_edgecolors())


@pytest.mark.filterwarnings("error")
def test_a_panel_shows_each_line_with_its_own_marker_and_where_stage_2_begins():
    lines = [Line("visible", [1, 2], [3.0, 4.0], 0), Line("joint", [2], [5.0], 2)]
    drawing = draw_panels([Panel("Clusters", lines, "count", None, stage2=1)])
    (ax,) = drawing.axes
    first, second, begins = ax.get_lines()
    np.testing.assert_array_equal(first.get_ydata(), [3, 4])
    assert first.get_marker() != second.get_marker() and first.get_color() != second.get_color()
    assert list(begins.get_xdata()) == [1.5, 1.5] and ax.get_ylim()[0] == 0
    (legend,) = drawing.legends
    assert [text.get_text() for text in legend.get_texts()] == ["visible", "joint"]
