"""An index of the tiny set's visible test pictures, by the encoder of the tiny run."""

import pytest

from pclhd_jax.using.retrieval.embedder import Embedder
from pclhd_jax.using.retrieval.make_index import make_index


@pytest.fixture(scope="module")
def run(finished):
    return finished[0]


@pytest.fixture(scope="module")
def embedder(run):
    return Embedder.load(run, batch_size=32)  # the tiny run's own


@pytest.fixture(scope="module")
def index(run, pictures, tmp_path_factory):
    out = tmp_path_factory.mktemp("index") / "gallery"
    return make_index(run, [pictures], "visible", out, layout="sysu", batch_size=32)
