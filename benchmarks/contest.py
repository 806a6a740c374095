"""Programs timed against each other, and against the machine's own matrix product.

They take turns in blocks of calls: what else the machine does then meets all of them alike.
"""

import gc
import json
import os
import platform
import resource
import time
from collections.abc import Callable, Sequence
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from benchmarks.cards import GIB
from benchmarks.programs import Program
from pclhd_jax.processes.progress import say

HEAD = (
    *("program", "by", "ms", "from .. to", "pictures/s", "GFLOP/s", "of own product"),
    *("memory, GiB", "compile, s"),
)


class Contender(NamedTuple):
    by: str
    block: Callable[[int], None]  # that many calls; comes back when the device has done them
    compile_s: float  # and whatever else the first call does beside its work
    memory: Callable[[], int | None]  # most bytes on the device so far, None: not told


class Product(NamedTuple):
    """A square matrix product, as the framework multiplies by default."""

    size: int
    dtype: str
    flops_per_s: float


class Outcome(NamedTuple):
    program: str
    by: str
    pictures: int  # of one call
    flops: float | None  # of one call, as XLA counts the program
    seconds: list[float]  # of one call, by block
    compile_s: float
    memory: int | None


def share_the_card() -> None:
    """Before JAX's first array: else JAX takes most of a GPU's memory for itself."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")


def contest(
    program: str, contenders: Sequence[Contender], *, calls: int, repeats: int, **of_call: Any
) -> list[Outcome]:
    """Two calls each to warm up, then `repeats` blocks of `calls`, in turns.

    of_call: pictures and flops.
    """
    for contender in contenders:
        contender.block(2)
    seconds: list[list[float]] = [[] for _ in contenders]
    for i in range(repeats):
        for contender, of_blocks in zip(contenders, seconds, strict=True):
            start = time.perf_counter()
            contender.block(calls)
            of_blocks.append((time.perf_counter() - start) / calls)
        numbers = ", ".join(
            f"{c.by} {1e3 * s[-1]:.1f} ms" for c, s in zip(contenders, seconds, strict=True)
        )
        say(f"{program}, block {i + 1}/{repeats}: {numbers}")
    return [
        Outcome(program, c.by, of_call["pictures"], of_call["flops"], s, c.compile_s, c.memory())
        for c, s in zip(contenders, seconds, strict=True)
    ]


def own_product(dtype: str, size: int | None = None, repeats: int = 5) -> Product:
    """The best of a few. size: None for one that keeps the machine busy for long enough."""
    size = size or (8192 if jax.default_backend() != "cpu" else 2048)
    x = jax.random.normal(jax.random.key(0), (size, size), dtype)  # zeros cost a GPU less
    multiply = jax.jit(jnp.matmul)
    calls, best = (1 if jax.default_backend() == "cpu" else 20), float("inf")
    jax.block_until_ready(multiply(x, x))
    for _ in range(repeats):
        start = time.perf_counter()
        for _ in range(calls):
            y = multiply(x, x)
        jax.block_until_ready(y)
        best = min(best, (time.perf_counter() - start) / calls)
    return Product(size, dtype, 2 * size**3 / best)


def flops_of(program: Program) -> float | None:
    """Of the program as it was written. Lowered for the CPU: XLA counts for no other device."""
    try:
        cpu = jax.sharding.SingleDeviceSharding(jax.devices("cpu")[0])
    except RuntimeError:  # JAX_PLATFORMS leaves it out
        return None
    placed = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=cpu), program.shapes
    )
    return program.call.trace(*placed).lower().cost_analysis()["flops"]


def compiled(call: Callable[..., Any], arguments: Sequence[Any]) -> tuple[Any, float]:
    """The compiled program and the seconds that tracing and compiling took."""
    start = time.perf_counter()
    made = call.trace(*arguments).lower().compile()
    return made, time.perf_counter() - start


def jax_memory(program: Any) -> Callable[[], int | None]:
    """The device's peak where it tells one; else what the compiled program needs."""

    def most() -> int | None:
        stats = jax.devices()[0].memory_stats()
        if stats and "peak_bytes_in_use" in stats:
            return stats["peak_bytes_in_use"]
        need = program.memory_analysis()
        held = need.argument_size_in_bytes + need.output_size_in_bytes - need.alias_size_in_bytes
        return held + need.temp_size_in_bytes

    return most


def table(outcomes: Sequence[Outcome], product: Product) -> str:
    lines = [f"| {' | '.join(HEAD)} |", "|---" * len(HEAD) + "|"]
    lines += [f"| {' | '.join(cells(outcome, product))} |" for outcome in outcomes]
    return "\n".join([*lines, "", *ratios(outcomes)])


def cells(outcome: Outcome, product: Product) -> list[str]:
    """In the order of HEAD."""
    seconds = median(outcome.seconds)
    rate = None if outcome.flops is None else outcome.flops / seconds
    return [
        *(outcome.program, outcome.by, f"{1e3 * seconds:.1f}"),
        f"{1e3 * min(outcome.seconds):.1f} .. {1e3 * max(outcome.seconds):.1f}",
        f"{outcome.pictures / seconds:,.0f}",
        "-" if rate is None else f"{rate / 1e9:,.0f}",
        "-" if rate is None else f"{rate / product.flops_per_s:.0%}",
        "-" if outcome.memory is None else f"{outcome.memory / GIB:.2f}",
        f"{outcome.compile_s:.1f}",
    ]


def ratios(outcomes: Sequence[Outcome]) -> list[str]:
    """Of every other contender's time to JAX's, pair by pair of neighbouring blocks."""
    first = {outcome.program: outcome for outcome in outcomes if outcome.by == "JAX"}
    lines = []
    for other in outcomes:
        ours = first.get(other.program)
        if ours is None or other.by == "JAX":
            continue
        pairs = [theirs / own for theirs, own in zip(other.seconds, ours.seconds, strict=True)]
        lines.append(
            f"{other.program}: {other.by} takes {median(pairs):.2f} x JAX's time "
            f"({min(pairs):.2f} .. {max(pairs):.2f}, {len(pairs)} pairs)"
        )
    return lines


def machine() -> dict[str, Any]:
    """What a number is of."""
    names = ["jax", "jaxlib", "flax"] + ["torch"] * bool(find_spec("torch"))
    packages = {name: version(name) for name in names}
    return {
        "device": jax.devices()[0].device_kind,
        "cores": len(os.sched_getaffinity(0)),
        "python": platform.python_version(),
        **packages,
    }


def process_peak() -> int:
    """Bytes of host memory that this process held at most, everything in it together."""
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def write_json(path: Path, given: Any, here: dict[str, Any], **content: Any) -> None:
    """given: the command's arguments. here: as `machine` tells."""
    plain = {
        name: [x._asdict() for x in value] if isinstance(value, list) else value
        for name, value in content.items()
    }
    told = {"machine": here, "given": {name: str(value) for name, value in vars(given).items()}}
    path.write_text(json.dumps(told | plain, indent=1) + "\n")
    say(f"wrote {path}")


def forget() -> None:
    """What the last contest held on the device."""
    gc.collect()
