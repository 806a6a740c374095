r"""Does each part earn its place? Runs of one recipe, each with something changed, paired by seed.

    python -m benchmarks.ablation --study released --seeds 0 1 2 --out runs/ablation

What is compared stands in benchmarks/studies.py. Another set, drawn on first use, or an easier one:

    --set data.synthetic.seed=1 data.source=data/synthetic-seed1
    --set data.synthetic.difficulty=easy data.source=data/synthetic-easy

Every variant is run on the same seeds of starting weights; the last epoch counts. Variants whose
settings differ in stage 2 alone share one stage 1. A run's folder is named by its settings: a
finished run is never repeated, and the command goes on where it was stopped. A run is a command of
its own, the first line of its log.txt (of stage 2: upon a copy of the shared folder); commit.txt
says of which commit.

--jobs N runs N of them side by side, each on its share of the CPU cores: on two cores, two jobs of
one core each get through 1.3 x as many epochs as one job of two.
"""

import argparse
import ast
import hashlib
import json
import os
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path
from queue import Queue
from typing import NamedTuple

from benchmarks.ablation_plots import draw_epochs, draw_study
from benchmarks.ablation_table import Job, format_tables, gather, is_finished, raw_records
from benchmarks.studies import AS_PAPER, STAGE2_ONLY, STUDIES, Overrides
from pclhd_jax.main import plain_config
from pclhd_jax.processes.progress import clock
from pclhd_jax.run_pictures import draw_if_missing
from pclhd_jax.settings import Settings, settings_of

# What a run of a study is given by the program itself.
OWN_SETTINGS = ("seed", "keep_features", "keep_checkpoints", "evaluation.every_epochs")


class Variant(NamedTuple):
    name: str
    overrides: Overrides


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ablation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", default="configs/synthetic.py", help="experiment (%(default)s)")
    parser.add_argument("--study", choices=sorted(STUDIES), default="released")
    parser.add_argument(
        "--set", nargs="+", default=[], metavar="NAME=VALUE", help="settings of all its runs"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("runs/ablation"), help="(%(default)s)")
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side (%(default)s)")
    parser.add_argument(
        "--only", nargs="+", metavar="N", type=int, help="numbers of the variants to run; 0 first"
    )
    parser.add_argument(
        "--table", action="store_true", help="run nothing: the table of what is there"
    )
    parser.add_argument(
        "--report", type=Path, metavar="DIR", help="leave table, raw records and plot there"
    )
    args = parser.parse_args(argv)
    most = len(os.sched_getaffinity(0))
    if not 1 <= args.jobs <= most:
        parser.error(f"--jobs is {args.jobs}; give 1 to {most}, the CPU cores there are")
    study = STUDIES[args.study]
    try:
        common = dict(parsed(text) for text in args.set)
        if own := common.keys() & set(OWN_SETTINGS):
            raise ValueError(f"--set {', '.join(own)}: the ablation gives it itself; see --seeds")
        changed_settings(args.config, study.recipe, common)
    except ValueError as error:
        parser.error(str(error))
    variants = [Variant(name, common | changed) for name, changed in study.variants.items()]
    if args.only is not None:
        wrong = [number for number in args.only if not 0 <= number < len(variants)]
        if wrong:
            parser.error(
                f"--only is {wrong[0]}; {args.study} has variants 0 to {len(variants) - 1}"
            )
        variants = [variants[number] for number in sorted({0, *args.only})]
    jobs = [
        job_of(args.config, study.recipe, variant, seed, args.out)
        for seed in args.seeds  # first, so that what is there early is whole for a seed
        for variant in variants
    ]
    if not args.table:
        draw_pictures(args.config, study.recipe, common)
    failed = [] if args.table else run_all(jobs, args.jobs)
    command = "python -m benchmarks.ablation " + shlex.join(sys.argv[1:] if argv is None else argv)
    outcomes = gather(jobs)
    print(format_tables(outcomes, args.seeds, command=command, is_ladder=study.is_ladder))
    if args.report:
        report(args.report, args.study, jobs, args.seeds, command)
    if failed:
        sys.exit("\n".join(failed))


def report(folder: Path, name: str, jobs: list[Job], seeds: Sequence[int], command: str) -> None:
    """`name`.md, .csv, .png and -epochs.png in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    study, outcomes = STUDIES[name], gather(jobs)
    tables = format_tables(outcomes, seeds, command=command, is_ladder=study.is_ladder)
    pictures = ""
    if draw_study(outcomes, study, folder, name):
        pictures += f"![Scores and ARI]({name}.png)\n\n"
    if draw_epochs(jobs, folder, name):
        pictures += f"By epoch, means over seeds:\n\n![By epoch]({name}-epochs.png)\n\n"
    (folder / f"{name}.md").write_text(f"# {study.title}\n\n{pictures}{tables}\n")
    (folder / f"{name}.csv").write_text(raw_records(outcomes))
    print(f"wrote {folder / name}.md, .csv and plots")


def parsed(text: str) -> tuple[str, object]:
    """A setting as `NAME=VALUE`, the value as Python writes it; else it is a word."""
    name, separator, value = text.partition("=")
    if not separator:
        raise ValueError(f"--set takes NAME=VALUE, not {text!r}; such as data.synthetic.seed=1")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def job_of(config: str, recipe: str, variant: Variant, seed: int, out: Path) -> Job:
    experiment = f"{config}:{recipe}"
    plain = plain_config(experiment)
    settings = changed_settings(config, recipe, variant.overrides)
    stage1_epochs, stage2_epochs = settings.stage1.epochs, settings.stage2.epochs
    overrides = resolved(config, variant.overrides) | {
        "seed": seed,
        "keep_features": 0,
        "keep_checkpoints": 1,
        # Scores of an epoch move nothing; the last one of each stage is enough.
        "evaluation.every_epochs": max(1, stage1_epochs),
    }
    stage1 = {name: value for name, value in overrides.items() if name not in STAGE2_ONLY}
    stage1["stage2.epochs"] = 0
    stem = f"{Path(config).stem}-{recipe}-seed{seed}"
    return Job(
        variant.name,
        seed,
        out / f"{stem}-stage1-{settings_hash(experiment, plain, stage1)}",
        out / f"{stem}-{settings_hash(experiment, plain, overrides)}",
        stage1_epochs,
        stage1_epochs + stage2_epochs,
        flags_of(experiment, stage1),
        flags_of(experiment, overrides),
    )


def resolved(config: str, overrides: Overrides) -> Overrides:
    """With the values of the experiment's own `paper` where a study says so."""
    papers = plain_config(f"{config}:paper").to_dict()

    def value(name: str, given: object) -> object:
        if given is not AS_PAPER:
            return given
        found = papers
        for key in name.split("."):
            found = found[key]
        return found

    return {name: value(name, given) for name, given in overrides.items()}


def changed_settings(config: str, recipe: str, overrides: Overrides) -> Settings:
    """Raises ValueError for settings that there are not, or that cannot be."""
    changed = plain_config(f"{config}:{recipe}")
    try:
        changed.update_from_flattened_dict(resolved(config, overrides))
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{', '.join(overrides)}: {error}; see configs/common.py") from error
    return settings_of(changed)


def settings_hash(experiment: str, plain: object, overrides: Overrides) -> str:
    """Of every setting's value, so that a changed default names another run."""
    settings = plain.copy_and_resolve_references()
    settings.update_from_flattened_dict(overrides)
    text = json.dumps([Path(experiment).name, settings.to_dict()], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:10]


def flags_of(experiment: str, overrides: Overrides) -> tuple[str, ...]:
    changed = (f"--config.{name}={value}" for name, value in overrides.items())
    return (f"--config={experiment}", *changed)


def draw_pictures(config: str, recipe: str, common: Overrides) -> None:
    """The synthetic set, if the runs are of one: side by side they would draw it twice."""
    data = changed_settings(config, recipe, common).data
    if data.synthetic:
        draw_if_missing(data)


def run_all(jobs: list[Job], num_workers: int) -> list[str]:
    """Run what is not finished: the stages 1 that are shared first, then what starts from them.

    Returns a line for every run that failed; the others go on without it.
    """
    stages1 = {job.shared: job for job in jobs}
    failed = run_each(
        "stage 1",
        [job for job in stages1.values() if not is_finished(job.shared, job.stage1_epochs)],
        lambda job: run_command(job.stage1_flags, job.shared),
        num_workers,
    )
    return failed + run_each(
        "run",
        [
            job
            for job in jobs
            if is_finished(job.shared, job.stage1_epochs)
            and not is_finished(job.workdir, job.epochs)
        ],
        run_stage2,
        num_workers,
    )


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
    run_command((*job.flags, "--accept_changes"), job.workdir)


def run_command(flags: Sequence[str], workdir: Path) -> None:
    command = [sys.executable, "-m", "pclhd_jax.main", *flags, f"--workdir={workdir}"]
    workdir.mkdir(parents=True, exist_ok=True)
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


if __name__ == "__main__":
    main()
