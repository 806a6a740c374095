"""How fast batches come: sampler, gather and prefetch, from pictures in memory or mapped into it.

    python -m benchmarks.loader --config=configs/sysu.py --visible 22258 --infrared 11909
    python -m benchmarks.loader --config=configs/sysu.py --mapped FOLDER --step_ms 120

Pictures are random, of the experiment's size, in clusters of equal sizes, SYSU-MM01's counts by
default (4.3 GB at 288 x 144). Of every stage it tells how many pictures a second come where nobody
but the loader works; how many a second go to the device; and, with --step_ms, which share of its
time a step of so many milliseconds waits for its batch. --mapped writes the pictures to FOLDER
(removed afterwards) and maps them, as a run maps its cache; what was just written the system may
still have in memory.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.cards import GIB
from benchmarks.contest import machine, process_peak, share_the_card, write_json
from benchmarks.contest_command import settings_named, settings_parser
from pclhd_jax.batches.apart_and_joint import TrainPictures, apart_batches, joint_batches
from pclhd_jax.batches.batch import Batch, EpochLabels
from pclhd_jax.batches.prefetch import prefetch
from pclhd_jax.data.modalities import MODALITIES
from pclhd_jax.processes.mesh import make_mesh, shard_batch
from pclhd_jax.processes.progress import Progress, say
from pclhd_jax.settings.sections import Settings
from pclhd_jax.system.command import command, file_flag
from pclhd_jax.training.experiment import sampling_of

PEOPLE = 395  # of SYSU-MM01's training set


class Loaded(NamedTuple):
    stage: int
    pictures_per_s: float  # in the steady state, the sampler's draw of the epoch not counted
    placed_per_s: float  # host to device
    waiting: float | None  # share of the time, with a step's milliseconds given
    draw_s: float  # of an epoch's rows, before its first batch


@command
def main(argv: Sequence[str] | None = None) -> None:
    parser = settings_parser(__doc__, "loader")
    parser.add_argument("--visible", type=int, default=22_258, help="pictures (%(default)s)")
    parser.add_argument("--infrared", type=int, default=11_909, help="pictures (%(default)s)")
    parser.add_argument("--people", type=int, default=PEOPLE, help="clusters (%(default)s)")
    parser.add_argument("--stage", type=int, nargs="+", choices=(1, 2), default=[1, 2])
    parser.add_argument("--batches", type=int, help="that are timed; an epoch's")
    parser.add_argument("--step_ms", type=float, help="that a step takes")
    parser.add_argument(
        "--mapped", type=file_flag, metavar="FOLDER", help="not in memory, but a file"
    )
    args = parser.parse_args(argv)
    share_the_card()
    try:
        settings = settings_named(args)
        pictures, labels = drawn(settings, args)
        rows = [time_stage(settings, pictures, labels, stage, args) for stage in args.stage]
    except ValueError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    finally:
        if args.mapped:
            for modality in MODALITIES:
                file_of(args.mapped, modality).unlink(missing_ok=True)
    print("\n| stage | pictures/s | to the device, pictures/s | waiting | draw of an epoch, s |")
    print("|---|---|---|---|---|")
    for row in rows:
        waiting = "-" if row.waiting is None else f"{row.waiting:.1%}"
        rates = f"{row.pictures_per_s:,.0f} | {row.placed_per_s:,.0f}"
        print(f"| {row.stage} | {rates} | {waiting} | {row.draw_s:.2f} |")
    print(f"host memory: {process_peak() / GIB:.2f} GiB at most")
    if args.json:
        write_json(args.json, args, machine(), rows=rows)


def drawn(settings: Settings, args: argparse.Namespace) -> tuple[TrainPictures, EpochLabels]:
    """Random pictures; person i % people is picture i's cluster, in either modality."""
    size = (settings.data.height, settings.data.width, 3)
    rng = np.random.default_rng(settings.seed)
    pictures, labels, cameras = [], [], []
    for modality, count, of in (("visible", args.visible, 4), ("infrared", args.infrared, 2)):
        images = held(args.mapped, modality, (count, *size))
        progress = Progress(f"drawing {modality} pictures")
        for i in range(0, count, 1024):
            chunk = images[i : i + 1024]
            chunk[:] = np.frombuffer(rng.bytes(chunk.size), np.uint8).reshape(chunk.shape)
            progress(i + len(chunk), count)
        if args.mapped:
            images.flush()
            images = np.load(file_of(args.mapped, modality), mmap_mode="r")
        pictures.append(images)
        labels.append((np.arange(count) % args.people).astype(np.int32))
        cameras.append(rng.integers(of, size=count))
    themselves = np.arange(args.people, dtype=np.int32)
    return TrainPictures(*pictures, *cameras), EpochLabels(*labels, themselves, themselves, *labels)


def held(folder: Path | None, modality: str, shape: tuple[int, ...]) -> np.ndarray:
    if folder is None:
        return np.empty(shape, np.uint8)
    folder.mkdir(parents=True, exist_ok=True)
    path = file_of(folder, modality)
    return np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)


def file_of(folder: Path, modality: str) -> Path:
    return folder / f"loader-{modality}.npy"


def time_stage(
    settings: Settings,
    pictures: TrainPictures,
    labels: EpochLabels,
    stage: int,
    args: argparse.Namespace,
) -> Loaded:
    sampling = sampling_of(settings, stage)
    if args.batches:
        sampling = sampling._replace(batches_per_epoch=args.batches)
    shots = sampling.visible_shots + sampling.infrared_shots
    passes = 1 + (stage == 2 and settings.loss.joint)
    per_step = passes * sampling.clusters_per_batch * shots

    def epoch() -> Iterator[tuple[Batch, ...]]:
        # As training/step_loop.epoch_batches makes them.
        rng = np.random.default_rng([settings.seed, stage])
        apart = apart_batches(pictures, labels, sampling, rng)
        if passes == 1:
            return zip(apart)
        return zip(apart, joint_batches(pictures, labels, sampling, rng), strict=True)

    what = f"stage {stage}"
    say(f"{what}: {sampling.batches_per_epoch} batches of {per_step} pictures")
    draw_s, alone_s = consumed(epoch, what, lambda batch: None)[:2]
    mesh = make_mesh()
    batch = next(iter(epoch()))
    placed_s = best_of(lambda: jax.block_until_ready(shard_batch(mesh, batch)))
    waiting = None
    if args.step_ms:
        # The device works, the host sleeps: nothing of Python's is held meanwhile.
        _, seconds, waited_s = consumed(
            epoch, f"{what}, steps", lambda batch: time.sleep(args.step_ms / 1e3)
        )
        waiting = waited_s / seconds
    steps = sampling.batches_per_epoch - 1  # the first comes with the draw
    return Loaded(stage, per_step * steps / alone_s, per_step / placed_s, waiting, draw_s)


def consumed(
    epoch: Callable[[], Iterator[tuple[Batch, ...]]],
    what: str,
    work: Callable[[tuple[Batch, ...]], None],
) -> tuple[float, float, float]:
    """Seconds to the first batch; of all later ones; and those of them spent waiting."""
    batches, progress = prefetch(epoch()), Progress(what, "batches")
    start = time.perf_counter()
    work(next(batches))
    first_s, waited_s = time.perf_counter() - start, 0.0
    begun = before = time.perf_counter()
    for done, batch in enumerate(batches, 1):
        waited_s += time.perf_counter() - before
        work(batch)
        progress(done, done + 1)
        before = time.perf_counter()
    return first_s, time.perf_counter() - begun, waited_s


def best_of(work: Callable[[], object], repeats: int = 5) -> float:
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return min(seconds)


if __name__ == "__main__":
    main()
