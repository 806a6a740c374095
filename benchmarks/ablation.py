r"""Does each part earn its place? Runs of one recipe, each with something left out, paired by seed.

    python -m benchmarks.ablation --recipe released --seeds 0 1 2 --out runs/ablation

Every variant is run on the same seeds of starting weights; the last epoch counts. Variants whose
settings differ in stage 2 alone share one stage 1. A run's folder is named by its settings: a
finished run is never repeated, and the command goes on where it was stopped. A run is a command of
its own, the first line of its log.txt.

--jobs N runs N of them side by side, each on its share of the CPU cores: on two cores, two jobs of
one core each get through 1.3 x as many epochs as one job of two.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import Queue
from typing import NamedTuple

import numpy as np

from pclhd_jax.main import plain_config
from pclhd_jax.processes.progress import clock

Overrides = dict[str, object]

# By recipe: the recipe itself first, then what is changed in it.
VARIANTS: dict[str, dict[str, Overrides]] = {
    "released": {
        "released": {},
        "without (a), banks written in turn": {"loss.bank_order": "together"},
        "without (b), joint clusters of one modality": {"cluster.joint_keeps": "mixed"},
        "without (c), joint clusters drawn apart": {"sampler.joint_clusters": "same"},
        "without (d), lists of k1, means as they are": {
            "cluster.count_self": False,
            "cluster.unit_features": True,
        },
        "without (e), exact pools drawn with repeats": {"sampler.exact_pool_repeats": False},
    },
    "paper": {"paper": {}},
}

# Settings that nothing reads before stage 2.
STAGE2_ONLY = (
    "loss.bank_order",
    "loss.cross_weight",
    "loss.hybrid_margin",
    "loss.dynamic_query",
    "loss.dynamic_choice",
    "loss.stage2_weights",
    "loss.ramp_epochs",
    "cluster.joint_keeps",
    "cluster.joint_k1",
    "cluster.joint_k2",
    "sampler.joint_clusters",
    "prototypes.num_dynamic",
    "encoder_decay",
)


class Variant(NamedTuple):
    name: str
    overrides: Overrides


class Job(NamedTuple):
    """One run: `shared` is the folder of its stage 1, which other runs may start from as well."""

    variant: str
    seed: int
    shared: Path
    workdir: Path
    stage1_flags: tuple[str, ...]
    flags: tuple[str, ...]


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ablation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", default="configs/synthetic.py", help="experiment (%(default)s)")
    parser.add_argument("--recipe", choices=sorted(VARIANTS), default="released")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"), help="(%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side (%(default)s)")
    parser.add_argument(
        "--only", nargs="+", metavar="N", type=int, help="numbers of the variants to run; 0 first"
    )
    parser.add_argument("--table", action="store_true", help="print the table of what is there")
    args = parser.parse_args(argv)
    variants = [Variant(*item) for item in VARIANTS[args.recipe].items()]
    if args.only is not None:
        variants = [variants[number] for number in sorted({0, *args.only})]
    jobs = [
        job_of(args.config, args.recipe, variant, seed, args.out)
        for variant in variants
        for seed in args.seeds
    ]
    if not args.table:
        run_all(jobs, args.jobs)
    print(format_table(jobs, args.seeds, [variant.name for variant in variants]))


def job_of(config: str, recipe: str, variant: Variant, seed: int, out: Path) -> Job:
    experiment = f"{config}:{recipe}"
    plain = plain_config(experiment)
    overrides = variant.overrides | {
        "seed": seed,
        "keep_features": 0,
        "keep_checkpoints": 1,
        # Scores of an epoch move nothing; the last one of each stage is enough.
        "evaluation.every_epochs": max(1, plain.stage1.epochs),
    }
    stage1 = {name: value for name, value in overrides.items() if name not in STAGE2_ONLY}
    stage1["stage2.epochs"] = 0
    stem = Path(config).stem
    return Job(
        variant.name,
        seed,
        out / f"{stem}-{recipe}-seed{seed}-stage1-{settings_hash(experiment, plain, stage1)}",
        out / f"{stem}-{recipe}-seed{seed}-{settings_hash(experiment, plain, overrides)}",
        flags_of(experiment, stage1),
        flags_of(experiment, overrides),
    )


def settings_hash(experiment: str, plain: object, overrides: Overrides) -> str:
    """Of every setting's value, so that a changed default names another run."""
    settings = plain.copy_and_resolve_references()
    settings.update_from_flattened_dict(overrides)
    text = json.dumps([Path(experiment).name, settings.to_dict()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def flags_of(experiment: str, overrides: Overrides) -> tuple[str, ...]:
    changed = (f"--config.{name}={value}" for name, value in overrides.items())
    return (f"--config={experiment}", *changed)


def run_all(jobs: list[Job], num_workers: int) -> None:
    """Run what is not finished: the stages 1 that are shared first, then what starts from them."""
    cores = sorted(os.sched_getaffinity(0))
    shares: Queue[list[int]] = Queue()
    for worker in range(num_workers):
        shares.put(cores[worker::num_workers])
    run_each("stage 1", {job.shared: job for job in jobs}, run_stage1, shares)
    run_each("run", {job.workdir: job for job in jobs}, run_stage2, shares)


def run_each(
    what: str,
    jobs: dict[Path, Job],
    run: Callable[[Job, "Queue[list[int]]"], None],
    shares: "Queue[list[int]]",
) -> None:
    """Each job whose folder is not finished; one that fails stops none of the others.

    Raises SystemExit at the end where one failed.
    """
    left = [job for folder, job in jobs.items() if not is_finished(folder)]
    print(f"{what}: {len(jobs) - len(left)} of {len(jobs)} finished", flush=True)
    started, failed = time.monotonic(), []
    with ThreadPoolExecutor(shares.qsize()) as pool:
        futures = {pool.submit(run, job, shares): job for job in left}
        for done, future in enumerate(as_completed(futures), 1):
            job, error = futures[future], future.exception()
            if error is not None:
                failed.append(f"{job.variant}, seed {job.seed}: {error}")
            to_go = (time.monotonic() - started) / done * (len(left) - done)
            print(
                f"[{done}/{len(left)}] {what}, {job.variant}, seed {job.seed}: "
                f"{'FAILED' if error else 'done'}; about {clock(to_go)} left",
                flush=True,
            )
    if failed:
        sys.exit("\n".join(failed))


def run_stage1(job: Job, shares: "Queue[list[int]]") -> None:
    run_command(job.stage1_flags, job.shared, shares)


def run_stage2(job: Job, shares: "Queue[list[int]]") -> None:
    if not job.workdir.exists():
        # Copied beside and renamed: a kill leaves no half of a workdir.
        beside = job.workdir.with_name(job.workdir.name + ".new")
        shutil.rmtree(beside, ignore_errors=True)
        shutil.copytree(job.shared, beside)
        beside.rename(job.workdir)
    run_command((*job.flags, "--accept_changes"), job.workdir, shares)


def run_command(flags: Sequence[str], workdir: Path, shares: "Queue[list[int]]") -> None:
    command = [sys.executable, "-m", "pclhd_jax.main", *flags, f"--workdir={workdir}"]
    workdir.mkdir(parents=True, exist_ok=True)
    env = {"JAX_COMPILATION_CACHE_DIR": str(workdir.parent / "compiled")} | os.environ
    share = shares.get()
    try:
        with (workdir / "log.txt").open("a") as log:
            print(" ".join(command), file=log, flush=True)
            subprocess.run(
                command,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=env,
                check=True,
                preexec_fn=lambda: os.sched_setaffinity(0, share),
            )
    except subprocess.CalledProcessError as error:
        raise RuntimeError(f"code {error.returncode}, see {workdir / 'log.txt'}") from None
    finally:
        shares.put(share)


def last_row(workdir: Path) -> dict | None:
    path = workdir / "metrics.jsonl"
    lines = path.read_text().splitlines() if path.exists() else []
    return json.loads(lines[-1]) if lines else None


def is_finished(workdir: Path) -> bool:
    path = workdir / "config.json"
    if not path.exists():
        return False
    config, row = json.loads(path.read_text()), last_row(workdir)
    return (
        bool(row) and row["epochs_done"] == config["stage1"]["epochs"] + config["stage2"]["epochs"]
    )


def format_table(jobs: list[Job], seeds: Sequence[int], variants: Sequence[str]) -> str:
    """Markdown: mean over seeds, every seed's difference to the first variant; X: not finished."""
    scores = {
        (job.variant, job.seed): scores_of(job.workdir) for job in jobs if is_finished(job.workdir)
    }
    if not scores:
        return "no run is finished"
    protocols = list(next(iter(scores.values())))
    title = [f"{name}: Rank-1 / mAP | difference by seed" for name in protocols]
    lines = [
        f"Seeds {', '.join(map(str, seeds))}; mean over seeds, in %, last epoch.",
        "",
        "| | " + " | ".join(title) + " |",
        "|---" * (1 + 2 * len(protocols)) + "|",
    ]
    for variant in variants:
        cells = [variant]
        for protocol in protocols:
            cells += cells_of(scores, variant, variants[0], protocol, seeds)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def cells_of(
    scores: dict, variant: str, first: str, protocol: str, seeds: Sequence[int]
) -> tuple[str, str]:
    """(mean Rank-1 / mAP, Rank-1 / mAP differences to `first`, seed by seed)."""
    here = [scores.get((variant, seed), {}).get(protocol) for seed in seeds]
    if any(score is None for score in here):
        return "X", "X"
    mean = np.mean(here, axis=0)
    means = f"{mean[0]:.1f} / {mean[1]:.1f}"
    there = [scores.get((first, seed), {}).get(protocol) for seed in seeds]
    if variant == first:
        return means, ", ".join(f"{score[0]:.1f} / {score[1]:.1f}" for score in here)
    if any(score is None for score in there):
        return means, "X"
    gaps = np.subtract(here, there)
    return means, ", ".join(f"{gap[0]:+.1f} / {gap[1]:+.1f}" for gap in gaps)


def scores_of(workdir: Path) -> dict[str, tuple[float, float]]:
    """(Rank-1, mAP) in % by protocol."""
    evaluation = last_row(workdir)["evaluation"]
    return {name: (100 * s["cmc"][0], 100 * s["mean_ap"]) for name, s in evaluation.items()}


if __name__ == "__main__":
    main()
