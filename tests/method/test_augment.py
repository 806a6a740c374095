"""Augmentation: what one picture may become, and how often."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pclhd_jax.method.augment import (
    augment_infrared,
    augment_visible,
    base_view,
    channel_exchange_view,
    infrared_view,
    normalise,
    random_erase,
    shift_crop,
)

MEAN, STD = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
FILL = np.array([0.4914, 0.4822, 0.4465], np.float32)
DRAWS = 2000


def many(view, image, *args, draws=DRAWS, seed=0):
    """`draws` independent views of one picture."""
    keys = jax.random.split(jax.random.key(seed), draws)
    return np.asarray(jax.jit(jax.vmap(lambda key: view(key, image, *args)))(keys))


def near(share, p, draws=DRAWS):
    """Within five deviations of a share of `draws`."""
    return abs(share - p) < 5 * np.sqrt(p * (1 - p) / draws)


def is_fill(views):
    return (views == FILL).all(axis=-1)


def test_normalise_is_the_torch_formula():
    image = np.random.default_rng(0).integers(0, 256, (2, 5, 4, 3), dtype=np.uint8)
    got = normalise(jnp.asarray(image))
    assert got.dtype == jnp.float32
    np.testing.assert_allclose(got, (image / 255 - MEAN) / STD, atol=1e-5)


def test_a_crop_is_one_of_all_crops_of_the_padded_picture():
    image = np.arange(1, 1 + 6 * 5 * 3, dtype=np.uint8).reshape(6, 5, 3)
    padded = np.zeros((6 + 4, 5 + 4, 3), np.uint8)
    padded[2:8, 2:7] = image
    crops = {
        padded[top : top + 6, left : left + 5].tobytes(): (top, left)
        for top in range(5)
        for left in range(5)
    }
    views = many(shift_crop, jnp.asarray(image), 2)
    assert views.dtype == np.uint8
    counts = {}
    for view in views:
        place = crops[view.tobytes()]  # KeyError: not a crop
        counts[place] = counts.get(place, 0) + 1
    assert len(counts) == 25
    assert all(near(n / DRAWS, 1 / 25) for n in counts.values())


@pytest.fixture(scope="module")
def erased():
    """Which pixels of (DRAWS, 40, 20) were erased."""
    views = many(random_erase, jnp.full((40, 20, 3), -7.0))
    assert set(np.unique(views[~is_fill(views)])) == {-7.0}, "only the fill is ever written"
    return is_fill(views)


def naive_erase(rng, H, W):
    """Height and width of one rectangle, as the released program draws them."""
    while True:
        area, aspect = H * W * rng.uniform(0.02, 0.4), rng.uniform(0.3, 1 / 0.3)
        height, width = round((area * aspect) ** 0.5), round((area / aspect) ** 0.5)
        if height < H and width < W:
            return height, width


def test_half_of_the_pictures_are_erased_in_one_rectangle_within_bounds(erased):
    on = erased.any(axis=(1, 2))
    assert near(on.mean(), 0.5)
    for mask in erased[on]:
        height, width = mask.any(axis=1).sum(), mask.any(axis=0).sum()
        assert mask.sum() == height * width
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        assert np.ptp(rows) + 1 == height and np.ptp(columns) + 1 == width
        assert height < 40 and width < 20
        slack = (height + width + 1) / 2  # both sides are rounded
        assert 0.02 * 800 - slack <= mask.sum() <= 0.4 * 800 + slack


def test_erased_rectangles_are_distributed_as_in_the_naive_loop(erased):
    masks = erased[erased.any(axis=(1, 2))]
    got = np.stack([masks.any(axis=2).sum(axis=1), masks.any(axis=1).sum(axis=1)], axis=1)
    rng = np.random.default_rng(0)
    want = np.array([naive_erase(rng, 40, 20) for _ in range(20000)])
    error = want.std(axis=0) / np.sqrt(len(got))
    assert (np.abs(got.mean(axis=0) - want.mean(axis=0)) < 5 * error).all()
    area_error = want.prod(axis=1).std() / np.sqrt(len(got))
    assert abs(got.prod(axis=1).mean() - want.prod(axis=1).mean()) < 5 * area_error


def test_erased_rectangles_touch_each_border_as_often_as_uniform_places_do(erased):
    masks = erased[erased.any(axis=(1, 2))]
    height, width = masks.any(axis=2).sum(axis=1), masks.any(axis=1).sum(axis=1)
    for touches, p in (
        (masks[:, 0].any(axis=1), 1 / (40 - height + 1)),
        (masks[:, -1].any(axis=1), 1 / (40 - height + 1)),
        (masks[:, :, 0].any(axis=1), 1 / (20 - width + 1)),
        (masks[:, :, -1].any(axis=1), 1 / (20 - width + 1)),
    ):
        assert near(touches.mean(), p.mean(), len(masks))


def test_mirror_and_erasing_each_take_half_of_the_views_independently():
    image = np.random.default_rng(1).integers(0, 256, (24, 12, 3), dtype=np.uint8)
    plain = np.asarray(normalise(jnp.asarray(image)))
    views = many(base_view, jnp.asarray(image), 0)
    assert views.shape == (DRAWS, 24, 12, 3) and views.dtype == np.float32
    kept = ~is_fill(views)[..., None]
    as_is, mirrored = (
        (np.isclose(views, target, atol=1e-5) | ~kept).all(axis=(1, 2, 3))
        for target in (plain, plain[:, ::-1])
    )
    assert (as_is ^ mirrored).all()
    on = ~kept.all(axis=(1, 2, 3))
    for mirror in (False, True):
        for erase in (False, True):
            assert near(((mirrored == mirror) & (on == erase)).mean(), 0.25)


COLOUR = np.array([250, 120, 10], np.uint8)
COLOUR_NORMALISED = (COLOUR / 255 - MEAN) / STD


def whole_colour_views(view):
    """(n, 3): the one colour of every view of a plain picture that was not erased."""
    image = jnp.asarray(np.broadcast_to(COLOUR, (8, 8, 3)))
    views = many(view, image, 0).reshape(DRAWS, -1, 3)
    views = views[(views == views[:, :1]).all(axis=(1, 2))][:, 0]
    assert 0.4 * DRAWS < len(views) < 0.6 * DRAWS
    return views


def test_channel_exchange_copies_one_of_three_channels_uniformly():
    colours = whole_colour_views(channel_exchange_view)
    for channel in range(3):
        want = np.full(3, COLOUR_NORMALISED[channel])
        share = np.isclose(colours, want, atol=1e-5).all(axis=1).mean()
        assert near(share, 1 / 3, len(colours))


def test_channel_exchange_leaves_equal_channels_everywhere():
    image = np.random.default_rng(2).integers(0, 256, (24, 12, 3), dtype=np.uint8)
    views = many(channel_exchange_view, jnp.asarray(image), 3, draws=50)
    np.testing.assert_array_equal(views, views[..., :1].repeat(3, axis=-1))


def test_infrared_views_are_one_of_four_equally_often_and_the_fourth_halves():
    colours = whole_colour_views(infrared_view)
    luma = COLOUR_NORMALISED @ [0.2989, 0.5870, 0.1140]
    expected = [(np.full(3, c), 0.25) for c in COLOUR_NORMALISED]
    expected += [(COLOUR_NORMALISED, 0.125), (np.full(3, luma), 0.125)]
    total = 0
    for colour, p in expected:
        share = np.isclose(colours, colour, atol=1e-5).all(axis=1).mean()
        assert near(share, p, len(colours))
        total += share
    np.testing.assert_allclose(total, 1)


visible_views = jax.jit(augment_visible, static_argnames="pad")
infrared_views = jax.jit(augment_infrared, static_argnames="pad")


@pytest.mark.parametrize(("augment", "views"), [(visible_views, 2), (infrared_views, 1)])
def test_a_batch_of_one_picture_gives_different_views_from_one_key(augment, views):
    image = np.random.default_rng(3).integers(0, 256, (24, 12, 3), dtype=np.uint8)
    batch = jnp.asarray(np.stack([image] * 8))
    got = np.asarray(augment(jax.random.key(0), batch, pad=5))
    assert got.shape == (8 * views, 24, 12, 3) and got.dtype == np.float32
    np.testing.assert_array_equal(got, augment(jax.random.key(0), batch, pad=5))
    assert (got != np.asarray(augment(jax.random.key(1), batch, pad=5))).any(axis=(1, 2, 3)).all()
    assert len({view.tobytes() for view in got}) == 8 * views


def test_visible_base_views_come_first_and_keep_the_order_of_the_pictures():
    colours = np.random.default_rng(4).integers(1, 256, (8, 3), dtype=np.uint8)
    batch = jnp.asarray(np.broadcast_to(colours[:, None, None], (8, 24, 12, 3)))
    views = np.asarray(visible_views(jax.random.key(5), batch, pad=5))
    plain = (colours / 255 - MEAN) / STD
    for i in range(8):
        assert np.isclose(views[i], plain[i], atol=1e-5).all(axis=-1).mean() > 0.15
        grey = views[8 + i]
        np.testing.assert_array_equal(grey, grey[..., :1].repeat(3, axis=-1))
        assert max(np.isclose(grey[..., 0], c, atol=1e-5).mean() for c in plain[i]) > 0.15
