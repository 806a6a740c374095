"""Pictures that have moved since the run: --pictures_root finds them, and others are refused."""

import json
import shutil
from pathlib import Path

import pytest

from pclhd_jax.commands.visualize import main
from pclhd_jax.settings.kept import read_config
from pclhd_jax.settings.sections import settings_of
from pclhd_jax.using.pages.encoder_arrays import (
    check_same_lists,
    see_test_pictures,
    settings_at,
    training_pictures,
)
from tests.helpers.small_sets import below


@pytest.fixture(scope="module")
def run(finished):
    return finished[0]


@pytest.fixture
def moved(run, pictures, tmp_path):
    """(the run, whose settings name a folder that is gone; where its pictures lie)"""
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    config = json.loads((copy / "config.json").read_text())
    config["data"] |= {"source": "data/gone", "prepared": "data/prepared", "cache": "data/cache"}
    (copy / "config.json").write_text(json.dumps(config))
    return copy, shutil.copytree(pictures, tmp_path / "elsewhere")


def test_pictures_are_read_where_they_lie_now_and_nothing_is_written(
    moved, run, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    workdir, root = moved
    before = below(tmp_path)
    seen = see_test_pictures(workdir, str(root))
    expected = see_test_pictures(run)
    for modality in ("visible", "infrared"):
        assert (seen.pictures[modality] == expected.pictures[modality]).all()
    assert len(training_pictures(workdir, str(root)).train.visible_NHWC)
    assert below(tmp_path) == before


def test_a_folder_that_is_gone_is_named_with_the_flag_that_helps(moved, tmp_path):
    settings = settings_of(read_config(moved[0]))
    with pytest.raises(FileNotFoundError, match=r"no pictures at data/gone .*--pictures_root DIR"):
        settings_at(settings, None)
    with pytest.raises(FileNotFoundError, match=r"no pictures at .*nowhere \(--pictures_root\)"):
        settings_at(settings, str(tmp_path / "nowhere"))


def test_pictures_of_another_set_are_refused_with_the_lists_that_differ(moved):
    workdir, root = moved
    test_list = root / "exp/test_id.txt"
    test_list.write_text(",".join(test_list.read_text().split(",")[:-1]))
    with pytest.raises(ValueError, match=r"elsewhere are not those of the run: the lists test_"):
        see_test_pictures(workdir, str(root))
    settings = settings_of(read_config(workdir))
    kept = json.loads((workdir / "pictures.json").read_text())
    check_same_lists(workdir, settings, kept, "train")
    with pytest.raises(ValueError, match=r"train_visible differ from pictures\.json"):
        check_same_lists(workdir, settings, kept | {"train_visible": "0"}, "train")


def test_the_flag_goes_with_a_page_and_a_tilde_in_it_is_expanded(moved, monkeypatch):
    asked = []
    monkeypatch.setattr(
        "pclhd_jax.using.pages.page.see_test_pictures", lambda *a: asked.append(a[1])
    )
    monkeypatch.setattr(
        "pclhd_jax.using.pages.page.training_pictures", lambda *a: asked.append(a[1])
    )
    monkeypatch.setenv("HOME", str(moved[1].parent))
    main([str(moved[0]), "--pictures_root=~/elsewhere"])
    assert [Path(root) for root in asked] == [moved[1]] * 2
    with pytest.raises(SystemExit, match="--pictures_root needs runs to draw"):
        main(["--clusters", str(moved[0]), "--pictures_root", "x"])
