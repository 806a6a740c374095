"""The words of `config.writers`."""

import importlib.util

import pytest

from pclhd_jax.reports.record_writers import Kind
from pclhd_jax.reports.writer_words import KINDS, check_writers
from pclhd_jax.settings.sections import WRITERS


def test_every_word_of_the_setting_has_a_writer():
    assert tuple(KINDS) == WRITERS


@pytest.mark.parametrize(
    ("word", "package"),
    [("tensorboard", "tensorboardX"), ("mlflow", "mlflow-skinny"), ("wandb", "wandb")],
)
def test_a_package_that_is_not_installed_is_named_with_the_remedy(monkeypatch, word, package):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=rf"names {word}, .*run `pip install {package}`"):
        check_writers((word,))


def test_a_folder_of_the_packages_name_is_no_package(tmp_path, monkeypatch):
    (tmp_path / "records_here").mkdir()  # as W&B leaves a folder `wandb`
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend("")
    monkeypatch.setitem(KINDS, "wandb", Kind(object, module="records_here", package="wandb"))
    with pytest.raises(ValueError, match="package wandb is not installed"):
        check_writers(("wandb",))


def test_only_what_leaves_the_machine_is_kept_from_pictures_of_people():
    assert [word for word, kind in KINDS.items() if kind.is_local] == ["tensorboard"]
