"""The picture cache: the same pixels as without it, decoded once, mapped and not to be written."""

import stat

import numpy as np
import pytest

from pclhd_jax.data.pictures.cache_file import HEADER_BYTES
from pclhd_jax.data.pictures.decode import load_pictures
from tests.helpers.picture_cache import COUNT, FORM, Cache, draw, listed


@pytest.mark.parametrize("resample", ["bicubic", "lanczos"])
def test_the_mapped_pictures_are_those_of_load_pictures_bit_for_bit(cache, pictures, resample):
    expected = load_pictures(pictures, FORM._replace(resample=resample))
    for _ in range(2):  # as built, as found
        images = cache(form=FORM._replace(resample=resample))
        np.testing.assert_array_equal(images, expected)
        assert (images.dtype, type(images)) == (np.uint8, np.ndarray)


def test_a_second_run_decodes_nothing_and_says_nothing(cache):
    cache()
    assert sorted(cache.decoded) == list(range(COUNT)) and cache.told == []
    cache()
    assert cache.decoded == [] == cache.told


def test_the_pictures_are_mapped_and_cannot_be_written(cache):
    images = cache()
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0
    with cache.file().open("r+b") as file:
        file.seek(HEADER_BYTES)
        file.write(bytes([images[0, 0, 0, 0] ^ 255]))
    # A copy in memory would not see it.
    assert images[0, 0, 0, 0] == np.fromfile(cache.file(), np.uint8)[HEADER_BYTES]


def test_without_a_folder_nothing_is_written(pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    np.testing.assert_array_equal(Cache(pictures, None)(), load_pictures(pictures, FORM))
    assert sorted(tmp_path.rglob("*")) == before


def test_sizes_filters_names_and_folders_of_pictures_have_a_file_each(cache, pictures, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    draw(other / "0.png", 99)
    forms = [FORM._replace(height=13), FORM._replace(resample="lanczos")]
    changes = [{}, *({"form": form} for form in forms), {"name": "test"}]
    for change in [*changes, {"pictures": listed(other, ["0.png"])}]:
        cache(**change)
        assert cache.told == []
    for change in changes:
        cache(**change)
        assert cache.decoded == []


@pytest.mark.parametrize("loss", ["removed", "renamed", "replaced"])
def test_mapped_pictures_outlive_their_files_name(cache, loss):
    images = cache()
    before = images.copy()
    if loss == "removed":
        cache.file().unlink()
    elif loss == "renamed":
        cache.file().rename(cache.folder / "elsewhere")
    else:
        (cache.folder / "other").write_bytes(bytes(100))
        (cache.folder / "other").replace(cache.file())
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(cache(), before)


def test_the_file_is_protected_from_being_written_to(cache):
    # Cut short while it is mapped, it would end the process: `cp` and `>` are refused.
    cache()
    (path,) = cache.folder.glob("*.pictures")
    assert stat.S_IMODE(path.stat().st_mode) == 0o444
