"""Runs of an ablation side by side: shared stages 1 first, finished runs never again."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import Queue

from benchmarks.ablation_table import Job, is_finished
from pclhd_jax.processes.progress import clock
from pclhd_jax.saving.mark import mark_run


def run_all(jobs: list[Job], num_workers: int) -> list[str]:
    """Run what is not finished: the stages 1 that are shared first, then what starts from them.

    Variants whose settings come out the same are one run. Returns a line for every run that
    failed; the others go on without it.
    """
    stages1 = {job.shared: job for job in jobs}
    runs = {job.workdir: job for job in jobs}
    failed = run_each(
        "stage 1",
        [job for job in stages1.values() if not can_be_shared(job)],
        lambda job: run_command(job.module, job.stage1_flags, job.shared),
        num_workers,
    )
    return failed + run_each(
        "run",
        [
            job
            for job in runs.values()
            if can_be_shared(job) and not is_finished(job.workdir, job.epochs)
        ],
        run_stage2,
        num_workers,
    )


def can_be_shared(job: Job) -> bool:
    """Its stage 1 is recorded and saved; the record comes first, and a kill may fall between."""
    saved = job.shared / "checkpoints" / str(job.stage1_epochs)
    return is_finished(job.shared, job.stage1_epochs) and saved.is_dir()


def run_each(what: str, jobs: list[Job], run: Callable[[Job], None], num_workers: int) -> list[str]:
    """All `jobs` on `num_workers` threads, each with its share of the cores, its children's too."""
    cores, failed = sorted(os.sched_getaffinity(0)), []
    shares: Queue[list[int]] = Queue()
    for worker in range(num_workers):
        shares.put(cores[worker::num_workers])
    print(f"{what}: {len(jobs)} to do", flush=True)
    started = time.monotonic()
    with ThreadPoolExecutor(
        num_workers, initializer=lambda: os.sched_setaffinity(0, shares.get())
    ) as pool:
        futures = {pool.submit(run, job): job for job in jobs}
        try:
            for done, future in enumerate(as_completed(futures), 1):
                job, error = futures[future], future.exception()
                if error is not None:
                    failed.append(f"{what}, {job.variant}, seed {job.seed}: {error}")
                to_go = (time.monotonic() - started) / done * (len(jobs) - done)
                print(
                    f"[{done}/{len(jobs)}] {what}, {job.variant}, seed {job.seed}: "
                    f"{'FAILED' if error else 'done'}; about {clock(to_go)} left",
                    flush=True,
                )
        except BaseException:  # ctrl-C: the runs save and end by themselves, no other begins
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return failed


def run_stage2(job: Job) -> None:
    if not job.workdir.exists():
        # Copied beside and renamed: a kill leaves no half of a workdir.
        beside = job.workdir.with_name(job.workdir.name + ".new")
        shutil.rmtree(beside, ignore_errors=True)
        shutil.copytree(job.shared, beside, ignore=shutil.ignore_patterns("log.txt", "run.lock"))
        beside.rename(job.workdir)
    run_command(job.module, (*job.flags, "--accept_changes"), job.workdir)


def run_command(module: str, flags: Sequence[str], workdir: Path) -> None:
    command = [sys.executable, "-m", module, *flags, f"--workdir={workdir}"]
    workdir.mkdir(parents=True, exist_ok=True)
    mark_run(workdir)  # a run would refuse a folder that holds other files
    note_commit(workdir / "commit.txt")
    with (workdir / "log.txt").open("a") as log:
        print(" ".join(command), file=log, flush=True)
        code = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT).returncode
    if code:
        raise RuntimeError(f"exit code {code}, see {workdir / 'log.txt'}")


def note_commit(path: Path) -> None:
    """A line for each commit and number of cores that made the run, those of stage 1 first."""
    line = f"{commit()}, {len(os.sched_getaffinity(0))} cores"
    lines = path.read_text().splitlines() if path.exists() else []
    if line not in lines:
        path.write_text("".join(f"{entry}\n" for entry in [*lines, line]))


def commit() -> str:
    """Of this checkout, marked where files differ from it."""
    git = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty"]
    try:
        return subprocess.run(git, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "no commit"
