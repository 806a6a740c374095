"""What README and docs tell a reader to type: Python is run, commands are held against --help."""

import importlib
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

import pclhd_jax
from configs import synthetic
from pclhd_jax.using.exporting.write import export_encoder
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
COMMAND = re.compile(r"python -m ((?:pclhd_jax|data_prep|benchmarks)\.\w+)((?:\\\n|[^`\n;&|])*)")
COMMANDS = sorted(
    {(page, m[1], m[2]) for page, text in TEXTS.items() for m in COMMAND.finditer(text)}
)


@pytest.fixture
def reader(pictures, finished, tmp_path, monkeypatch):
    """A folder as a reader has it after the first command, but with the tiny run in it."""
    shutil.copytree(finished[0], tmp_path / "runs/synthetic-paper")
    monkeypatch.chdir(tmp_path)
    config = tiny_config(pictures)
    monkeypatch.setattr(synthetic, "get_config", lambda recipe="paper": config)
    return tmp_path


@pytest.mark.parametrize("page", PYTHON)
def test_python_of_the_pages_runs(page, reader, pictures):
    """From top to bottom, as one reads: a block may use what one before it made."""
    height, width = tiny_config(pictures).data.height, tiny_config(pictures).data.width
    if page == "docs/export.md":  # its blocks open what its first commands wrote
        for format in ("onnx", "stablehlo"):
            export_encoder("runs/synthetic-paper", f"pclhd.{format}", format=format)
    given = {"path": sorted(Path(f"{pictures}-prepared").glob("*/*/1.0.0"))[0]}
    for block in PYTHON[page]:
        block = block.replace("(5, 96, 48, 3)", f"(5, {height}, {width}, 3)")
        exec(compile(block, page, "exec"), given)


def test_the_pages_have_commands_and_python():
    assert len(COMMANDS) > 20 and len(PYTHON) >= 4


def spoken(module, monkeypatch, capsys):
    """The flags of a command, as its --help tells them."""
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    with pytest.raises(SystemExit) as ended:
        importlib.import_module(module).main()
    assert not ended.value.code
    return set(re.findall(r"--[\w-]+", capsys.readouterr().out))


@pytest.mark.parametrize(
    "module", sorted({module for _, module, _ in COMMANDS} - {"pclhd_jax.main"})
)
def test_flags_of_the_pages_are_in_the_help_of_their_command(module, monkeypatch, capsys):
    used = [
        (page, word.partition("=")[0])
        for page, command, rest in COMMANDS
        if command == module
        for word in words(rest)
        if word.startswith("--")
    ]
    if module == "benchmarks.supervised":  # has the flags of a run
        return check_run_flags(used)
    known = spoken(module, monkeypatch, capsys)
    assert not [use for use in used if use[1] not in known]


def test_settings_of_the_pages_are_settings():
    used = [(page, rest) for page, module, rest in COMMANDS if module == "pclhd_jax.main" and rest]
    check_run_flags(
        [
            (page, word.partition("=")[0])
            for page, rest in used
            for word in words(rest)
            if word.startswith("--")
        ]
    )
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
