"""Do the tests notice a fault? Breaks the method, the clustering and the settings at random places.

    pip install cosmic-ray
    python -m benchmarks.mutation [--each 12] [--seed 0] [--only losses ...] [--out runs/mutation]

Each mutant is one operator, number or condition changed in one file, in a copy of the tree; the
tests of that file must fail. What survives is printed as a diff: read it, since some mutants change
nothing that anyone could see. All mutants take many hours; `--each` draws so many of every file,
the same ones for the same seed. Not a test: a command of its own.
"""

import argparse
import hashlib
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

if not __package__:  # run as a file: put the checkout on the path instead of this folder
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from pclhd_jax.system.command import command, file_flag

ROOT = Path(__file__).parents[1]
# File: the tests that are to notice.
TARGETS = {
    "method/losses": ["method/test_losses", "method/test_step_terms"],
    "method/prototypes": ["method/test_prototypes_build", "method/test_prototypes_update"],
    "method/terms": ["method/test_step_terms", "method/test_settings_reach_the_step"],
    "method/bank_updates": ["method/test_step_terms", "method/test_released_figures"],
    "method/steps": ["method/test_steps", "method/test_settings_reach_the_step"],
    "method/schedules": ["method/test_schedules"],
    "method/augment": ["method/test_augment"],
    "method/gradients": ["method/test_gradients"],
    "method/state": ["method/test_state", "method/test_steps"],
    "clustering/cluster_settings": ["clustering/test_jaccard", "method/test_released_figures"],
    "clustering/both_modalities": [
        "clustering/test_both_modalities",
        "clustering/test_degenerate_clusters",
        "method/test_released_figures",
    ],
    "clustering/jaccard": ["clustering/test_jaccard", "clustering/test_both_modalities"],
    "clustering/jaccard_kernels": ["clustering/test_jaccard", "clustering/test_both_modalities"],
    "clustering/labels": ["clustering/test_labels"],
    "clustering/matching": ["clustering/test_matching"],
    "clustering/neighbour_lists": [
        "clustering/test_neighbour_search",
        "clustering/test_both_modalities",
    ],
    "clustering/neighbour_search": [
        "clustering/test_neighbour_search",
        "clustering/test_both_modalities",
    ],
    "clustering/epoch_neighbour_lists": [
        "clustering/test_neighbour_search",
        "clustering/test_both_modalities",
    ],
    "clustering/sparse_rows": ["clustering/test_jaccard", "clustering/test_both_modalities"],
    "clustering/sweep": ["clustering/test_sweep"],
    "clustering/truth": ["clustering/test_truth"],
    "settings/sections": ["settings/test_sections"],
    "settings/together": ["settings/test_sections"],
    "settings/limits": ["settings/test_sections", "settings/test_kept"],
    "settings/kept": ["settings/test_kept", "settings/test_sections", "test_strangers_files"],
    "settings/schedule": ["settings/test_schedule"],
    "saving/integrity": ["saving/test_damaged_checkpoints", "saving/test_strangers_checkpoints"],
    "saving/leaves": ["saving/test_leaves", "saving/test_checkpoints"],
    "training/stopwatch": ["training/test_stopwatch"],
    "training/feed": ["training/test_feed"],
    "reports/records": ["reports/test_records", "reports/test_guarded"],
}
CONFIG = """
[cosmic-ray]
module-path = "pclhd_jax/{target}.py"
timeout = {timeout}
excluded-modules = []
test-command = "{python} -m pytest -x -q -n 0 -p no:cacheprovider {tests}"
[cosmic-ray.distributor]
name = "local"
"""


@command
def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mutation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--each", type=int, default=12, help="mutants of a file (%(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="of the draw (%(default)s)")
    parser.add_argument("--only", nargs="+", help="file names, without folder and .py")
    parser.add_argument("--timeout", type=int, default=300, help="seconds a mutant (%(default)s)")
    parser.add_argument(
        "--out", type=file_flag, default=Path("runs/mutation"), help="(%(default)s)"
    )
    args = parser.parse_args()
    names = {target.rpartition("/")[2]: target for target in TARGETS}
    if unknown := set(args.only or ()) - names.keys():
        parser.error(f"--only {', '.join(sorted(unknown))}: there are {', '.join(names)}")
    targets = [names[name] for name in args.only or names]
    args.out.mkdir(parents=True, exist_ok=True)
    total: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        tracked = subprocess.run(
            ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        for name in tracked.stdout.splitlines():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tree / name)
        for target in targets:
            counts = mutate(tree, target, args)
            total += counts
            print(f"{target}: {dict(counts)}", flush=True)
    print(f"all: {dict(total)}")


def mutate(tree: Path, target: str, args: argparse.Namespace) -> Counter[str]:
    """Outcomes of a file's mutants; the survivors' diffs are printed and kept in `args.out`."""
    from cosmic_ray.work_db import WorkDB, use_db
    from cosmic_ray.work_item import WorkerOutcome, WorkResult

    files = [f"pclhd_jax/{target}.py", *(f"tests/{name}.py" for name in TARGETS[target])]
    tests = " ".join(files[1:])
    state = hashlib.sha256(b"".join((tree / file).read_bytes() for file in files)).hexdigest()[:8]
    stem = f"{target.replace('/', '-')}-{args.seed}-{args.each}-{state}"
    session = (args.out / f"{stem}.sqlite").resolve()
    config = session.with_suffix(".toml")
    config.write_text(
        CONFIG.format(target=target, tests=tests, timeout=args.timeout, python=sys.executable)
    )
    cosmic_ray = [sys.executable, "-m", "cosmic_ray.cli"]
    if not session.exists():  # an interrupted one goes on
        # Tests that fail on the file as it is would call every mutant killed.
        command = [
            sys.executable,
            *["-m", "pytest", "-x", "-q", "-n", "0", "-p", "no:cacheprovider"],
        ]
        subprocess.run([*command, *files[1:]], cwd=tree, check=True, stdout=subprocess.DEVNULL)
        subprocess.run([*cosmic_ray, "init", config, session], cwd=tree, check=True)
        with use_db(session, WorkDB.Mode.open) as db:
            jobs = sorted(item.job_id for item in places(db))
            drawn = set(drawn_jobs(db, args))
            for job in jobs:
                if job not in drawn:
                    db.set_result(job, WorkResult(WorkerOutcome.SKIPPED))
    subprocess.run([*cosmic_ray, "exec", config, session], cwd=tree, check=True)
    counts: Counter[str] = Counter()
    with use_db(session, WorkDB.Mode.open) as db:
        for _, result in db.results:
            if result.worker_outcome == WorkerOutcome.SKIPPED:
                continue
            outcome = result.test_outcome.value if result.test_outcome else "no test"
            counts[outcome] += 1
            if outcome == "survived":
                print(result.diff, flush=True)
    return counts


def places(db):
    return list(db.work_items)


def drawn_jobs(db, args: argparse.Namespace) -> list[str]:
    """Ids of `args.each` mutants; by place, since ids are random."""

    def place(item):
        return [(m.start_pos, m.operator_name, m.occurrence) for m in item.mutations]

    items = sorted(places(db), key=place)
    drawn = random.Random(args.seed).sample(items, min(args.each, len(items)))
    return [item.job_id for item in drawn]


if __name__ == "__main__":
    main()
