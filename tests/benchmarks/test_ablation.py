"""The ablation's runs: which are shared, which count as finished, and what the table says."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from benchmarks import ablation, ablation_runs
from benchmarks.ablation_jobs import Variant, changed_settings, job_of
from benchmarks.ablation_plots import curve, quantities_of
from benchmarks.ablation_table import (
    format_tables,
    gap_cell,
    gather,
    interval,
    is_finished,
    raw_records,
)
from benchmarks.studies import STUDIES

CONFIG = "configs/synthetic.py"
GOLDEN = Path(__file__).parents[1] / "data/ablation"


def jobs_of(out, seeds=(0,), recipe="released"):
    variants = [Variant(*item) for item in STUDIES[recipe].variants.items()]
    return [job_of(CONFIG, recipe, v, seed, out) for v in variants for seed in seeds]


STAGE1_EPOCHS = 8


def record(folder, epochs, rank1, mean_ap=0.5, ari=0.25):
    """A folder as a finished run leaves it; no two numbers of it are the same."""
    folder.mkdir(parents=True, exist_ok=True)

    def scores(by):
        return {
            "sysu all-search": {
                "cmc": 20 * [rank1 / by],
                "mean_ap": mean_ap / by,
                "mean_inp": rank1 / 4 / by,
            },
            "sysu indoor-search": {
                "cmc": 20 * [(1 - rank1) / by],
                "mean_ap": (1 - mean_ap) / by,
                "mean_inp": 0.25,
            },
        }

    parts = {"visible": 0.8, "infrared": 0.4} | ({"joint": 0.6} if ari else {})
    clusters = {
        part: {"adjusted_rand_index": ari * p, "purity": p * rank1} for part, p in parts.items()
    }
    clusters["visible"]["right_matches"] = rank1 / 2
    clusters["infrared"]["right_matches"] = rank1
    rows = [{"epochs_done": 0, "evaluation": scores(by=10)}]
    if epochs > STAGE1_EPOCHS:
        rows += [{"epochs_done": STAGE1_EPOCHS, "evaluation": scores(by=2)}]
    rows += [{"epochs_done": epochs, "clusters": clusters, "evaluation": scores(by=1)}]
    seconds = [
        {"epochs_done": 1, "steps": 30.0, "labels": 15.0, "waiting": {"clustering": 9.0}},
        {"epochs_done": 2, "steps": 120 * rank1},
    ]
    for name, lines in (("metrics", rows), ("timing", seconds)):
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (folder / f"{name}.jsonl").write_text(text)
    (folder / "pictures.json").write_text(json.dumps({"train_visible": "0123456789abcdef"}))
    (folder / "config.json").write_text(json.dumps({"data": {"synthetic": {"seed": 1}}}))
    (folder / "commit.txt").write_text("abc1234, 1 cores\n")
    (folder / f"checkpoints/{epochs}").mkdir(parents=True)


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


@pytest.fixture
def stored(tmp_path):
    """Four variants, two seeds; the last variant's second run is missing."""
    jobs = jobs_of(tmp_path, seeds=(0, 1))[:8]
    for job, rank1 in zip(jobs[:7], (0.5, 0.75, 0.625, 0.625, 0.25, 0.5, 0.5), strict=True):
        ari = None if "(b)" in job.variant else 0.25
        record(job.workdir, job.epochs, rank1, rank1 / 2, ari or 0.0)
    return jobs


@pytest.mark.parametrize("is_ladder", [False, True])
def test_the_tables_are_those_that_were_checked_by_hand(stored, is_ladder):
    text = format_tables(gather(stored), (0, 1), command="COMMAND", is_ladder=is_ladder)
    golden = GOLDEN / ("ladder.md" if is_ladder else "table.md")
    assert text == golden.read_text().rstrip("\n")


def test_the_raw_records_are_those_that_were_checked_by_hand(stored):
    assert raw_records(gather(stored)) == (GOLDEN / "records.csv").read_text()


def test_a_difference_is_paired_by_seed_and_stands_with_its_interval():
    # By hand: seeds gain 12.5 and lose 12.5; the mean of two draws lies between the two.
    assert gap_cell(np.array([12.5, -12.5])) == "+0.0 [-12.5, +12.5] (+12.5, -12.5)"
    assert gap_cell(np.array([2.0, 2.0])) == "+2.0 [+2.0, +2.0] (+2.0, +2.0)"
    assert gap_cell(np.array([2.0])) == "+2.0"
    # Four draws of 1, 2, 4, 8 have the mean 1 in one case of 256: less than 2.5 %.
    assert interval(np.array([1.0, 2.0, 4.0]))[0] == 1.0 < interval(np.array([1.0, 2, 4, 8]))[0]
    low, high = interval(np.arange(100.0))  # 1.96 standard errors of 100 numbers, 28.9 each
    assert (low, high) == pytest.approx((49.5 - 5.66, 49.5 + 5.66), abs=0.3)


def test_a_study_draws_its_plot_and_leaves_its_report(stored, tmp_path):
    ablation.report(tmp_path / "docs", "released", stored, gather(stored), (0, 1), "COMMAND")
    files = sorted(path.name for path in (tmp_path / "docs").iterdir())
    assert files == ["released-epochs.png", "released.csv", "released.md", "released.png"]
    text = (tmp_path / "docs/released.md").read_text()
    for name in ("released.png", "released-epochs.png"):
        assert f"]({name})" in text
        assert (tmp_path / "docs" / name).read_bytes()[:4] == b"\x89PNG"


def test_a_curve_is_the_mean_over_the_runs_that_have_the_epoch():
    runs = [[{"a": {"b": 1.0}}, {"a": {"b": 2.0}}, {}], [{"a": {"b": 3.0}}, {"a": {}}, {}]]
    np.testing.assert_array_equal(curve(runs, ("a", "b")), [2.0, 2.0, np.nan])


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_changes_settings_that_there_are_and_no_two_runs_are_one(name, tmp_path):
    study = STUDIES[name]
    folders = set()
    for variant, overrides in study.variants.items():
        changed_settings(CONFIG, study.recipe, overrides)  # refuses what cannot be
        folders.add(job_of(CONFIG, study.recipe, Variant(variant, overrides), 0, tmp_path).workdir)
    # A sweep's first line is its recipe, whose value is among the others or is not.
    assert len(study.variants) - len(folders) in ((0, 1) if study.setting else (0,))


@pytest.mark.parametrize("config", [CONFIG, "configs/sysu.py", "configs/regdb.py"])
@pytest.mark.parametrize("name", ["walk", "ladder"])
def test_the_walk_and_the_ladder_end_at_the_recipe_paper_of_every_experiment(name, config):
    *_, last = STUDIES[name].variants.values()
    end = changed_settings(config, STUDIES[name].recipe, last).to_dict()
    paper = changed_settings(config, "paper", {}).to_dict()
    assert end | {"recipe": "paper"} == paper


def test_epochs_that_are_set_are_those_that_count(tmp_path):
    job = job_of(
        CONFIG, "paper", Variant("x", {"stage1.epochs": 2, "stage2.epochs": 3}), 0, tmp_path
    )
    assert (job.stage1_epochs, job.epochs) == (2, 5)
    assert "--config.evaluation.every_epochs=2" in job.flags


def test_a_run_tells_every_commit_and_number_of_cores_that_made_it(tmp_path, monkeypatch):
    commits = iter(["one", "one", "two"])
    monkeypatch.setattr(ablation_runs, "commit", lambda: next(commits))
    for _ in range(3):
        ablation_runs.note_commit(tmp_path / "commit.txt")
    cores = len(os.sched_getaffinity(0))
    assert (tmp_path / "commit.txt").read_text() == f"one, {cores} cores\ntwo, {cores} cores\n"


def test_settings_of_all_runs_are_read_as_python_writes_them():
    assert ablation.parsed("data.synthetic.seed=1") == ("data.synthetic.seed", 1)
    assert ablation.parsed("loss.stage1_weights=(1.0, 0, 0)")[1] == (1.0, 0, 0)
    assert ablation.parsed("data.source=data/other") == ("data.source", "data/other")


def test_a_line_of_a_ladder_that_skips_steps_says_them_all():
    walk = list(STUDIES["walk"].variants)
    names = [v.name for v in ablation.variants_of(STUDIES["walk"], {}, [1, 3])]
    assert names == [walk[0], walk[1], f"{walk[2]}; {walk[3]}"]
    assert [v.name for v in ablation.variants_of(STUDIES["walk"], {}, None)] == walk
    released = list(STUDIES["released"].variants)
    names = [v.name for v in ablation.variants_of(STUDIES["released"], {}, [3])]
    assert names == [released[0], released[3]]


def test_two_variants_of_the_same_settings_are_one_run(tmp_path, monkeypatch):
    ran = []

    def run_command(module, flags, workdir):
        ran.append(workdir)
        record(workdir, job.stage1_epochs if "stage1" in workdir.name else job.epochs, 1)

    monkeypatch.setattr(ablation_runs, "run_command", run_command)
    same = {"loss.cross_weight": 0.25}
    job, other = (job_of(CONFIG, "paper", Variant("x", o), 0, tmp_path) for o in ({}, same))
    assert job.workdir == other.workdir
    assert ablation_runs.run_all([job, other], 1) == [] and ran == [job.shared, job.workdir]


def test_a_stage_one_that_is_recorded_and_not_saved_goes_on_first(tmp_path):
    job = jobs_of(tmp_path)[0]
    record(job.shared, job.stage1_epochs, 1)
    assert ablation_runs.can_be_shared(job)
    shutil.rmtree(job.shared / f"checkpoints/{job.stage1_epochs}")
    assert not ablation_runs.can_be_shared(job)


def test_runs_of_other_numbers_of_cores_are_told_apart(stored):
    outcomes = gather(stored)
    assert "cores of a run: 1. Pictures" in format_tables(
        outcomes, (0,), command="", is_ladder=False
    )
    (stored[0].workdir / "commit.txt").write_text("abc1234, 1 cores\ndef5678, 2 cores\n")
    text = format_tables(gather(stored), (0,), command="", is_ladder=False)
    assert "Commits: abc1234, def5678. CPU cores of a run: 1 or 2. So differences" in text


def test_a_run_that_fails_is_told_and_the_others_go_on(tmp_path, monkeypatch, capsys):
    jobs = jobs_of(tmp_path, seeds=(0, 1))[:2]

    def run_command(module, flags, workdir):
        if "seed0-stage1" in workdir.name:
            raise RuntimeError("exit code 1")
        record(workdir, jobs[0].stage1_epochs if "stage1" in workdir.name else jobs[0].epochs, 1)

    monkeypatch.setattr(ablation_runs, "run_command", run_command)
    assert ablation_runs.run_all(jobs, 1) == ["stage 1, released, seed 0: exit code 1"]
    assert is_finished(jobs[1].workdir, jobs[1].epochs) and not jobs[0].workdir.exists()
    assert "[1/1] run, released, seed 1: done" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments",
    [
        ["--jobs", "0"],
        ["--jobs", "999"],
        ["--only", "6"],
        ["--set", "seed"],
        ["--set", "seed=3"],
        ["--set", "loss=3"],
        ["--set", "data.cameras=1"],
    ],
)
def test_arguments_out_of_range_end_in_a_line(arguments, capsys):
    with pytest.raises(SystemExit):
        ablation.main([*arguments, "--table"])
    assert "; " in capsys.readouterr().err.splitlines()[-1]


def test_the_gradient_of_every_term_in_the_records_is_drawn():
    rows = [{}, {"gradients": {"norm": {"newer": 1.0}}}, {"gradients": {"norm": {"hard": 2.0}}}]
    drawn = quantities_of(rows)
    assert drawn["gradient norm, newer"] == ("gradients", "norm", "newer")
    assert drawn["cosine of hard and newer"] == ("gradients", "cosine", "hard", "newer")
    assert "ARI, visible" in drawn and "gradient norm, joint" not in drawn
