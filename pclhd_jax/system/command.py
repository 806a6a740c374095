"""What all commands share: types of flags, safe streams, and errors in one line."""

import argparse
import functools
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

from pclhd_jax.system.device_memory import explained_exhaustion
from pclhd_jax.system.environment import prepare_environment
from pclhd_jax.system.interrupts import imports_first
from pclhd_jax.system.paths import given_path
from pclhd_jax.system.terminal import safe_terminal
from pclhd_jax.system.text import printable

# Their text says what is wrong and what helps; a traceback would hide it.
EXPLAINED = (ValueError, OSError, FloatingPointError, ImportError, MemoryError)


def command(main: Callable[..., None]) -> Callable[..., None]:
    """Decorates a command's `main(argv)`: it ends as a command should, whatever happens.

    An error that the program foresees is printed in one line; --traceback shows its traceback. Any
    other error shows its traceback. The exit code is 1, and 130 for ctrl-C.
    """

    @functools.wraps(main)
    def as_command(*argv: Sequence[str] | None) -> None:
        words = argv[0] if argv and argv[0] is not None else sys.argv
        with safe_terminal(), imports_first():
            try:
                prepare_environment()
                main(*argv)
            except SystemExit as end:
                raise SystemExit(
                    printable(end.code) if isinstance(end.code, str) else end.code
                ) from end.__cause__
            except KeyboardInterrupt as stop:
                print(f"stopped {stop}".strip(), file=sys.stderr)
                raise SystemExit(130) from stop
            except Exception as error:
                line = explained(error)
                if line is None or "--traceback" in words:
                    traceback.print_exc()
                    raise SystemExit(1) from error
                raise SystemExit(printable(line)) from error

    return as_command


def explained(error: Exception) -> str | None:
    """The error in one line; None if the program does not foresee such an error."""
    exhausted = explained_exhaustion(error)
    if exhausted:
        return exhausted
    if not isinstance(error, EXPLAINED):
        return None
    text = str(error) or "there is not enough memory" * isinstance(error, MemoryError)
    return "\n".join([f"{type(error).__name__}: {text}", *getattr(error, "__notes__", ())])


def parser_of(verb: str, description: str | None) -> argparse.ArgumentParser:
    """The parser of a verb. description: the docstring of its file, None under `python -OO`."""
    parser = argparse.ArgumentParser(
        prog=f"python -m pclhd_jax {verb}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--traceback", action="store_true", help="show where an error came from")
    return parser


def path_flag(text: str) -> str:
    """The `type` of every flag that takes a path."""
    try:
        return given_path(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def file_flag(text: str) -> Path:
    """`path_flag` for flags that are never empty."""
    return Path(path_flag(text))
