"""How a command ends."""

import argparse

import pytest

from pclhd_jax.system.command import command, parser_of, path_flag
from pclhd_jax.system.paths import given_path


def ended(error, *words, capsys):
    @command
    def main(argv=None):
        raise error

    with pytest.raises(SystemExit) as end:
        main(list(words))
    return end.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    "error", [ValueError("what is wrong"), OSError("full"), ImportError("no x"), MemoryError("big")]
)
def test_an_error_that_says_what_is_wrong_is_one_line(error, capsys):
    code, told = ended(error, capsys=capsys)
    assert code == f"{type(error).__name__}: {error}" and told == ""
    code, told = ended(error, "--traceback", capsys=capsys)
    assert code == 1 and "Traceback" in told and str(error) in told


def test_text_of_strangers_is_printed_as_visible_characters(capsys):
    code, _ = ended(ValueError("name \x1b[2J\u202e"), capsys=capsys)
    assert code == "ValueError: name \\x1b[2J\\u202e"
    code, _ = ended(SystemExit("\x1b[2J"), capsys=capsys)
    assert code == "\\x1b[2J"
    _, told = ended(RuntimeError("a bug \x1b[2J"), capsys=capsys)  # a traceback, as nobody foresaw
    assert "RuntimeError: a bug \\x1b[2J" in told


def test_notes_of_an_error_stand_below_it(capsys):
    error = ValueError("12 are missing")
    error.add_note("missing: a.jpg")
    assert ended(error, capsys=capsys)[0] == "ValueError: 12 are missing\nmissing: a.jpg"


def test_an_interrupt_and_an_empty_memory_error_have_words(capsys):
    assert ended(KeyboardInterrupt(), capsys=capsys) == (130, "stopped\n")
    assert ended(MemoryError(), capsys=capsys)[0] == "MemoryError: there is not enough memory"


def test_a_path_flag_expands_the_home_folder_or_says_that_it_is_not_known(monkeypatch, capsys):
    monkeypatch.setenv("HOME", "/home/me")
    parser = parser_of("verb", None)
    parser.add_argument("--out", type=path_flag)
    assert parser.parse_args(["--out=~/x"]).out == "/home/me/x" == given_path("~/x")
    assert parser.parse_args(["--out="]).out == ""
    with pytest.raises(SystemExit):
        parser.parse_args(["--out=~nobody-has-this-name/x"])
    assert "home folder ~nobody-has-this-name is not known" in capsys.readouterr().err
    with pytest.raises(argparse.ArgumentTypeError):
        path_flag("~nobody-has-this-name/x")


def test_a_current_folder_that_has_been_removed_is_one_line(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "gone"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(SystemExit, match="current folder has been removed; go to one"):
        command(lambda: None)()
