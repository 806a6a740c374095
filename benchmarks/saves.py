"""How long a run waits for its saves, and how long they take, both kinds.

    python -m benchmarks.saves --config=configs/sysu.py --out FOLDER

State and banks are random, of the experiment's sizes, and saved as a run saves them: on the disk
that holds FOLDER, which is removed again. *waits* is what a save keeps the run from its next step,
*complete* the time until all of it is written, read again for the manifest, and on the disk: it
goes on behind the steps. Each is the median of --repeats saves, of which none waits for the one
before.
"""

import shutil
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import jax

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.contest import machine, share_the_card, write_json
from benchmarks.contest_command import settings_named, settings_parser
from benchmarks.programs import programs_of
from benchmarks.step_inputs import clusters_of, step_inputs
from pclhd_jax.processes.mesh import make_mesh, replicate
from pclhd_jax.processes.progress import say
from pclhd_jax.saving.checkpoints import Checkpoints
from pclhd_jax.saving.write_behind import WriteBehind
from pclhd_jax.settings.sections import Settings
from pclhd_jax.system.command import command, file_flag
from pclhd_jax.training.unfinished import bank_arrays


class Timed(NamedTuple):
    save: str
    size: int  # bytes
    waits_s: float
    complete_s: float


@command
def main(argv: Sequence[str] | None = None) -> None:
    parser = settings_parser(__doc__, "saves")
    parser.add_argument("--out", type=file_flag, default=Path("runs/saves"), help="(%(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="(%(default)s)")
    args = parser.parse_args(argv)
    share_the_card()
    if args.out.exists():
        sys.exit(f"{args.out} is there; give --out the name of a new folder")
    try:
        settings = settings_named(args)
        say(f"{args.config}; {machine()}")
        rows = [
            time_saves(name, args.out, tree, args.repeats) for name, tree in trees(settings).items()
        ]
    except ValueError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    finally:
        shutil.rmtree(args.out, ignore_errors=True)
    print("\n| save | MiB | waits, s | complete, s |\n|---|---|---|---|")
    for row in rows:
        size = row.size / 2**20
        print(f"| {row.save} | {size:,.0f} | {row.waits_s:.2f} | {row.complete_s:.2f} |")
    if args.json:
        write_json(args.json, args, machine(), rows=rows)


def trees(settings: Settings) -> dict[str, Any]:
    """What a save at the end of an epoch and one within an epoch of stage 2 hold, on the device."""
    clusters = clusters_of(settings)
    program = programs_of(settings, clusters)["stage 2 step"]
    inputs = step_inputs(settings, 2, program, clusters)
    banks = {name: bank_arrays(bank) for name, bank in inputs.banks._asdict().items() if bank}
    state, banks = replicate(make_mesh(), (inputs.state, banks))
    return {"of an epoch": state, "within an epoch": {"state": state, "banks": banks}}


def time_saves(name: str, folder: Path, tree: Any, repeats: int) -> Timed:
    waits, complete = [], []
    checkpoints = Checkpoints(folder, keep=1)
    with WriteBehind() as writer:
        newest = checkpoints.latest() or 0
        for id in range(newest + 1, newest + 1 + repeats):
            tree = jax.block_until_ready(jax.tree.map(lambda x: x.copy(), tree))  # not fetched yet
            start = time.perf_counter()
            checkpoints.save(id, tree, {}, writer)
            waits.append(time.perf_counter() - start)
            writer.finish()
            complete.append(time.perf_counter() - start)
    size = sum(x.nbytes for x in jax.tree.leaves(tree))
    return Timed(name, size, median(waits), median(complete))


if __name__ == "__main__":
    main()
