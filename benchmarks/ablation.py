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
import os
import shlex
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from benchmarks.ablation_jobs import OWN_SETTINGS, Variant, changed_settings, job_of
from benchmarks.ablation_plots import draw_epochs, draw_study
from benchmarks.ablation_runs import run_all
from benchmarks.ablation_table import Job, Outcome, format_tables, gather, raw_records
from benchmarks.studies import STUDIES, Overrides, Study
from pclhd_jax.system.command import command, file_flag
from pclhd_jax.training.run_pictures import draw_if_missing


@command
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
    parser.add_argument(
        "--out", type=file_flag, default=Path("runs/ablation"), help="(%(default)s)"
    )
    parser.add_argument("--jobs", type=int, default=1, help="runs side by side (%(default)s)")
    parser.add_argument(
        "--only", nargs="+", metavar="N", type=int, help="numbers of the variants to run; 0 first"
    )
    parser.add_argument(
        "--table", action="store_true", help="run nothing: the table of what is there"
    )
    parser.add_argument(
        "--report", type=file_flag, metavar="DIR", help="leave table, raw records and plot there"
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
    if args.only is not None:
        most = len(study.variants) - 1
        wrong = [number for number in args.only if not 0 <= number <= most]
        if wrong:
            parser.error(f"--only is {wrong[0]}; {args.study} has variants 0 to {most}")
    variants = variants_of(study, common, args.only)
    jobs = [
        job_of(args.config, study.recipe, variant, seed, args.out)
        for seed in args.seeds  # first, so that what is there early is whole for a seed
        for variant in variants
    ]
    if not args.table:
        try:
            draw_pictures(args.config, study.recipe, common)
        except ValueError as error:
            parser.error(str(error))
    failed = [] if args.table else run_all(jobs, args.jobs)
    command = "python -m benchmarks.ablation " + shlex.join(sys.argv[1:] if argv is None else argv)
    outcomes = gather(jobs)
    print(format_tables(outcomes, args.seeds, command=command, is_ladder=study.is_ladder))
    if args.report:
        report(args.report, args.study, jobs, outcomes, args.seeds, command)
    if failed:
        sys.exit("\n".join(failed))


def variants_of(study: Study, common: Overrides, only: Sequence[int] | None) -> list[Variant]:
    """All of the study, or the first and those numbered; of a ladder a line is all its steps."""
    variants = [Variant(name, common | changed) for name, changed in study.variants.items()]
    if only is None:
        return variants
    numbers = sorted({0, *only})
    if not study.is_ladder:
        return [variants[number] for number in numbers]
    chosen = variants[:1]
    for before, number in pairwise(numbers):
        steps = [variant.name for variant in variants[before + 1 : number + 1]]
        chosen.append(variants[number]._replace(name="; ".join(steps)))
    return chosen


def report(
    folder: Path,
    name: str,
    jobs: list[Job],
    outcomes: dict[str, dict[int, Outcome]],
    seeds: Sequence[int],
    command: str,
) -> None:
    """`name`.md, .csv, .png and -epochs.png in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    study = STUDIES[name]
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


def draw_pictures(config: str, recipe: str, common: Overrides) -> None:
    """The synthetic set, if the runs are of one: side by side they would draw it twice."""
    data = changed_settings(config, recipe, common).data
    if data.synthetic:
        draw_if_missing(data)


if __name__ == "__main__":
    main()
