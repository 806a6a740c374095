"""A picture cache of another source, list, size or Pillow is made anew, with the reason."""

import os
import re
import time

import numpy as np
import PIL
import pytest

from pclhd_jax.data.pictures.cache import Originals, cached_pictures
from pclhd_jax.data.pictures.decode import load_pictures
from pclhd_jax.data.pictures.stamps import Stamp
from tests.helpers.picture_cache import COUNT, FORM, draw, listed, originals_of


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("bytes", "another source"),
        ("order", "another list of pictures"),
        ("fewer", "another shape .*, list of pictures"),
        ("stamp", r"another source \(there .*, now moved\)"),
        ("pillow", r"another Pillow \(there .*, now 0\.0\)"),
    ],
)
def test_a_stale_file_is_rebuilt_with_the_reason(cache, pictures, monkeypatch, change, message):
    cache()
    new = {}
    if change == "bytes":
        draw(os.path.join(pictures.root, "3.png"), 77)
        os.utime(os.path.join(pictures.root, "3.png"), ns=(1, 1))
    elif change == "order":
        new["pictures"] = pictures.take([1, 0, 2, 3, 4])
    elif change == "fewer":
        new["pictures"] = pictures.take([1, 2])
    elif change == "stamp":
        new["stamp"] = Stamp("moved", 0)
    else:
        monkeypatch.setattr(PIL, "__version__", "0.0")
    images = cache(**new)
    assert len(cache.told) == 1 and re.search(message, cache.told[0])
    assert cache.told[0].endswith("decoding again")
    np.testing.assert_array_equal(images, load_pictures(new.get("pictures", pictures), FORM))
    cache(**new)
    assert cache.told == [] == cache.decoded


def swap(path, seed):
    """Another picture of the same size and date, as `cp -p` and a careless tool make it."""
    before = os.stat(path)
    draw(path, seed)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert os.stat(path).st_size == before.st_size


@pytest.fixture
def bitmaps(tmp_path):
    """Pictures whose files all have one size."""
    root = tmp_path / "bitmaps"
    root.mkdir()
    for i in range(COUNT):
        draw(root / f"{i}.bmp", i)
    return listed(root, [f"{i}.bmp" for i in range(COUNT)])


def test_a_picture_replaced_by_another_of_its_size_and_date_is_decoded_again(cache, bitmaps):
    cache(pictures=bitmaps)
    time.sleep(0.02)  # the system's clock for files ticks a hundred times a second or more
    swap(os.path.join(bitmaps.root, "3.bmp"), 77)
    images = cache(pictures=bitmaps)
    assert len(cache.told) == 1 and "replaced by another of its size and date" in cache.told[0]
    np.testing.assert_array_equal(images, load_pictures(bitmaps, FORM))
    cache(pictures=bitmaps)
    assert cache.told == [] == cache.decoded


def test_pictures_that_were_only_touched_are_not_decoded_again(cache, bitmaps):
    before = cache(pictures=bitmaps).copy()
    time.sleep(0.02)
    os.chmod(os.path.join(bitmaps.root, "3.bmp"), 0o600)
    np.testing.assert_array_equal(cache(pictures=bitmaps), before)
    assert cache.told == []
    assert sorted(cache.decoded) == list(range(COUNT))  # their bytes were compared


def test_a_picture_that_is_lost_or_unreadable_later_is_named_by_the_next_run(cache, bitmaps):
    cache(pictures=bitmaps)
    os.unlink(os.path.join(bitmaps.root, "3.bmp"))
    with pytest.raises(ValueError, match=r"cannot read picture .*3\.bmp"):
        cache(pictures=bitmaps)
    assert "another source" in cache.told[0]


def test_what_fails_to_be_compared_is_decoded_and_then_named(pictures, folder):
    told, prefix = [], folder / "pictures"
    originals = originals_of(pictures)._replace(stamp=Stamp("same", 1))
    cached_pictures(pictures, originals, FORM, prefix)

    def read(index):
        raise OSError(5, "Input/output error")

    with pytest.raises(ValueError, match=r"cannot read picture .*Input/output error"):
        newer = Originals(read, Stamp("same", 2))
        cached_pictures(pictures, newer, FORM, prefix, tell=told.append)
    assert "a picture behind it cannot be read" in told[0]
