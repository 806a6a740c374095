"""One epoch of a stage, part by part, through the program's own run_epoch.

    python -m benchmarks.epoch --config=configs/sysu.py --set model.dtype=bfloat16 --stage 1 2

Pictures are synthetic, SYSU-MM01's counts by default (4.3 GB of host memory at 288 x 144): every
person is a pattern of coarse colours, every picture a noisy copy of it, so that even an encoder of
random weights finds clusters; features, clusters, banks and steps are all the real ones. Two epochs
of each stage are run: the first compiles, the second is what an epoch takes. Stage 2 starts from
what stage 1 left. There are no test pictures, so that no epoch is scored.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import jax
import numpy as np

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.cards import GIB
from benchmarks.contest import machine, process_peak, share_the_card, write_json
from benchmarks.contest_command import settings_named, settings_parser
from benchmarks.loader import PEOPLE
from pclhd_jax.batches.apart_and_joint import TrainPictures
from pclhd_jax.method.state import hand_over
from pclhd_jax.processes.mesh import make_mesh
from pclhd_jax.processes.progress import Progress, say
from pclhd_jax.settings.schedule import When, schedule, title
from pclhd_jax.settings.sections import Settings
from pclhd_jax.system.command import command
from pclhd_jax.training.experiment import (
    Run,
    check_devices,
    fixed_of,
    fresh_state,
    make_feature_steps,
    make_model,
    make_train_steps,
    optimizer_of,
)
from pclhd_jax.training.run_epoch import EpochEnd, run_epoch
from pclhd_jax.training.run_pictures import RunPictures
from pclhd_jax.training.services import Services
from pclhd_jax.training.unfinished import Unfinished

EPOCHS = 2  # of a stage: one that compiles, one that does not
PATTERN = (12, 6)  # rows and columns of a person's colours
# Lowest and highest grey of a pattern, and how far a picture's noise goes either way.
LOW, HIGH, NOISE = 40, 216, 40


class EpochTime(NamedTuple):
    stage: int
    epoch: int
    seconds: dict[str, float]  # of every part
    clusters: dict[str, int]
    pictures_per_s: float  # of the steps
    memory: int | None  # the device's peak so far


@command
def main(argv: Sequence[str] | None = None) -> None:
    parser = settings_parser(__doc__, "epoch")
    parser.add_argument("--visible", type=int, default=22_258, help="pictures (%(default)s)")
    parser.add_argument("--infrared", type=int, default=11_909, help="pictures (%(default)s)")
    parser.add_argument("--people", type=int, default=PEOPLE, help="(%(default)s)")
    parser.add_argument("--stage", type=int, nargs="+", choices=(1, 2), default=[1, 2])
    args = parser.parse_args(argv)
    share_the_card()
    try:
        settings = settings_named(args)
        stage = replace(settings.stage1, epochs=EPOCHS)
        of_stage2 = replace(settings.stage2, epochs=EPOCHS)
        settings = replace(settings, stage1=stage, stage2=of_stage2)
        say(f"{args.config}, {settings.model.dtype}; {machine()}")
        times = time_epochs(run_of(settings, args), sorted(set(args.stage)))
    except ValueError as error:
        sys.exit(f"{type(error).__name__}: {error}")
    print(f"\n{table(times)}")
    print(f"host memory: {process_peak() / GIB:.2f} GiB at most")
    if args.json:
        write_json(args.json, args, machine(), epochs=times)


def run_of(settings: Settings, args: argparse.Namespace) -> Run:
    """As `experiment.start_run`, without files."""
    mesh, model = make_mesh(), make_model(settings)
    check_devices(settings, mesh)
    return Run(
        settings,
        mesh,
        pictures_of(settings, args.visible, args.infrared, args.people),
        make_feature_steps(model, True),
        make_feature_steps(model, settings.cluster.unit_features),
        make_train_steps(fixed_of(settings, model, optimizer_of(settings))),
    )


def pictures_of(settings: Settings, visible: int, infrared: int, people: int) -> RunPictures:
    """Picture i is of person i % people. Infrared ones are grey."""
    rng = np.random.default_rng(settings.seed)
    pattern_PHWC = rng.integers(LOW, HIGH, (people, *PATTERN, 3)).astype(np.uint8)
    grey_PHWC = np.broadcast_to(pattern_PHWC[..., :1], pattern_PHWC.shape)
    size = settings.data.height, settings.data.width
    pixels, identities, cameras = [], [], []
    for modality, count, pattern in (
        ("visible", visible, pattern_PHWC),
        ("infrared", infrared, grey_PHWC),
    ):
        who_N = np.arange(count) % people
        pixels.append(noisy_copies(pattern, who_N, size, rng, modality))
        identities.append(who_N)
        cameras.append(rng.integers(4 if modality == "visible" else 2, size=count))
    return RunPictures({}, [], {}, TrainPictures(*pixels, *cameras), *identities)


def noisy_copies(
    pattern_PHWC: np.ndarray,
    who_N: np.ndarray,
    size: tuple[int, int],
    rng: np.random.Generator,
    modality: str,
) -> np.ndarray:
    """(N, H, W, 3) uint8."""
    (height, width), progress = size, Progress(f"drawing {modality} pictures")
    row_H = np.arange(height) * PATTERN[0] // height
    column_W = np.arange(width) * PATTERN[1] // width
    images_NHWC = np.empty((len(who_N), height, width, 3), np.uint8)
    for i in range(0, len(who_N), 256):
        chunk = images_NHWC[i : i + 256]
        of_people = pattern_PHWC[who_N[i : i + 256]]
        chunk[:] = of_people[:, row_H[:, None], column_W[None, :]] - np.uint8(NOISE)
        chunk += rng.integers(0, 2 * NOISE, chunk.shape, np.uint8)
        progress(i + len(chunk), len(who_N))
    return images_NHWC


def time_epochs(run: Run, stages: Sequence[int]) -> list[EpochTime]:
    """Where stage 1 is not asked for, stage 2 starts from random weights."""
    state, times = fresh_state(run.config, run.mesh), []
    for when in schedule(run.config):
        if when.stage not in stages:
            continue
        if when == (2, 0):
            state = hand_over(state, optimizer_of(run.config))
        with tempfile.TemporaryDirectory() as folder:
            services = Services(Path(folder))
            unfinished = Unfinished(run.config, services)
            end = run_epoch(run, services, when, state, unfinished)
        state, seconds = end.state, services.watch.seconds()
        times.append(time_of(run, when, end, seconds))
        say(f"{title(run.config, when)}: {seconds}")
    return times


def time_of(run: Run, when: When, end: EpochEnd, seconds: dict[str, float]) -> EpochTime:
    stage, epoch = when
    of_stage = getattr(run.config, f"stage{stage}")
    shots = of_stage.visible_shots + of_stage.infrared_shots
    clusters = {name: row["num_clusters"] for name, row in end.row["clusters"].items()}
    passes = 1 + (stage == 2 and "loss_joint_visible" in end.row["losses"])
    pictures = passes * of_stage.batches_per_epoch * of_stage.clusters_per_batch * shots
    stats = jax.devices()[0].memory_stats() or {}
    memory = stats.get("peak_bytes_in_use")
    return EpochTime(stage, epoch, seconds, clusters, pictures / seconds["steps"], memory)


def table(times: Sequence[EpochTime]) -> str:
    parts = list(dict.fromkeys(part for time in times for part in time.seconds))
    head = ["stage, epoch", *(f"{part}, s" for part in parts), "all, s"]
    head += ["step pictures/s", "clusters", "device peak, GiB"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for time in times:
        cells = [f"{time.stage}, {time.epoch + 1}" + " (compiles)" * (time.epoch == 0)]
        cells += [f"{time.seconds[part]:.2f}" if part in time.seconds else "-" for part in parts]
        cells += [f"{sum(time.seconds.values()):.2f}", f"{time.pictures_per_s:,.0f}"]
        cells += [", ".join(f"{n} {name}" for name, n in time.clusters.items())]
        cells += ["-" if time.memory is None else f"{time.memory / GIB:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
