"""Pictures in memory: Pillow's own resize is the reference, bad files are named."""

import numpy as np
import pytest
from PIL import Image

from pclhd_jax.data.lists import Pictures
from pclhd_jax.data.pictures.decode import PictureForm, load_pictures

BICUBIC = PictureForm(12, 6, "bicubic")


def listed(root, *names):
    zeros = np.zeros(len(names), np.int32)
    return Pictures(str(root), names, zeros, zeros)


def noise(seed, height=30, width=20):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


@pytest.fixture
def root(tmp_path):
    for i in range(9):
        Image.fromarray(noise(i, 30 + i, 20)).save(tmp_path / f"{i}.png")
    return tmp_path


@pytest.mark.parametrize(
    ("resample", "filter_"),
    [("bicubic", Image.Resampling.BICUBIC), ("lanczos", Image.Resampling.LANCZOS)],
)
def test_rows_are_the_listed_pictures_resized_by_pillow(root, resample, filter_):
    order = [4, 0, 8, 2, 7]
    images = load_pictures(
        listed(root, *(f"{i}.png" for i in order)), BICUBIC._replace(resample=resample)
    )
    assert images.shape == (5, 12, 6, 3) and images.dtype == np.uint8
    for image, i in zip(images, order, strict=True):
        expected = Image.fromarray(noise(i, 30 + i, 20)).resize((6, 12), filter_)
        np.testing.assert_array_equal(image, np.asarray(expected))


def test_bicubic_and_lanczos_differ(root):
    pictures = listed(root, "0.png")
    bicubic = load_pictures(pictures, BICUBIC)
    assert (bicubic != load_pictures(pictures, BICUBIC._replace(resample="lanczos"))).any()


def test_shrinking_is_antialiased(tmp_path):
    stripes = np.zeros((64, 64, 3), np.uint8)
    stripes[::2] = 255
    Image.fromarray(stripes).save(tmp_path / "stripes.png")
    image = load_pictures(listed(tmp_path, "stripes.png"), PictureForm(16, 16, "bicubic"))
    assert abs(image.astype(int)[0, 2:-2] - 127).max() <= 4  # Without it: all 0 or all 255.


def test_a_picture_of_the_right_size_is_returned_exactly(tmp_path):
    Image.fromarray(noise(3, 12, 6)).save(tmp_path / "same.bmp")
    image = load_pictures(listed(tmp_path, "same.bmp"), BICUBIC)[0]
    np.testing.assert_array_equal(image, noise(3, 12, 6))


def test_grey_palette_and_alpha_pictures_become_rgb(tmp_path):
    grey = np.full((12, 6), 77, np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    Image.fromarray(np.stack([grey] * 3, -1)).quantize(4).save(tmp_path / "palette.png")
    Image.fromarray(np.stack([grey] * 3 + [grey * 0], -1), "RGBA").save(tmp_path / "alpha.png")
    names = ("grey.png", "palette.png", "alpha.png")
    assert (load_pictures(listed(tmp_path, *names), BICUBIC) == 77).all()


def test_progress_is_reported_once_per_picture_in_order(root):
    calls = []
    load_pictures(
        listed(root, *(f"{i}.png" for i in range(9))),
        BICUBIC,
        report=lambda done, total: calls.append((done, total)),
    )
    assert calls == [(i, 9) for i in range(1, 10)]


def test_an_empty_list_gives_an_empty_array(root):
    assert load_pictures(listed(root), BICUBIC).shape == (0, 12, 6, 3)


@pytest.mark.parametrize("kind", ["missing", "text", "empty", "truncated jpg", "truncated png"])
def test_a_picture_that_cannot_be_read_is_named_with_a_remedy(root, kind):
    name = "bad.png" if kind == "truncated png" else "bad.jpg"
    if kind == "text":
        (root / name).write_text("not a picture")
    elif kind == "empty":
        (root / name).touch()
    elif kind != "missing":
        Image.fromarray(noise(0, 200, 100)).save(root / name)
        data = (root / name).read_bytes()
        (root / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(ValueError, match=r"cannot read picture .*bad\..*copy it again"):
        load_pictures(listed(root, "0.png", name, "1.png"), BICUBIC)


@pytest.mark.parametrize("limit", [500, 200])  # Pillow warns at 600 pixels > limit, fails at twice
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_picture_above_pillows_pixel_limit_is_an_error(root, monkeypatch, limit):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(ValueError, match=rf"0\.png has 600 pixels, the limit is {limit}; crop"):
        load_pictures(listed(root, "0.png"), BICUBIC)


def test_a_sixteen_bit_picture_is_refused_instead_of_clipped(root):
    Image.fromarray(np.full((12, 6), 40_000, np.uint16)).save(root / "deep.png")
    with pytest.raises(ValueError, match=r"deep\.png has mode 'I;16'.*8 bits"):
        load_pictures(listed(root, "deep.png"), BICUBIC)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"resample": "nearest"}, "'nearest'; use 'bicubic' or 'lanczos'"),
        ({"height": 0}, "0 x 6"),
    ],
)
def test_settings_that_make_no_sense_are_refused(root, change, message):
    with pytest.raises(ValueError, match=message):
        load_pictures(listed(root, "0.png"), BICUBIC._replace(**change))
