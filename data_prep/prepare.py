"""Write a data set into ArrayRecord files, once.

    python -m pclhd_jax prepare sysu --source DIR --data_dir data/prepared

The doctor (`check`) looks at the set first. The folder's name holds a fingerprint of the
source, so a second run finds it, and another source never replaces it.
"""

import contextlib
import os
import re
import secrets
import shutil
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0], __package__ = str(Path(__file__).resolve().parents[1]), "data_prep"

from pclhd_jax.data.datasets import layout_named
from pclhd_jax.data.pictures.prepared_index import is_prepared, read_index
from pclhd_jax.data.pictures.stamps import file_stamp
from pclhd_jax.processes.progress import Progress, clock, say
from pclhd_jax.system.command import command, parser_of, path_flag
from pclhd_jax.system.disk_errors import disk_explained
from pclhd_jax.system.one_at_a_time import one_at_a_time
from pclhd_jax.system.paths import given_path

from .check import Findings, add_source_options, diagnose, note_missing
from .sources import Source, fingerprint, read_source, without
from .unchanged import check_unchanged

Report = Callable[[int, int, str], None]
LEFTOVER = re.compile(
    r"\.partial-[0-9a-f]{12}(-[0-9a-f]{8})?"
)  # a folder that a killed process was filling


def prepare(
    layout: str,
    source: str | os.PathLike,
    data_dir: str | os.PathLike,
    *,
    trial: int = 1,
    camera_pattern: str = "",
    allow_partial: bool = False,
    report: Report | None = None,
) -> Path:
    """The prepared set of `source`, made below `data_dir` unless it is there already.

    Two processes may call this at once: the second waits for the first. The set is written into a
    hidden folder and renamed, so it is complete or not there.

    Args:
      layout: a name of `data.datasets.LAYOUTS`.
      source: the original layout, or a prepared folder, which is returned as it is.
      trial: a RegDB split that must be there; all that are there are prepared.
      camera_pattern: of `folders_train`.
      allow_partial: go on although the doctor found other numbers than published; pictures that
        cannot be read are left out.
      report: `report(done, total, note)`, with each picture counted twice: checked and written.
        By default a line now and then.

    Raises:
      FileNotFoundError: as the readers.
      ValueError: as the readers; the doctor found problems; `source` is prepared in another layout;
        a picture was replaced by another of its size since the set was prepared.
      OSError: the disk is full or not writable.
    """
    source, data_dir = given_path(source), given_path(data_dir)
    if is_prepared(source):
        return _reuse(_of_layout(Path(source), layout), allow_partial)
    listed = read_source(layout, source, trial=trial, camera_pattern=camera_pattern)
    digest = fingerprint(layout, source, listed)[:12]
    data_dir = Path(data_dir)
    target = data_dir / layout_named(layout).folder / digest / "1.0.0"
    if is_prepared(target):
        check_unchanged(target, source, listed)
        return _reuse(target, allow_partial)
    if target.exists():
        raise ValueError(
            f"{target} is there and is no complete prepared set (copied in part, or damaged); "
            "remove it, and the set is prepared again"
        )
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(
            f"cannot make the folder {data_dir} ({error.strerror}); name another --data_dir, in a "
            "config data.prepared"
        ) from error
    waiting = f"waiting for another process that prepares a set in {data_dir}"
    with (
        _explained(data_dir, source, listed),
        one_at_a_time(data_dir / ".lock", partial(say, waiting)) as alone,
    ):
        for leftover in data_dir.glob(".partial-*") if alone else ():  # of killed processes
            if LEFTOVER.fullmatch(leftover.name):
                shutil.rmtree(leftover, ignore_errors=True)
        if is_prepared(target):  # made while this process waited
            return _reuse(target, allow_partial)
        report = report or Progress(f"preparing {layout}, two steps a picture", "steps")
        _make(layout, Path(source), listed, target, data_dir, allow_partial, report)
    return target


def _explained(data_dir: Path, source: str | os.PathLike, listed: Source) -> Any:
    return disk_explained(
        "preparing the set",
        data_dir,
        size=partial(bytes_of, Path(source), listed),
        remedy="free some space there, or name another --data_dir, in a config data.prepared",
    )


def bytes_of(root: Path, listed: Source) -> int:
    """The bytes of all pictures: a prepared set holds their files unchanged."""
    paths = (path for pictures in listed.records.values() for path in pictures.paths)
    return sum(os.stat(root / path).st_size for path in paths)


def _make(
    layout: str,
    root: Path,
    listed: Source,
    target: Path,
    data_dir: Path,
    allow_partial: bool,
    report: Report,
) -> None:
    paths = [path for pictures in listed.records.values() for path in pictures.paths]
    stamp = file_stamp(root, paths)  # before any of them is read
    findings = diagnose(
        layout, root, listed, report=lambda done, _: report(done, 2 * len(paths), ", checking")
    )
    say(findings.text(brief=True, allowed=allow_partial))
    if not allow_partial:
        _refuse(findings.problems, root)
    partial_dir = data_dir / f".partial-{target.parent.name}-{secrets.token_hex(4)}"
    try:
        facts = {"problems": findings.problems, "changed_ns": stamp.changed_ns}
        with _explained(
            data_dir, root, listed
        ):  # measures the free space before the incomplete set is removed
            made = _write(layout, root, listed, findings, facts, partial_dir, report)
        if file_stamp(root, paths).digest != stamp.digest:
            raise ValueError(
                f"pictures below {root} were changed while they were prepared; wait until nothing "
                "writes there, and start again"
            )
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            made.rename(target)
        except OSError:
            if not is_prepared(target):  # by another process, on a drive without locks
                raise
    finally:  # Ctrl-C too: leave nothing half-made
        shutil.rmtree(partial_dir, ignore_errors=True)


def _write(
    layout: str,
    root: Path,
    listed: Source,
    findings: Findings,
    facts: dict[str, Any],
    partial_dir: Path,
    report: Report,
) -> Path:
    """Runs the set's TFDS builder in `partial_dir`; facts: for metadata.json."""
    # TFDS takes a second to import: not for a set that is there already.
    import tensorflow_datasets as tfds

    from .pictures_builder import builder_of

    left_out = {path for path, _ in findings.unreadable}
    kept = without(listed, left_out)
    checked = sum(len(pictures.paths) for pictures in listed.records.values())
    done = 0

    terminal = sys.stdout

    def written(count: int) -> None:
        nonlocal done
        done += count
        with contextlib.redirect_stdout(terminal):
            report(checked + done + len(left_out), 2 * checked, ", writing")

    builder = builder_of(layout)(
        data_dir=partial_dir,
        source=kept,
        written=written,
        facts=facts | {"left_out": sorted(left_out)},
    )
    with contextlib.redirect_stdout(None):  # TFDS announces a download that does not happen
        builder.download_and_prepare(
            download_config=tfds.download.DownloadConfig(manual_dir=root.resolve())
        )
    return Path(builder.data_dir)


def _of_layout(prepared: Path, layout: str) -> Path:
    found = read_index(prepared)["layout"]
    if found != layout:
        raise ValueError(
            f"{prepared} is a prepared set of layout {found}, not {layout}; name the layout {found}"
        )
    return prepared


def _reuse(target: Path, allow_partial: bool) -> Path:
    """A set that was prepared with problems is still refused to those who do not allow them."""
    if not allow_partial:
        problems = read_index(target)["problems"]
        remedy = [f"if the pictures were repaired since, remove {target}"] if problems else []
        _refuse(problems + remedy, target)
    return target


def _refuse(problems: list[str], folder: Path) -> None:
    if problems:
        raise ValueError(f"{folder} is not the whole set: " + "; ".join(problems))


@command
def main(argv: list[str] | None = None) -> None:
    """Command line of `prepare`."""
    parser = parser_of("prepare", "Write a set into ArrayRecord files, once.")
    add_source_options(parser)
    parser.add_argument(
        "--data_dir", required=True, type=path_flag, help="the folder of prepared sets"
    )
    options = vars(parser.parse_args(argv))
    del options["traceback"]
    layout, source = options.pop("layout"), options.pop("source")
    started = time.monotonic()
    try:
        path = prepare(layout, source, options.pop("data_dir"), **options)
    except (OSError, ValueError) as error:
        note_missing(error, layout, source)
        raise
    say(f"{path} is ready ({clock(time.monotonic() - started)}); --config.data.source={path}")


if __name__ == "__main__":
    main()
