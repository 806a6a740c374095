"""What two processes of one run do when one is lost, and how far they are from one process.

    python -m benchmarks.processes

Runs the tests' tiny experiment in pairs on this machine's CPU, takes one of the two away, and
prints how long the other one lived. Then compares the losses of two processes of two devices, epoch
by epoch, with those of one process of four devices and of one. About three minutes on two cores.
"""

import argparse
import signal
import sys
import tempfile
import time
from pathlib import Path

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from pclhd_jax.reports.records import read_records
from pclhd_jax.system.command import command
from tests.helpers.process_cases import PEER_TIMEOUT_S
from tests.helpers.process_pairs import Pair, pair_of_commands, run_alone

LOSSES = (
    ("process 1 killed", 1, signal.SIGKILL),
    ("process 0 killed", 0, signal.SIGKILL),
    ("process 1 stopped", 1, signal.SIGSTOP),
    ("process 0 stopped", 0, signal.SIGSTOP),
)


@command
def main() -> None:
    argparse.ArgumentParser(
        prog="python -m benchmarks.processes",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    ).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        print(f"one of two processes is lost, --peer_timeout_s={PEER_TIMEOUT_S}", flush=True)
        for number, (what, lost, signum) in enumerate(LOSSES):
            lose(root, root / f"run-{number}", what, lost, signum)
        print("losses of two processes of two devices, relative difference to", flush=True)
        with pair_of_commands(root, f"--workdir={root / 'pair'}", devices=2) as pair:
            pair.outputs()
        for devices in (4, 1):
            alone = run_alone(root, root / f"alone-{devices}", devices)
            compare(
                root / "pair", alone, f"one process, {devices} device{'s' if devices > 1 else ''}"
            )


def lose(root: Path, workdir: Path, what: str, lost: int, signum: int) -> None:
    with pair_of_commands(root, f"--workdir={workdir}") as pair:
        wait_for_a_save(workdir, pair)
        pair.processes[lost].send_signal(signum)
        started = time.monotonic()
        pair.processes[1 - lost].communicate()
        seconds = time.monotonic() - started
        code = pair.processes[1 - lost].returncode
    print(f"{what}: the other one ends {seconds:.1f} s later, code {code}", flush=True)


def wait_for_a_save(workdir: Path, pair: Pair) -> None:
    while not any((workdir / "unfinished").glob("[0-9]")):
        if any(process.poll() is not None for process in pair.processes):
            raise RuntimeError(f"the pair ended before it saved: {pair.outputs()}")
        time.sleep(0.05)


def compare(workdir: Path, alone: Path, what: str) -> None:
    ours, theirs = (read_records(path)[1:] for path in (workdir, alone))
    for one, other in zip(ours, theirs, strict=True):
        names = [name for name in one["losses"] if name.startswith("loss")]
        worst = max(abs(one["losses"][n] / other["losses"][n] - 1) for n in names)
        same = "the same clusters" if one["clusters"] == other["clusters"] else "other clusters"
        print(f"    {what}, epoch {one['epochs_done']}: {worst:.1e}, {same}", flush=True)


if __name__ == "__main__":
    main()
