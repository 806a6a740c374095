"""`pclhd VERB ...`: every command by one name; each is also `python -m` and its module.

Modules are imported when they are run: `pclhd` alone is quick.
"""

import importlib
import runpy
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[2])

from pclhd_jax.system.command import command
from pclhd_jax.system.own_parts import own_part


class Command(NamedTuple):
    module: str
    line: str
    flags: tuple[str, ...] = ()  # that the verb stands for


COMMANDS = {
    "train": Command("pclhd_jax.main", "train both stages, or resume the run in the workdir"),
    "evaluate": Command(
        "pclhd_jax.main", "score a weight file or a workdir; nothing is written", ("--mode=eval",)
    ),
    "summarize": Command("pclhd_jax.commands.summarize", "mean and deviation over finished runs"),
    "visualize": Command("pclhd_jax.commands.visualize", "draw a page of what a run has recorded"),
    "embed": Command("pclhd_jax.commands.embed", "pictures in, features out"),
    "search": Command("pclhd_jax.commands.search", "the nearest pictures of an index"),
    "inspect": Command(
        "pclhd_jax.commands.inspect_checkpoint", "show what a checkpoint holds, and verify it"
    ),
    "export": Command(
        "pclhd_jax.commands.export", "an encoder as StableHLO, ONNX or torch weights"
    ),
    "check": Command("data_prep.check", "count a picture set and open every picture"),
    "prepare": Command("data_prep.prepare", "write a picture set into ArrayRecord files, once"),
    "synthetic": Command("data_prep.synthetic", "draw a set of people who do not exist"),
    "contact_sheet": Command("data_prep.contact_sheet", "a set's people by camera, as one picture"),
}


@command
def main(argv: Sequence[str] | None = None) -> None:
    """Runs the verb's own `main`; without one, or with --help, lists them."""
    verb, *rest = [*(sys.argv[1:] if argv is None else argv)] or ["--help"]
    if verb in ("--help", "-h", "help"):
        print(help_text())
    elif verb == "--version":
        print(f"pclhd_jax {importlib.import_module('pclhd_jax').__version__}")
    elif verb not in COMMANDS:
        sys.exit(f"no verb {verb!r}; there are {', '.join(COMMANDS)} (pclhd --help describes them)")
    else:
        run(verb, rest)


def run(verb: str, arguments: list[str]) -> None:
    module, _, flags = COMMANDS[verb]
    if module.startswith("data_prep"):
        return own_part(module).main(arguments)
    if module != "pclhd_jax.main":
        return importlib.import_module(module).main(arguments)
    # absl's --help prints the docstring and the flags of `__main__`, so the module must be that.
    sys.argv = [f"pclhd {verb}", *flags, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def help_text() -> str:
    lines = [f"  {verb:15}{command.line}" for verb, command in COMMANDS.items()]
    return "\n".join(
        [
            "pclhd VERB ...: unsupervised visible-infrared person re-identification\n",
            *lines,
            "\npclhd VERB --help lists its options. The first thing to try, on any machine:\n",
            "  pclhd train --config=synthetic",
        ]
    )


if __name__ == "__main__":
    main()
