"""For the tests of preparation: a few people in each layout, and folders of one's own."""

import pytest

from data_prep.synthetic import generate
from tests.helpers.small_sets import TINY, noise


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A few people in each layout."""
    root = tmp_path_factory.mktemp("drawn")
    return {
        layout: generate(root / layout, layout=layout, **TINY)
        for layout in ("sysu", "regdb", "llcm", "folders")
    }


@pytest.fixture
def own(tmp_path):
    """Folders of one's own: 5 pictures of each modality, in two cameras."""
    for first, modality in ((0, "visible"), (5, "infrared")):
        for number in range(5):
            path = tmp_path / f"own/{modality}/c{number % 2}/{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            noise(first + number).save(path)
    return tmp_path / "own"
