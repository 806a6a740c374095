"""The ablation's runs: which are shared, which count as finished, and what the table says."""

import json
import shutil

import pytest

from benchmarks import ablation
from benchmarks.ablation import Variant, job_of
from benchmarks.ablation_table import format_table, is_finished
from benchmarks.studies import STUDIES

CONFIG = "configs/synthetic.py"


def jobs_of(out, seeds=(0,), recipe="released"):
    variants = [Variant(*item) for item in STUDIES[recipe].variants.items()]
    return [job_of(CONFIG, recipe, v, seed, out) for v in variants for seed in seeds]


def record(folder, epochs, rank1, mean_ap):
    folder.mkdir(parents=True, exist_ok=True)
    scores = {"all": {"cmc": [rank1], "mean_ap": mean_ap}}
    row = {"epochs_done": epochs, "evaluation": scores}
    (folder / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    (folder / "commit.txt").write_text("abc1234\n")


def test_stage_one_is_shared_where_a_setting_does_not_touch_it(tmp_path):
    jobs = jobs_of(tmp_path)
    by_letter = {name: job for job in jobs for name in "abcde" if f"({name})" in job.variant}
    whole = jobs[0]
    assert len({job.workdir for job in jobs}) == len(jobs) == 6
    for letter in "abc":
        assert by_letter[letter].shared == whole.shared
    assert len({whole.shared, by_letter["d"].shared, by_letter["e"].shared}) == 3
    assert jobs_of(tmp_path) == jobs  # a name that a later command finds again
    assert not any("stage2.epochs" in flag for flag in whole.flags)
    assert "--config.stage2.epochs=0" in whole.stage1_flags


def test_a_copy_of_a_finished_stage_one_is_not_a_finished_run(tmp_path):
    job = jobs_of(tmp_path)[0]
    assert not is_finished(job.shared, job.stage1_epochs)
    record(job.shared, job.stage1_epochs, 0.2, 0.3)
    shutil.copytree(job.shared, job.workdir)
    assert is_finished(job.shared, job.stage1_epochs) and not is_finished(job.workdir, job.epochs)


def test_the_table_pairs_seeds_and_shows_what_is_missing(tmp_path):
    jobs = jobs_of(tmp_path, seeds=(0, 1))
    for job, rank1 in zip(jobs[:3], (0.5, 0.7, 0.6), strict=True):  # (a)'s seed 1 is missing
        record(job.workdir, job.epochs, rank1, rank1 / 2)
    names = list(STUDIES["released"].variants)
    lines = format_table(jobs, (0, 1), names).splitlines()
    assert lines[0] == "Seeds 0, 1; mean over seeds, in %, last epoch; commit abc1234."
    assert lines[4] == "| released | 60.0 / 30.0 | 50.0 / 25.0, 70.0 / 35.0 |"
    assert lines[5] == f"| {names[1]} | X | X |"
    record(jobs[3].workdir, jobs[3].epochs, 0.65, 0.4)
    line = format_table(jobs, (0, 1), names).splitlines()[5]
    assert line == f"| {names[1]} | 62.5 / 35.0 | +10.0 / +5.0, -5.0 / +5.0 |"


def test_a_run_that_fails_is_told_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    jobs = jobs_of(tmp_path, seeds=(0, 1))[:2]

    def run_command(flags, workdir):
        if "seed0-stage1" in workdir.name:
            raise RuntimeError("exit code 1")
        record(workdir, jobs[0].stage1_epochs if "stage1" in workdir.name else jobs[0].epochs, 1, 1)

    monkeypatch.setattr(ablation, "run_command", run_command)
    assert ablation.run_all(jobs, 1) == ["stage 1, released, seed 0: exit code 1"]
    assert is_finished(jobs[1].workdir, jobs[1].epochs) and not jobs[0].workdir.exists()
    assert "[1/1] run, released, seed 1: done" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--jobs", "0"], ["--jobs", "999"], ["--only", "6"]])
def test_arguments_out_of_range_end_in_a_line(arguments, capsys):
    with pytest.raises(SystemExit):
        ablation.main([*arguments, "--table"])
    assert "; " in capsys.readouterr().err.splitlines()[-1]
