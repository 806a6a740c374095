"""What README and docs tell a reader to type: Python is run, commands are held against --help."""

import importlib
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

import pclhd_jax
import pclhd_jax.main  # defines the flags of a run
from pclhd_jax.commands import verbs
from tests.helpers.tiny import tiny_config

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"))
)
TEXTS = {page: (ROOT / page).read_text() for page in PAGES}
PYTHON = {
    page: blocks
    for page, text in TEXTS.items()
    if (blocks := re.findall(r"^```python\n(.*?)^```", text, re.M | re.S))
}
# Up to the end of the line, of the code span or of the command; a backslash goes on.
COMMAND = re.compile(
    r"python -m (pclhd_jax(?: [a-z_]+|\.\w+)|benchmarks\.\w+)((?:\\\n|[^`\n;&|])*)"
)
COMMANDS = sorted(
    {(page, m[1], m[2]) for page, text in TEXTS.items() for m in COMMAND.finditer(text)}
)


@pytest.fixture
def reader(pictures, finished, tmp_path, monkeypatch):
    """A folder as a reader has it after the first command, but with the tiny run in it."""
    shutil.copytree(finished[0], tmp_path / "runs/synthetic-paper")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()  # the experiment file of this folder goes before the installed
    (tmp_path / "configs/synthetic.py").write_text(
        "from tests.helpers.tiny import tiny_config\n"
        f"def get_config(recipe='paper'):\n    return tiny_config({str(pictures)!r}, recipe)\n"
    )
    return tmp_path


@pytest.mark.parametrize("page", PYTHON)
def test_python_of_the_pages_runs(page, reader, pictures):
    """From top to bottom, as one reads: a block may use what one before it made."""
    height, width = tiny_config(pictures).data.height, tiny_config(pictures).data.width
    if page == "docs/export.md":  # its blocks open what its first commands wrote
        for format in ("onnx", "stablehlo"):
            pclhd_jax.export("runs/synthetic-paper", f"pclhd.{format}", format=format)
    given = {"path": sorted(Path(f"{pictures}-prepared").glob("*/*/1.0.0"))[0]}
    for block in PYTHON[page]:
        block = block.replace("(5, 96, 48, 3)", f"(5, {height}, {width}, 3)")
        exec(compile(block, page, "exec"), given)


def test_the_pages_have_commands_and_python():
    assert len(COMMANDS) > 20 and len(PYTHON) >= 4


def spoken(command, monkeypatch, capsys):
    """The flags of a command, as its --help tells them."""
    monkeypatch.setattr(sys, "argv", [command, "--help"])
    with pytest.raises(SystemExit) as ended:
        if command.startswith("pclhd_jax "):
            verbs.main([command.split()[1], "--help"])
        else:
            importlib.import_module(command).main()
    assert not ended.value.code
    return set(re.findall(r"--[\w-]+", capsys.readouterr().out))


RUNS = {"pclhd_jax.main", "pclhd_jax train", "pclhd_jax evaluate", "benchmarks.supervised"}


@pytest.mark.parametrize("command", sorted({command for _, command, _ in COMMANDS} - RUNS))
def test_flags_of_the_pages_are_in_the_help_of_their_command(command, monkeypatch, capsys):
    known = spoken(command, monkeypatch, capsys)
    assert not [use for use in flags_used(command) if use[1] not in known]


def flags_used(*commands):
    return [
        (page, word.partition("=")[0])
        for page, command, rest in COMMANDS
        if command in commands
        for word in words(rest)
        if word.startswith("--")
    ]


def test_settings_of_the_pages_are_settings():
    used = [(page, rest) for page, command, rest in COMMANDS if command in RUNS and rest]
    check_run_flags(flags_used(*RUNS))
    for page, rest in used:
        experiments = re.findall(r"--config=(configs/\w+\.py(?::\w+)?)", rest)
        for experiment in experiments:
            config = pclhd_jax.load_config(experiment)
            for name in re.findall(r"--config\.([\w.]+)=", rest):
                section = config
                for key in name.split("."):
                    assert key in section, f"{page}: config.{name}"
                    section = section[key]


def check_run_flags(used):
    from absl import flags

    known = {f"--{name}" for name in flags.FLAGS}
    unknown = [use for use in used if use[1] not in known and not use[1].startswith("--config")]
    assert not unknown


def words(rest):
    return shlex.split(rest.replace("\\\n", " ").rstrip(" ,.:)("), comments=True)
