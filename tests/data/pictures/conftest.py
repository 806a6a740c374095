"""For the tests of the picture cache: a set, a folder for its file, and calls with both."""

import pytest

from tests.helpers.picture_cache import COUNT, Cache, draw, listed


@pytest.fixture
def pictures(tmp_path):
    root = tmp_path / "set"
    root.mkdir()
    for i in range(COUNT):
        draw(root / f"{i}.png", i)
    return listed(root, [f"{i}.png" for i in range(COUNT)])


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


@pytest.fixture
def cache(pictures, folder):
    return Cache(pictures, folder)
