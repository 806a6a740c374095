"""Draw a synthetic visible-infrared person set and lay it out as one of the real sets lies on disk.

    python -m pclhd_jax synthetic --out data/synthetic
    python -m pclhd_jax synthetic --out data/synthetic_regdb --layout regdb

Nothing is downloaded and no real person is shown. Garments keep their shape, pattern and contrast
between the modalities, but an infrared tone says nothing about the visible colour.
"""

import argparse
import inspect
import multiprocessing
import os
import secrets
import shutil
import sys
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

from PIL import Image

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0], __package__ = str(Path(__file__).resolve().parents[1]), "data_prep"

from pclhd_jax.processes.progress import Progress, say
from pclhd_jax.system.command import command, parser_of, path_flag
from pclhd_jax.system.disk_errors import disk_explained
from pclhd_jax.system.paths import given_path

from .synthetic_difficulty import Difficulty, describe, difficulty_of
from .synthetic_layouts import PLANS, PictureFile, Size
from .synthetic_scenes import draw_picture

LAYOUTS = tuple(PLANS)
README = """Synthetic visible-infrared person pictures, drawn by data_prep/synthetic.py.

They are drawings of invented figures and depict no real person. Layout: {layout}.
{train_ids} training, {val_ids} validation and {test_ids} test identities, {shots} pictures per
identity and camera, {height} x {width} pixels, seed {seed}, difficulty {difficulty}.
"""
# A spawned worker costs about half a second before its first picture.
BYTES_PER_PIXEL = 0.45  # of a JPEG file, as drawn
PICTURES_WORTH_A_WORKER = 200
LARGEST = 2048  # pixels of a side: four times that many are in memory for each worker


def generate(
    out: str | os.PathLike,
    *,
    layout: str = "sysu",
    train_ids: int = 60,
    val_ids: int = 12,
    test_ids: int = 48,
    shots: int = 5,
    height: int = 128,
    width: int = 64,
    seed: int = 0,
    difficulty: str | float = 1.0,
    workers: int | None = None,
) -> Path:
    """Draws a set into the new folder `out`; the same arguments give the same bytes.

    The set is drawn beside `out` and renamed at the end: `out` is complete or not there.

    Args:
      out: a folder that does not exist yet or is empty.
      layout: one of LAYOUTS; `synthetic_layouts.py` says what lies where.
      train_ids, val_ids, test_ids: number of identities, disjoint.
      shots: pictures per identity and camera.
      height, width: of a picture, in pixels.
      difficulty: easy, medium or hard (`synthetic_difficulty`); or a number, the scale of all that
        hides a person (pose, light, noise, background, occluders): 0 = studio, 1 = medium.
      workers: processes; None = one per core, fewer for a small set.

    Returns:
      The absolute path of the set.

    Raises:
      FileExistsError: `out` is a file or holds something.
      ValueError: an unknown layout or a number out of range.
    """
    out = Path(given_path(out)).resolve()
    _check(out, layout, (train_ids, val_ids, test_ids), shots, height, width, seed)
    level = difficulty_of(difficulty)
    plan = PLANS[layout](Size(train_ids, val_ids, test_ids, shots, level.uneven), seed)
    draw = partial(_draw_person, height=height, width=width, seed=seed, difficulty=level)
    # A name of its own: in another container, a process of the same number may draw the same set.
    partial_dir = out.with_name(f".{out.name[:40]}.partial-{secrets.token_hex(8)}")
    readme = describe_set(
        layout=layout,
        train_ids=train_ids,
        val_ids=val_ids,
        test_ids=test_ids,
        shots=shots,
        height=height,
        width=width,
        seed=seed,
        difficulty=difficulty,
    )
    size = int(sum(map(len, plan.people)) * height * width * BYTES_PER_PIXEL)
    try:
        with disk_explained("drawing the set", out.parent, size=lambda: size):
            partial_dir.mkdir(parents=True)
            _draw_all(draw, partial_dir, plan.people, workers)
            for path, text in (plan.texts | {"README.txt": readme}).items():
                (partial_dir / path).parent.mkdir(exist_ok=True)
                (partial_dir / path).write_text(text, encoding="utf-8")
            with suppress(OSError):
                out.rmdir()  # fails for a folder that is not empty
            try:
                partial_dir.rename(out)
            except OSError:
                if not _is_drawn(out, readme):  # by another process, on a drive without locks
                    raise
    finally:  # also on Ctrl-C: leave nothing incomplete
        shutil.rmtree(partial_dir, ignore_errors=True)
    return out


def _is_drawn(out: Path, readme: str) -> bool:
    try:
        return (out / "README.txt").read_text(encoding="utf-8") == readme
    except OSError:
        return False


def describe_set(**settings: Any) -> str:
    """What README.txt of a set says: all that `generate` draws it from, left out: its default."""
    signature = inspect.signature(generate).parameters
    defaults = {name: p.default for name, p in signature.items() if name not in ("out", "workers")}
    settings = defaults | settings
    level = describe(difficulty_of(settings["difficulty"]))
    return README.format(**settings | {"difficulty": level})


def _check(
    out: Path,
    layout: str,
    split_sizes: tuple[int, int, int],
    shots: int,
    height: int,
    width: int,
    seed: int,
) -> None:
    if layout not in LAYOUTS:
        raise ValueError(f"layout {layout!r} is unknown; choose one of {', '.join(LAYOUTS)}")
    if min(split_sizes) < 1 or sum(split_sizes) > 9999:
        raise ValueError(
            f"{split_sizes} identities: give each split at least 1, and 9,999 in all, "
            "the limit of four digits"
        )
    if not 1 <= shots <= 9999:
        raise ValueError(f"{shots} shots: give 1 to 9,999 pictures per identity and camera")
    if not (32 <= height <= LARGEST and 16 <= width <= LARGEST):
        raise ValueError(
            f"{height} x {width} pixels: draw at least 32 x 16, and no side above {LARGEST:,}"
        )
    if seed < 0:
        raise ValueError(f"seed {seed}: give 0 or more")
    if os.path.lexists(out) and not out.is_dir():
        raise FileExistsError(f"{out} is a file; give --out the name of a new folder")
    if os.path.ismount(out):  # the set gets its name by a rename
        raise FileExistsError(f"{out} is the root of a disk; give --out a new folder in it")
    if out.is_dir() and any(out.iterdir()):
        raise FileExistsError(
            f"{out} exists and is not empty; give another --out, or remove it first"
        )


def _draw_person(
    root: Path,
    files: list[PictureFile],
    *,
    height: int,
    width: int,
    seed: int,
    difficulty: Difficulty,
) -> None:
    for file in files:
        picture_HWC, quality = draw_picture(
            seed=seed,
            identity=file.identity,
            camera=file.camera,
            shot=file.shot,
            infrared=file.infrared,
            height=height,
            width=width,
            difficulty=difficulty,
        )
        path = root / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture_HWC).save(path, quality=quality)


def _draw_all(
    draw: partial, root: Path, people: list[list[PictureFile]], workers: int | None
) -> None:
    total = sum(map(len, people))
    report = Progress("drawing", "pictures")
    if workers is None:
        workers = min(os.cpu_count() or 1, total // PICTURES_WORTH_A_WORKER)
    if workers > 1:
        try:
            _draw_in_pool(draw, root, people, workers, report)
            return
        except BrokenProcessPool:
            say(
                "worker processes ended early; drawing in this one. In a script, call generate "
                'under `if __name__ == "__main__":`, which worker processes need.'
            )
    drawn = 0
    for files in people:
        draw(root, files)
        drawn += len(files)
        report(drawn, total)


def _draw_in_pool(
    draw: partial, root: Path, people: list[list[PictureFile]], workers: int, report: Progress
) -> None:
    # spawn, not fork: the caller may have JAX's threads running.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        try:
            futures = {pool.submit(draw, root, files): len(files) for files in people}
            drawn, total = 0, sum(futures.values())
            for future in as_completed(futures):
                future.result()
                drawn += futures[future]
                report(drawn, total)
        except BaseException:
            pool.shutdown(cancel_futures=True)  # or the rest would be drawn before we leave
            raise
        finally:
            report.close()


@command
def main(argv: list[str] | None = None) -> None:
    """Command line of `generate`."""
    parser = parser_of(
        "synthetic", "Draw a synthetic visible-infrared person set. It shows no real person."
    )
    parser.formatter_class = argparse.ArgumentDefaultsHelpFormatter
    parser.add_argument(
        "--out",
        required=True,
        type=path_flag,
        default=argparse.SUPPRESS,
        help="folder to make; must be new or empty",
    )
    parser.add_argument("--layout", choices=LAYOUTS, default="sysu", help="how files lie on disk")
    parser.add_argument("--train_ids", type=int, default=60, help="identities to train on")
    parser.add_argument("--val_ids", type=int, default=12, help="identities to validate on")
    parser.add_argument("--test_ids", type=int, default=48, help="identities to test on")
    parser.add_argument("--shots", type=int, default=5, help="pictures per identity and camera")
    parser.add_argument("--height", type=int, default=128, help="of a picture, in pixels")
    parser.add_argument("--width", type=int, default=64, help="of a picture, in pixels")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other people")
    parser.add_argument(
        "--difficulty",
        default="medium",
        help="easy, medium, hard; or a number that scales what hides people, 0 = studio",
    )
    parser.add_argument(
        "--workers", type=int, default=argparse.SUPPRESS, help="processes (default: one per core)"
    )
    options = vars(parser.parse_args(argv))
    del options["traceback"]
    say(f"wrote {generate(options.pop('out'), **options)}")


if __name__ == "__main__":
    main()
