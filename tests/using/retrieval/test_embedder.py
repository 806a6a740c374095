"""Features of pictures as they come: the same however many, from files and from arrays."""

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from pclhd_jax.using.encoder import Encoder
from pclhd_jax.using.retrieval.embedder import Embedder
from tests.helpers.small_sets import noise

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


def test_calls_of_one_batch_size_give_the_same_bits(embedder, arrays):
    together = embedder(arrays, "visible")
    assert together.dtype == np.float32 and together.shape == (9, 64)
    np.testing.assert_array_equal(embedder(arrays[::-1], "visible")[::-1], together)
    few = embedder(arrays[:3], "visible")  # a batch of 4, as for 4 pictures
    np.testing.assert_array_equal(embedder(arrays[:4], "visible")[:3], few)


def test_how_many_pictures_a_call_brings_changes_rounding_alone(embedder, arrays):
    together = embedder(arrays, "visible")
    for size in (1, 2, 5):
        apart = [embedder(arrays[i : i + size], "visible") for i in range(0, 9, size)]
        np.testing.assert_allclose(np.concatenate(apart), together, atol=2e-6)


def test_a_batch_is_the_next_power_of_two_that_the_devices_share(embedder, monkeypatch):
    large = Embedder.of(embedder.encoder, 64)
    sizes = [large.batch_of(n) for n in (1, 2, 3, 5, 33, 64, 65, 1000)]
    assert sizes == [2, 2, 4, 8, 64, 64, 64, 64]  # on two devices
    assert Embedder.of(embedder.encoder, 10).batch_of(9) == 10
    monkeypatch.setattr("jax.device_count", lambda: 3)
    three = Embedder.of(embedder.encoder, 64)
    assert [three.batch_of(n) for n in (1, 4, 64)] == [3, 6, 66]


def test_a_service_that_embeds_any_number_compiles_few_programs(embedder, arrays):
    from pclhd_jax.training.experiment import make_feature_steps

    step = make_feature_steps(embedder.encoder.model, True)["infrared"]
    step.clear_cache()
    for number in range(1, 10):
        embedder(arrays[:number], "infrared")
    assert step._cache_size() == 4  # batches of 2, 4, 8, 16


def test_the_last_batch_of_a_large_input_is_filled_up(embedder, arrays):
    small = Embedder.of(embedder.encoder, 4)
    z_ND = small(arrays, "visible")  # 4, 4, 1
    assert z_ND.shape == (9, 64)
    np.testing.assert_allclose(z_ND, embedder(arrays, "visible"), atol=2e-6)


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


def test_pictures_of_pillow_arrays_of_jax_and_any_iterable_are_taken(
    embedder, arrays, files, monkeypatch
):
    z_ND = embedder(arrays[:2], "visible")
    palette = Image.fromarray(arrays[0]).quantize(7)
    for images in (
        [Image.open(files[0]), jnp.asarray(arrays[1])],
        (array for array in arrays[:2]),
        map(Image.fromarray, arrays[:2]),
    ):
        np.testing.assert_array_equal(embedder(images, "visible"), z_ND)
    colours = np.asarray(palette.convert("RGB"))
    two = embedder([palette, colours], "visible")
    np.testing.assert_array_equal(two[0], two[1])
    stack = np.stack([arrays[0], arrays[0]])
    same = embedder(stack, "visible")
    np.testing.assert_array_equal(embedder(jnp.asarray(stack), "visible"), same)
    monkeypatch.setenv("HOME", str(files[0].parent))
    homes = [f"~/{file.name}" for file in files[:2]]
    np.testing.assert_array_equal(embedder(homes, "visible"), z_ND)


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
        (np.zeros((8, 4, 3), np.uint8), r"one picture of shape \(8, 4, 3\); give a list"),
        (np.zeros((8, 4), np.uint8), r"one picture of shape \(8, 4\); give a list"),
        (Image.new("L", (4, 8)), "one picture of Pillow; give a list"),
        ([None], "picture 0: a picture of shape .*give uint8"),
        ([np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4, 3))], "picture 1: a picture of shape"),
        ([np.zeros((4, 4, 4), np.uint8)], r"picture 0: .*\(4, 4, 4\) and type uint8; give uint8"),
        ([np.zeros((0, 4, 3), np.uint8)], "picture 0: .* it has no pixel"),
        (["/none/a.png"], r"cannot read picture /none/a\.png \(FileNotFoundError"),
    ],
)
def test_what_is_no_picture_is_refused_by_its_name_or_number(embedder, images, message):
    with pytest.raises(ValueError, match=message):
        embedder(images, "visible")


@pytest.mark.parametrize("images", [None, 3, b"a.png", {"a": 1}])
def test_what_is_no_list_is_refused_by_its_type(embedder, images):
    kind = type(images).__name__
    with pytest.raises(TypeError, match=rf"of type {kind}; give a list of paths or arrays"):
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


def test_a_path_in_a_folder_of_the_other_modality_is_warned_of(embedder, tmp_path):
    (tmp_path / "infrared").mkdir()
    noise(0).save(tmp_path / "infrared/a.png")
    with pytest.warns(UserWarning, match="1 of 1 pictures are in a folder of infrared pictures"):
        embedder([tmp_path / "infrared/a.png"], "visible")
