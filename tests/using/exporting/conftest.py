"""A workdir of a random encoder, the momentum encoder of stage 2 another than the online one."""

import pytest

from tests.helpers.made_run import make_run


@pytest.fixture(scope="package")
def run_and_states(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("exporting") / "run"
    return workdir, make_run(workdir, ids=(2,), depth=5)


@pytest.fixture
def run(run_and_states):
    return run_and_states[0]
