"""The encoder against its published sizes and naive versions of its unusual layers."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from pclhd_jax.models.agw import AGW, gem_pool
from pclhd_jax.models.non_local import NonLocal, OutputNorm

# Parameters of torchvision's ResNets without their classifier of 1000 classes.
TORCHVISION = {
    18: 11_689_512 - 513_000,
    34: 21_797_672 - 513_000,
    50: 25_557_032 - 2_049_000,
    101: 44_549_160 - 2_049_000,
}
# Channels of the blocks that a non-local block follows: the last 2 of stage 2, the last 3 of
# stage 3 (ResNet-18 has only 2 there).
NON_LOCAL_CHANNELS = {
    18: [128] * 2 + [256] * 2,
    34: [128] * 2 + [256] * 3,
    50: [512] * 2 + [1024] * 3,
    101: [512] * 2 + [1024] * 3,
}


def shapes_of(model, height=32, width=16):
    picture = jax.ShapeDtypeStruct((1, height, width, 3), jnp.float32)
    return jax.eval_shape(partial(model.init, train=False), jax.random.key(0), picture, picture)


def count(tree):
    return sum(int(np.prod(leaf.shape)) for leaf in jax.tree.leaves(tree))


@pytest.mark.parametrize("depth", [18, 34, 50, 101])
def test_parameters_are_a_resnet_plus_second_stem_non_local_blocks_and_neck(depth):
    model = AGW(depth=depth)
    variables = shapes_of(model)
    features = 2048 if depth >= 50 else 512
    stem = 3 * 64 * 7 * 7 + 2 * 64
    # g, theta, phi: C weights and a bias each; W: C weights and C biases; its norm: 2 C.
    non_local = sum(3 * (C + 1) + 2 * C + 2 * C for C in NON_LOCAL_CHANNELS[depth])
    neck = features  # a scale, no bias
    assert model.feature_width == features
    assert count(variables["params"]) == TORCHVISION[depth] + stem + non_local + neck
    assert set(variables["params"]["bottleneck"]) == {"scale"}


def test_running_statistics_of_resnet_50_are_two_numbers_for_every_norm():
    blocks = [(64, 256, 3), (128, 512, 4), (256, 1024, 6), (512, 2048, 3)]
    channels = 2 * 64 + sum(n * (2 * inner + outer) + outer for inner, outer, n in blocks)
    channels += 2 * 512 + 3 * 1024 + 2048
    assert count(shapes_of(AGW())["batch_stats"]) == 2 * channels


def test_resnet_50_keeps_its_resolution_in_the_last_stage():
    model = AGW()
    variables = shapes_of(model)
    visible = jax.ShapeDtypeStruct((2, 288, 144, 3), jnp.float32)
    infrared = jax.ShapeDtypeStruct((3, 288, 144, 3), jnp.float32)
    apply = partial(model.apply, train=False, capture_intermediates=True, mutable="intermediates")
    output, captured = jax.eval_shape(apply, variables, visible, infrared)
    layers = captured["intermediates"]

    def shape(name):
        return layers[name]["__call__"][0].shape

    assert output.shape == (5, 2048)
    assert shape("visible") == (2, 72, 36, 64) and shape("infrared") == (3, 72, 36, 64)
    assert shape("layer1_2") == (5, 72, 36, 256)
    assert shape("layer2_3") == shape("non_local2_3") == (5, 36, 18, 512)
    assert shape("layer3_5") == shape("non_local3_5") == (5, 18, 9, 1024)
    assert shape("layer4_0") == shape("layer4_2") == (5, 18, 9, 2048)


def test_half_precision_convolutions_still_give_float32_features():
    model = AGW(depth=18, dtype=jnp.bfloat16)
    variables = shapes_of(model)
    assert {leaf.dtype for leaf in jax.tree.leaves(variables)} == {jnp.dtype("float32")}
    picture = jax.ShapeDtypeStruct((2, 32, 16, 3), jnp.float32)
    output, captured = jax.eval_shape(
        partial(model.apply, train=False, capture_intermediates=True, mutable="intermediates"),
        variables,
        picture,
        None,
    )
    assert output.dtype == jnp.float32
    layers = captured["intermediates"]
    assert layers["layer4_1"]["__call__"][0].dtype == jnp.bfloat16
    assert layers["bottleneck"]["__call__"][0].dtype == jnp.float32


def test_gem_is_the_cube_root_of_the_mean_cube_in_float32():
    x = np.random.default_rng(0).uniform(0, 4, (2, 3, 5, 4)).astype(np.float32)
    x[0, :, :, 0] = 0.0
    want = np.zeros((2, 4))
    for b in range(2):
        for c in range(4):
            cubes = [float(x[b, i, j, c]) ** 3 for i in range(3) for j in range(5)]
            want[b, c] = (sum(cubes) / 15 + 1e-12) ** (1 / 3)
    np.testing.assert_allclose(gem_pool(jnp.asarray(x)), want, rtol=1e-5)


@pytest.mark.parametrize("dtype", [jnp.float16, jnp.bfloat16])
def test_gem_of_half_precision_maps_neither_overflows_nor_rounds(dtype):
    x = jnp.linspace(50, 100, 12, dtype=jnp.float32).reshape(1, 4, 3, 1).astype(dtype)
    got = gem_pool(x)
    assert got.dtype == jnp.float32
    want = np.mean(np.asarray(x, np.float64) ** 3) ** (1 / 3)
    np.testing.assert_allclose(got, [[want]], rtol=1e-5)  # 100^3 is beyond float16


def random_like(tree, rng):
    """Random leaves, variances positive."""
    return jax.tree_util.tree_map_with_path(
        lambda path, leaf: jnp.asarray(
            np.abs(rng.normal(size=leaf.shape)) + 0.5
            if path[-1].key == "var"
            else rng.normal(size=leaf.shape),
            leaf.dtype,
        ),
        tree,
    )


def test_a_non_local_block_is_the_dense_product_over_all_pairs_of_positions():
    rng = np.random.default_rng(1)
    B, H, W, C = 2, 4, 3, 5
    block = NonLocal(partial(OutputNorm, use_running_average=True, momentum=0.9, epsilon=1e-5))
    x = rng.normal(size=(B, H, W, C)).astype(np.float32)
    shapes = jax.eval_shape(block.init, jax.random.key(0), x)
    variables = random_like(shapes, rng)
    got = jax.jit(block.apply)(variables, x)

    p = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), variables)
    stats, p = p["batch_stats"]["W_bn"], p["params"]
    for b in range(B):
        positions = x[b].reshape(H * W, C).astype(float)
        g, theta, phi = (
            positions @ p[name]["kernel"].reshape(C, 1) + p[name]["bias"]
            for name in ("g", "theta", "phi")
        )
        f = theta @ phi.T / (H * W)
        y = (f @ g) @ p["W_conv"]["kernel"].reshape(1, C) + p["W_conv"]["bias"]
        y = (y - stats["mean"]) / np.sqrt(stats["var"] + 1e-5) * p["W_bn"]["scale"]
        want = positions + y + p["W_bn"]["bias"]
        np.testing.assert_allclose(got[b].reshape(H * W, C), want, rtol=1e-4, atol=1e-4)


def test_a_fresh_non_local_block_is_the_identity():
    block = NonLocal(partial(OutputNorm, use_running_average=False, momentum=0.9, epsilon=1e-5))
    x = jax.random.normal(jax.random.key(0), (2, 4, 3, 5))
    got, _ = jax.jit(lambda x: block.init_with_output(jax.random.key(1), x))(x)
    np.testing.assert_array_equal(got, x)


@pytest.fixture(scope="module")
def tiny():
    """A tiny encoder, two visible and three infrared pictures."""
    model = AGW(depth=18, width=0.125)
    picture = jnp.zeros((1, 32, 16, 3))
    variables = jax.jit(partial(model.init, train=False))(jax.random.key(0), picture, picture)
    rng = np.random.default_rng(2)
    visible, infrared = rng.normal(size=(2, 32, 16, 3)), rng.normal(size=(3, 32, 16, 3))
    return model, variables, jnp.float32(visible), jnp.float32(infrared)


def test_in_evaluation_one_modality_alone_gives_its_rows_of_both_visible_first(tiny):
    model, variables, visible, infrared = tiny
    apply = jax.jit(partial(model.apply, train=False))
    both = np.asarray(apply(variables, visible, infrared))
    assert both.shape == (5, model.feature_width) == (5, 64)
    np.testing.assert_allclose(np.linalg.norm(both, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(apply(variables, visible, None), both[:2], atol=1e-5)
    np.testing.assert_allclose(apply(variables, None, infrared), both[2:], atol=1e-5)
    # The stems are not shared: the same pictures by the other stem are other features.
    assert np.abs(apply(variables, None, visible) - both[:2]).max() > 1e-3


def test_training_moves_the_statistics_by_a_tenth_and_leaves_features_raw(tiny):
    model, variables, visible, infrared = tiny
    is_read = lambda module, _: module.name in ("conv1", "bottleneck", "layer4_1")  # noqa: E731
    features, moved = jax.jit(
        partial(
            model.apply,
            train=True,
            mutable=["batch_stats", "intermediates"],
            capture_intermediates=is_read,
        )
    )(variables, visible, infrared)
    stats, layers = moved["batch_stats"], moved["intermediates"]
    for stem in ("visible", "infrared"):
        conv = np.asarray(layers[stem]["conv1"]["__call__"][0], np.float64)
        # The running variance is the unbiased one, as torch's.
        mean, var = conv.mean(axis=(0, 1, 2)), conv.var(axis=(0, 1, 2), ddof=1)
        np.testing.assert_allclose(stats[stem]["bn1"]["mean"], 0.1 * mean, atol=1e-5)
        np.testing.assert_allclose(stats[stem]["bn1"]["var"], 0.9 + 0.1 * var, rtol=1e-4)
    # The neck sees both modalities: batch-normalised GeM, scaled, without a bias.
    last = np.asarray(layers["layer4_1"]["__call__"][0], np.float64)
    pooled = (np.mean(last**3, axis=(1, 2)) + 1e-12) ** (1 / 3)
    scale = np.asarray(variables["params"]["bottleneck"]["scale"])
    want = (pooled - pooled.mean(axis=0)) / np.sqrt(pooled.var(axis=0) + 1e-5) * scale
    np.testing.assert_allclose(features, want, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(stats["bottleneck"]["mean"], 0.1 * pooled.mean(axis=0), rtol=1e-4)


def test_groups_of_a_batch_are_as_batches_of_their_own_and_the_first_ones_statistics_stay(tiny):
    """Each group has its share of the rows of both modalities."""
    _, variables, visible, infrared = tiny
    rng = np.random.default_rng(3)
    visible, infrared = (jnp.float32(rng.normal(size=(n, 32, 16, 3))) for n in (8, 4))

    def features(groups, visible, infrared):
        model = AGW(depth=18, width=0.125, bn_groups=groups)
        return jax.jit(partial(model.apply, train=True, mutable=["batch_stats"]))(
            variables, visible, infrared
        )

    both, moved = features(2, visible, infrared)
    (first, first_moved), (second, _) = (
        features(1, visible[4 * g : 4 * g + 4], infrared[2 * g : 2 * g + 2]) for g in (0, 1)
    )
    want = np.concatenate([first[:4], second[:4], first[4:], second[4:]])
    np.testing.assert_allclose(both, want, rtol=1e-3, atol=1e-3)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-5), moved, first_moved)
    assert np.abs(both - features(1, visible, infrared)[0]).max() > 0.1


def test_what_is_computed_anew_is_what_was_computed(tiny):
    _, variables, visible, infrared = tiny

    def gradients(remat):
        model = AGW(depth=18, width=0.125, remat=remat)

        def loss(params):
            z, moved = model.apply(
                variables | {"params": params}, visible, infrared, True, mutable=["batch_stats"]
            )
            return jnp.sum(jnp.sin(z)), moved

        step = jax.jit(jax.grad(loss, has_aux=True))
        products = step.lower(variables["params"]).as_text().count("stablehlo.convolution")
        return step(variables["params"]), products

    (kept, fewer), (anew, more) = gradients(False), gradients(True)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-4), kept, anew)
    assert more > fewer


def test_the_neck_scale_starts_at_one_give_or_take_a_hundredth(tiny):
    scale = np.asarray(tiny[1]["params"]["bottleneck"]["scale"])
    assert abs(scale.mean() - 1) < 0.01 and 0.005 < scale.std() < 0.015


def test_an_unknown_depth_names_the_depths_there_are():
    with pytest.raises(ValueError, match=r"19.*config\.model\.depth to 18, 34, 50 or 101"):
        shapes_of(AGW(depth=19))


def test_no_pictures_at_all_is_an_error():
    with pytest.raises(ValueError, match="at least one"):
        jax.eval_shape(lambda: AGW(depth=18).init(jax.random.key(0), None, None))
