"""Tries every door with what the real world brings, and counts how the tries end.

    python -m benchmarks.doors
    python -m benchmarks.doors paths shapes

Four parts; each prints what went wrong, and a line with its counts.

    paths    a folder name with each printable character: is what is saved there read again?
    shapes   every small file of a run, an index and a prepared set, with fields and whole contents
             of another shape: does each command say in one line what is wrong?
    places   a home, a cache or a package folder that is missing, damaged or cannot be written:
             does a run end as it does without that?
    disk     a disk that fills up at each phase of a run: is one line said, and does the same
             command end bit-identical once there is room? Needs root, for a small file system.

A try ends well when the command works as it does undisturbed ("worked"), or ends with one line
that says what is wrong ("told"). It ends badly when the output changes without a word ("SILENT"),
with a traceback ("TRACEBACK"), or when something is lost that was there before ("LOST"). The exit
code is 1 if any try ended badly.
"""

import argparse
import importlib
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import NamedTuple

PARTS = ("paths", "shapes", "places", "disk")
GOOD = ("worked", "told")
OUTCOMES = (*GOOD, "SILENT", "TRACEBACK", "LOST")


class Try(NamedTuple):
    what: str
    outcome: str  # one of OUTCOMES
    said: str = ""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="paths, shapes, places, disk")
    options = parser.parse_args()
    unknown = sorted(set(options.parts) - set(PARTS))
    if unknown:
        parser.error(f"no part {', '.join(unknown)}; there are {', '.join(PARTS)}")
    bad = sum(run_part(name) for name in options.parts or PARTS)
    sys.exit(bool(bad))


def run_part(name: str) -> int:
    """How many tries of the part ended badly."""
    started, counts = time.monotonic(), Counter()
    with tempfile.TemporaryDirectory() as folder:
        for one in importlib.import_module(f"benchmarks.door_{name}").tries(Path(folder)):
            counts[one.outcome] += 1
            if one.outcome not in GOOD:
                print(f"{one.outcome}: {one.what}: {one.said[:300]}", flush=True)
    told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in OUTCOMES)
    print(f"{name}: {counts.total()} tries: {told}; {time.monotonic() - started:.0f} s", flush=True)
    return counts.total() - sum(counts[outcome] for outcome in GOOD)


if __name__ == "__main__":
    main()
