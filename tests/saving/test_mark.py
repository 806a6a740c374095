"""Which folders a run takes: its own, an earlier version's and empty ones."""

import json
import os

import pytest

from pclhd_jax.saving.lock import check_unlocked, locked
from pclhd_jax.saving.mark import MARK, check_is_run, has_mark
from tests.helpers.files import write
from tests.helpers.made_run import made_config, make_run

OURS = json.dumps(made_config(4).to_dict())


def everything_in(folder):
    return {
        str(path.relative_to(folder)): path.is_file() and path.read_bytes()
        for path in sorted(folder.rglob("*"))
    }


FOREIGN = {
    "a model": {"config.json": '{"model_type": "bert"}', "features/a.txt": "", "metrics.jsonl": ""},
    "an unfinished thing": {"unfinished/novel/draft.txt": "chapter 1"},
    "another program's checkpoints": {"checkpoints/7/state/a": "", "config.json": "[]"},
    "a lock of another program": {"run.lock": "kept", "notes.txt": ""},
    "features of that name": {"features/epoch-0001.npz": "mine"},
    "our settings in a project": {"config.json": OURS, "main.py": "", "features/a": ""},
    "a mark of something else": {MARK: '{"program": "other"}', "notes.txt": ""},
    "a lock of another program alone": {"run.lock": "kept"},
    "a holder of another program alone": {"run.lock": "", "run.holder": '{"name": "Ann"}'},
    "a hidden file": {".env": "SECRET"},
}


@pytest.mark.parametrize("name", FOREIGN)
def test_a_folder_of_something_else_is_refused_and_stays_as_it_is(tmp_path, name):
    for path, content in FOREIGN[name].items():
        write(tmp_path / "x" / path, content)
    before = everything_in(tmp_path)
    refused = pytest.raises(ValueError, match=r"no pclhd-run\.json.*nothing there was changed")
    with refused:
        check_unlocked(tmp_path / "x")
    with refused, locked(tmp_path / "x"):
        pass
    assert everything_in(tmp_path) == before


EMPTY = {
    "nothing": {},
    "the command's own output": {"log.txt": "", "slurm-12.out": "", "train.log": ""},
    "what systems leave": {".DS_Store": "", "lost+found/.x": ""},
}


@pytest.mark.parametrize("name", EMPTY)
def test_an_empty_folder_becomes_a_workdir_and_stays_one(tmp_path, name):
    workdir = tmp_path / "x"
    workdir.mkdir()
    for path, content in EMPTY[name].items():
        write(workdir / path, content)
    with locked(workdir):
        assert has_mark(workdir)
    write(workdir / "my notes.txt", "mine")
    with locked(workdir):
        pass
    assert (workdir / "my notes.txt").read_text() == "mine"


EARLIER = {
    "killed as it wrote its mark": {"run.lock": "", f".{MARK}.{'0a' * 8}.new": '{"pro'},
    "killed as it began": {"run.lock": "", "run.holder": "{}"},
    "before its first epoch": {"config.json": OURS, "run.lock": ""},
    "its settings alone": {"config.json": OURS},
    "with notes in it": {"config.json": OURS, "pictures.json": "{}", "notes.txt": ""},
}


@pytest.mark.parametrize("name", EARLIER)
def test_workdirs_of_earlier_versions_are_known_and_marked(tmp_path, name):
    for path, content in EARLIER[name].items():
        write(tmp_path / path, content)
    with locked(tmp_path):
        assert has_mark(tmp_path)


@pytest.mark.parametrize("damage", [None, "", "[]", "{"])
def test_a_run_whose_settings_are_damaged_is_still_a_run(tmp_path, damage):
    make_run(tmp_path / "run", ids=(1,))
    if damage is not None:
        (tmp_path / "run/config.json").write_text(damage)
    check_is_run(tmp_path / "run")


def test_places_that_can_be_no_workdir_say_what_they_are(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(home)
    with locked(tmp_path / "run"):
        pass
    write(tmp_path / "file", "")
    os.symlink(tmp_path / "gone", tmp_path / "dangling")
    os.symlink(home, tmp_path / "link")
    for path, words in {
        tmp_path / "file": "is a file",
        tmp_path / "dangling": "is a link to nothing",
        home: "is your home folder",
        ".": "is your home folder",
        tmp_path / "link": "is your home folder",
        "/": "is the root of a disk",
        tmp_path / "run" / "features" / "x": "lies among the files of the run",
    }.items():
        with pytest.raises(ValueError, match=words):
            check_is_run(path)
    check_is_run(tmp_path / "run" / "second")
    monkeypatch.chdir(tmp_path / "run")
    check_is_run(".")


@pytest.mark.skipif(os.name == "nt", reason="Windows has other links, and no pipes by name")
@pytest.mark.parametrize("name", ["timing.jsonl", "run.holder", "config.json", MARK, "features"])
@pytest.mark.parametrize("kind", ["a link", "a pipe", "a folder"])
def test_what_lies_in_place_of_a_file_of_a_run_is_refused_and_stays(tmp_path, name, kind):
    run, victim = tmp_path / "run", tmp_path / "victim"
    make_run(run, ids=(1,))
    victim.write_text("precious")
    path = run / name
    if path.is_file():
        path.unlink()
    if kind == "a folder":
        path.mkdir(exist_ok=True)
    else:
        path.symlink_to(victim) if kind == "a link" else os.mkfifo(path)
    if (name, kind) == ("features", "a folder"):
        check_is_run(run)
        return
    with pytest.raises(ValueError, match=rf"holds {name} as .* where a run writes"):
        check_is_run(run)
    assert victim.read_text() == "precious"


def test_a_folder_of_a_run_may_lie_on_another_disk(tmp_path):
    make_run(tmp_path / "run", ids=(1,))
    (tmp_path / "disk").mkdir()
    (tmp_path / "run" / "tensorboard").symlink_to(tmp_path / "disk", target_is_directory=True)
    check_is_run(tmp_path / "run")
