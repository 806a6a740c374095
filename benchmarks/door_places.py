"""Places that a program likes to write to, missing, damaged or closed: what does a run do?"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.doors import Try

PROGRAM = Path(__file__).resolve().parent.parent
# A user without an entry in passwd; and root without the right to write everywhere.
NOBODY = ("setpriv", "--reuid=54321", "--regid=54321", "--groups=54321")
BOUND = ("capsh", "--drop=cap_dac_override,cap_dac_read_search,cap_fowner", "--", "-c")


def tries(root: Path) -> Iterator[Try]:
    root.chmod(0o777)  # the user who has no name works here
    program = root / "program"
    for folder in ("pclhd_jax", "configs", "data_prep", "benchmarks", "tests"):
        shutil.copytree(
            PROGRAM / folder, program / folder, ignore=shutil.ignore_patterns("__pycache__")
        )
    ended, said = start(root, program, "undisturbed", {})
    if ended:
        yield Try("the undisturbed run", "TRACEBACK", said)
        return
    expected = (root / "undisturbed" / "run" / "metrics.jsonl").read_bytes()
    for number, (what, environment, prepare) in enumerate(PLACES):
        workplace = root / f"try-{number}"
        workplace.mkdir(mode=0o777)
        prepare(workplace, program)
        changed = {name: value.format(workplace) for name, value in environment.items()}
        ended, said = start(root, program, workplace.name, changed)
        repair(program)
        found = workplace / "run" / "metrics.jsonl"
        if "Traceback" in said:
            yield Try(what, "TRACEBACK", said[-300:])
        elif ended:
            yield Try(what, "told", said)
        else:
            same = found.read_bytes() == expected
            yield Try(what, "worked" if same else "SILENT", said)


def nothing(workplace: Path, program: Path) -> None:
    pass


def closed_home(workplace: Path, program: Path) -> None:
    (workplace / "home").mkdir(mode=0o555)


def closed_program(workplace: Path, program: Path) -> None:
    closed_home(workplace, program)
    for folder in (program, *(path for path in program.rglob("*") if path.is_dir())):
        folder.chmod(0o555)


def damaged_caches(workplace: Path, program: Path) -> None:
    """Files of the caches that an earlier try filled, cut to half."""
    home = workplace / "home"
    shutil.copytree(workplace.parent / "undisturbed" / "home", home)
    for path in home.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    for path in (workplace, *workplace.rglob("*")):
        path.chmod(0o777)


def files_for_folders(workplace: Path, program: Path) -> None:
    for name in ("home", "xdg", "jax", "mpl", "tmp", "numba"):
        (workplace / name).write_text("a file")


def repair(program: Path) -> None:
    for folder in (program, *(path for path in program.rglob("*") if path.is_dir())):
        folder.chmod(0o755)


PLACES = (
    ("no HOME", {"HOME": ""}, nothing),
    ("a HOME that is not there", {"HOME": "{}/home/gone"}, nothing),
    ("a HOME that cannot be written", {"HOME": "{}/home"}, closed_home),
    ("a HOME that is a file", {"HOME": "{}/home"}, files_for_folders),
    ("neither HOME nor program can be written", {"HOME": "{}/home"}, closed_program),
    ("XDG_CACHE_HOME is a file", {"XDG_CACHE_HOME": "{}/xdg"}, files_for_folders),
    (
        "JAX_COMPILATION_CACHE_DIR is a file",
        {"JAX_COMPILATION_CACHE_DIR": "{}/jax"},
        files_for_folders,
    ),
    ("MPLCONFIGDIR is a file", {"MPLCONFIGDIR": "{}/mpl"}, files_for_folders),
    ("NUMBA_CACHE_DIR is a file", {"NUMBA_CACHE_DIR": "{}/numba"}, files_for_folders),
    ("TMPDIR is not there", {"TMPDIR": "{}/gone"}, nothing),
    ("caches cut to half", {"HOME": "{}/home"}, damaged_caches),
)


def as_user(command: list[str], *, nameless: bool) -> list[str]:
    """The command by somebody who may not write everywhere, as root may."""
    if os.geteuid() != 0:
        return command
    return [*NOBODY, *command] if nameless else [*BOUND, shlex.join(command)]


def start(root: Path, program: Path, name: str, changed: dict[str, str]) -> tuple[int, str]:
    """The exit code of the tiny run, as a user without a name where root may change to one."""
    workplace = root / name
    workplace.mkdir(mode=0o777, exist_ok=True)
    workplace.chmod(0o777)
    home = workplace / "home"
    if not changed:
        home.mkdir(mode=0o777)
        home.chmod(0o777)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("XDG", "NUMBA", "JAX"))}
    environment |= {
        "HOME": str(home),
        "JAX_PLATFORMS": "cpu",
        "XLA_FLAGS": "--xla_backend_optimization_level=0",
        "PYTHONPATH": str(program),
        "PYTHONDONTWRITEBYTECODE": "1",
    } | changed
    if not environment["HOME"]:
        del environment["HOME"]
    code = (
        "import sys; from pathlib import Path; "
        "from pclhd_jax.training.train import train_and_evaluate; "
        "from tests.helpers.tiny import tiniest_config; "
        "c = tiniest_config(Path('set').absolute()); c.stage1.batches_per_epoch = 2; "
        "train_and_evaluate(c, 'run')"
    )
    done = subprocess.run(
        as_user([sys.executable, "-c", code], nameless="HOME" not in environment),
        cwd=workplace,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    return done.returncode, done.stdout
