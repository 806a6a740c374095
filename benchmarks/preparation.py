"""Time and memory of preparing a set of SYSU-MM01's size.

    python -m benchmarks.preparation --height 300 --width 120

Draws a fake set with the real numbers (44,745 pictures of noise, hard links to a few files), so the
reading is faster than from a cold disk; checking, writing and memory are those of the real thing.
"""

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from data_prep.check import diagnose
from data_prep.prepare import prepare
from data_prep.sources import read_source
from pclhd_jax.data.pictures.prepared import open_prepared
from pclhd_jax.system.command import command, path_flag
from tests.helpers.fake_sysu import fake_sysu


@command
def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--height", type=int, default=300)
    parser.add_argument("--width", type=int, default=120)
    parser.add_argument(
        "--folder", type=path_flag, help="where to work; default: the system's temporary folder"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        source = Path(folder) / "sysu"
        fake_sysu(source, height=options.height, width=options.width)
        size = sum(path.stat().st_size for path in source.glob("cam*/*/*"))
        print(f"source: 44,745 pictures of {options.height} x {options.width}, {size / 1e9:.2f} GB")
        measure(source, Path(folder) / "prepared")


def measure(source: Path, data_dir: Path) -> None:
    step("lists read", lambda: read_source("sysu", source))
    step("checked", lambda: diagnose("sysu", source, read_source("sysu", source)))
    path = step("prepared (checked and written)", lambda: prepare("sysu", source, data_dir))
    step("found again", lambda: prepare("sysu", source, data_dir))
    prepared = step("opened", lambda: open_prepared(path))
    total = len(prepared.pictures["train_visible"].paths)
    step(
        f"{total:,} pictures read one by one",
        lambda: [len(prepared.read("train_visible", row)) for row in range(total)],
    )
    stored = sum(file.stat().st_size for file in path.iterdir())
    print(f"prepared set: {stored / 1e9:.2f} GB in {len(list(path.iterdir()))} files")


def step(what: str, run):
    started = time.perf_counter()
    result = run()
    # The system counts in KiB; the peak is that of the process so far.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:<34} {time.perf_counter() - started:7.2f} s   peak {peak:5.0f} MiB", flush=True)
    return result


if __name__ == "__main__":
    main()
