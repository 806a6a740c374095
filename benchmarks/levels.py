"""How hard each level of the synthetic set is: untrained, trained, and trained on true identities.

    python -m benchmarks.levels --seeds 0 1 2 --jobs 2 --out runs/ablation --report docs/ablation

The recipe `paper`, and the same with the people as labels (benchmarks/supervised.py), on the sets
of data_prep/synthetic_difficulty.py, drawn on first use. Runs are named, shared, kept and gone on
with as those of benchmarks.ablation, and shared with it.
"""

import argparse
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.ablation import draw_pictures
from benchmarks.ablation_jobs import Variant, job_of
from benchmarks.ablation_runs import run_all
from benchmarks.ablation_table import Job, format_tables, gather, raw_records
from benchmarks.studies import Overrides
from data_prep.synthetic_difficulty import LEVELS
from pclhd_jax.settings.experiment_files import plain_config
from pclhd_jax.system.command import command, file_flag

TRAINED, BOUND = "`paper`", "true identities as labels"


@command
def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.levels",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", default="configs/synthetic_ablation.py", help="(%(default)s)")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--levels", nargs="+", choices=list(LEVELS), default=list(LEVELS))
    parser.add_argument(
        "--out", type=file_flag, default=Path("runs/ablation"), help="(%(default)s)"
    )
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side (%(default)s)")
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument(
        "--report", type=file_flag, metavar="DIR", help="leave levels.md and .csv there"
    )
    args = parser.parse_args(argv)
    command = "python -m benchmarks.levels " + shlex.join(sys.argv[1:] if argv is None else argv)

    try:
        jobs_of = {
            level: level_jobs(args.config, level, args.seeds, args.out) for level in args.levels
        }
    except ValueError as error:
        parser.error(str(error))
    failed = []
    if not args.table:
        for level in args.levels:
            draw_pictures(args.config, "paper", level_overrides(args.config, level))
        failed = run_all([job for jobs in jobs_of.values() for job in jobs], args.jobs)
    text, head, raw = "# How hard the levels are\n", "", ""
    for level, jobs in jobs_of.items():
        outcomes = gather(jobs)
        tables = format_tables(outcomes, args.seeds, command=command, is_ladder=False)
        text += f"\n## Level `{level}`\n\n{tables}\n"
        head, *rows = raw_records(outcomes).splitlines()
        raw += "".join(f"{level},{row}\n" for row in rows)
    print(text)
    if args.report:
        args.report.mkdir(parents=True, exist_ok=True)
        (args.report / "levels.md").write_text(text)
        (args.report / "levels.csv").write_text(f"level,{head}\n{raw}")
    if failed:
        sys.exit("\n".join(failed))


def level_jobs(config: str, level: str, seeds: Sequence[int], out: Path) -> list[Job]:
    overrides = level_overrides(config, level)
    jobs = []
    for seed in seeds:
        job = job_of(config, "paper", Variant(TRAINED, overrides), seed, out)
        jobs += [job, bound_of(job)]
    return jobs


def bound_of(job: Job) -> Job:
    """The same run on true labels, in folders of its own."""
    return job._replace(
        variant=BOUND,
        shared=job.shared.with_name(job.shared.name + "-supervised"),
        workdir=job.workdir.with_name(job.workdir.name + "-supervised"),
        module="benchmarks.supervised",
    )


def level_overrides(config: str, level: str) -> Overrides:
    """Nothing for the level that the experiment has, so that its runs are those of other studies.

    Raises:
      ValueError: an experiment whose pictures are not drawn.
    """
    data = plain_config(f"{config}:paper").data
    if not data.synthetic:
        raise ValueError(f"{config} is of pictures that there are; levels are of drawn ones")
    if data.synthetic.difficulty == level:
        return {}
    return {"data.synthetic.difficulty": level, "data.source": f"{data.source}-{level}"}


if __name__ == "__main__":
    main()
