"""Where the time of traced steps goes: what XLA's operations took, by kind.

    python -m pclhd_jax.main --config=configs/synthetic.py --profile DIR
    python -m benchmarks.read_profile DIR

Of every trace below DIR a table: the kinds of operation that took the longest, how often each ran
in a step, its milliseconds in a step and its share of all. A kind is XLA's name of the operation
without its number: `convolution`, or for a fusion what went into it. An operation that runs others,
as a loop does, counts without them. Times of operations that run at once, on several cores or
streams, are added up; `busy` is the share of the traced time in which any was running.
"""

import argparse
import re
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from pclhd_jax.reports.columns import aligned
from pclhd_jax.system.command import command, file_flag


class Op(NamedTuple):
    """One run of an operation on a device; of a thread or stream all are nested or apart."""

    kind: str
    begin: float  # ns
    end: float


class Steps(NamedTuple):
    count: int
    lines: list[list[Op]]  # by thread or stream


@command
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.read_profile",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", metavar="DIR", type=file_flag, help="what --profile was given")
    parser.add_argument("--rows", type=int, default=12, help="of a table (%(default)s)")
    args = parser.parse_args(argv)
    paths = sorted(args.folder.rglob("*.xplane.pb"))
    if not paths:
        sys.exit(f"no trace (*.xplane.pb) below {args.folder}; a run with --profile writes one")
    for path in paths:
        place = str(path.relative_to(args.folder)).partition("plugins")[0].rstrip("/")
        print(f"{place or args.folder}: {report(read_steps(path), args.rows)}\n")


def report(steps: Steps, rows: int) -> str:
    """The table of one trace."""
    ops = [op for line in steps.lines for op in line]
    if not steps.count or not ops:
        return "no step, or no operation, in it"
    spent, runs = Counter(), Counter(op.kind for op in ops)
    for line in steps.lines:
        spent.update(own_times(line))
    total = sum(spent.values())
    wall = max(op.end for op in ops) - min(op.begin for op in ops)
    table = [("operation", "a step", "ms a step", "share, %")]
    for kind, ns in spent.most_common(rows):
        table.append(cells(kind, runs[kind], ns, steps.count, total))
    rest = [kind for kind, _ in spent.most_common()[rows:]]
    if rest:
        counts = sum(runs[kind] for kind in rest), sum(spent[kind] for kind in rest)
        table.append(cells(f"{len(rest)} other kinds", *counts, steps.count, total))
    head = f"{steps.count} steps, {wall / steps.count / 1e6:.1f} ms each, "
    return "\n".join([f"{head}busy {100 * covered(ops) / wall:.0f} %", *aligned(table)])


def cells(kind: str, runs: int, ns: float, steps: int, total: float) -> tuple[str, ...]:
    return kind, f"{runs / steps:.0f}", f"{ns / steps / 1e6:.2f}", f"{100 * ns / total:.1f}"


def own_times(line: Iterable[Op]) -> Counter:
    """Nanoseconds by kind, without those of the operations within."""
    spent: Counter = Counter()
    around: list[Op] = []
    for op in sorted(line, key=lambda op: (op.begin, -op.end)):
        while around and around[-1].end <= op.begin:
            around.pop()
        spent[op.kind] += op.end - op.begin
        if around:
            spent[around[-1].kind] -= op.end - op.begin
        around.append(op)
    return spent


def covered(ops: Iterable[Op]) -> float:
    """Nanoseconds in which at least one was running."""
    total, until = 0.0, 0.0
    for op in sorted(ops, key=lambda op: op.begin):
        total += max(0.0, op.end - max(op.begin, until))
        until = max(until, op.end)
    return total


def read_steps(path: Path) -> Steps:
    from jax.profiler import ProfileData

    return steps_of(ProfileData.from_file(str(path)).planes)


def steps_of(planes: Iterable[Any]) -> Steps:
    """Operations of the devices; on a CPU, which has no plane of its own, those of the host."""
    count, on_device, on_host = 0, [], []
    for plane in planes:
        lines = on_device if plane.name.startswith("/device:") else on_host
        for line in plane.lines:
            events = list(line.events)
            if plane.name.startswith("/host:"):
                count += sum(event.name == "step" for event in events)
            if ops := [op for op in map(op_of, events) if op]:
                lines.append(ops)
    return Steps(count, on_device or on_host)


def op_of(event: Any) -> Op | None:
    name = dict(event.stats).get("hlo_op")
    if name is None:
        return None
    if str(name).startswith("command_buffer"):  # of a CUDA graph: the kernel's own name tells more
        name = re.sub(r"^void |[<(].*", "", event.name).strip()
    kind = re.sub(r"([._](\d+|clone))+$", "", str(name))
    return Op(kind, event.start_ns, event.start_ns + event.duration_ns)


if __name__ == "__main__":
    main()
