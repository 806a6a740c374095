"""Features of pictures as they come: the same however many, from files and from arrays."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from pclhd_jax.encoder import Encoder
from pclhd_jax.retrieval.embedder import Embedder

SIZES = [(40, 20), (32, 16), (90, 31), (33, 70), (16, 16)]


@pytest.fixture(scope="module")
def arrays():
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*SIZES[i % 5], 3), np.uint8) for i in range(9)]


@pytest.fixture(scope="module")
def files(arrays, tmp_path_factory):
    root = tmp_path_factory.mktemp("files")
    for number, array in enumerate(arrays):
        Image.fromarray(array).save(root / f"{number}.png")
    return [root / f"{number}.png" for number in range(len(arrays))]


def test_how_many_pictures_a_call_brings_changes_no_bit(embedder, arrays, monkeypatch):
    together = embedder(arrays, "visible")
    assert together.dtype == np.float32 and together.shape == (9, 64)
    for size in (1, 2, 5):
        apart = [embedder(arrays[i : i + size], "visible") for i in range(0, 9, size)]
        np.testing.assert_array_equal(np.concatenate(apart), together)
    backwards = embedder(arrays[::-1], "visible")[::-1]
    np.testing.assert_array_equal(backwards, together)


def test_another_batch_size_gives_the_same_up_to_rounding(embedder, arrays):
    small = Embedder.of(embedder.encoder, batch_size=3)
    assert small.batch_size == 4  # two devices share each batch
    one, other = (e(arrays, "infrared") for e in (embedder, small))  # several batches in small
    np.testing.assert_allclose(one, other, atol=2e-6)
    assert np.abs(one[0] - one[1]).max() > 1e-3


def test_features_are_unit_rows_and_each_modality_has_its_own(embedder, arrays):
    visible, infrared = (embedder(arrays, m) for m in ("visible", "infrared"))
    for z_ND in (visible, infrared):
        np.testing.assert_allclose(np.linalg.norm(z_ND, axis=1), 1, atol=1e-6)
    assert np.abs(visible - infrared).max() > 1e-3


def test_a_file_and_its_pixels_have_one_feature(embedder, arrays, files):
    z_ND = embedder(arrays, "visible")
    np.testing.assert_array_equal(embedder(files, "visible"), z_ND)
    mixed = [str(files[0]), arrays[1], files[2]]
    np.testing.assert_array_equal(embedder(mixed, "visible"), z_ND[:3])


def test_a_grey_array_is_a_picture_of_three_equal_channels(embedder, arrays):
    grey = arrays[0][:, :, 0]
    three = np.repeat(grey[:, :, None], 3, axis=2)
    z_ND = embedder([grey, three], "infrared")
    np.testing.assert_array_equal(z_ND[0], z_ND[1])


def test_an_encoder_in_bfloat16_gives_float32(embedder, arrays):
    half = embedder.encoder._replace(model=embedder.encoder.model.clone(dtype=jnp.bfloat16))
    z_ND = Embedder.of(half, 32)(arrays[:2], "visible")
    assert z_ND.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(z_ND, axis=1), 1, atol=1e-6)
    exact = embedder(arrays[:2], "visible")
    assert 0 < np.abs(z_ND - exact).max() < 0.1


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "no picture to embed"),
        ("a.png", "'a.png' is one picture; give a list"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3))], "picture 1: a picture of shape"),
        ([np.zeros((4, 4, 4), np.uint8)], r"picture 0: .*\(4, 4, 4\) and type uint8; give uint8"),
        ([np.zeros((0, 4, 3), np.uint8)], "picture 0: .* it has no pixel"),
        (["/none/a.png"], r"cannot read picture /none/a\.png \(FileNotFoundError"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_name_or_number(embedder, images, message):
    with pytest.raises(ValueError, match=message):
        embedder(images, "visible")


def test_a_wrong_modality_is_refused_with_both_right_ones(embedder, arrays):
    with pytest.raises(ValueError, match="modality is 'thermal'; it must be visible or infrared"):
        embedder(arrays, "thermal")


def test_a_batch_of_nothing_and_features_that_are_no_numbers_are_refused(embedder, arrays):
    with pytest.raises(ValueError, match="batch_size is 0"):
        Embedder.of(embedder.encoder, 0)
    encoder: Encoder = embedder.encoder
    params = encoder.variables["params"]
    broken = params | {"bottleneck": {"scale": params["bottleneck"]["scale"] * jnp.nan}}
    diverged = encoder._replace(variables=encoder.variables | {"params": broken})
    with pytest.raises(ValueError, match=r"1 of 1 features of .* are not finite"):
        Embedder.of(diverged, 32)(arrays[:1], "visible")
