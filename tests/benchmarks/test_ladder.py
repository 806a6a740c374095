"""The ladder at toy size: real runs, a shared stage 1, a table, and nothing done twice."""

import pytest

from benchmarks import ablation, ablation_jobs, ablation_runs
from pclhd_jax import train
from pclhd_jax.reports.records import read_records
from tests.helpers.tiny import tiniest_config


@pytest.fixture
def ladder(pictures, tmp_path, monkeypatch):
    """Runs rungs in this process, each as its command would; keeps the workdirs of runs made."""
    made = []

    def toy():
        config = tiniest_config(pictures)
        config.stage1.batches_per_epoch = 2
        return config

    def run_command(module, flags, workdir):
        config = toy()
        changed = dict(
            ablation.parsed(flag.removeprefix("--config."))
            for flag in flags
            if flag.startswith("--config.")
        )
        config.update_from_flattened_dict(changed)
        workdir.mkdir(parents=True, exist_ok=True)
        (workdir / "commit.txt").write_text("none\n")
        train.train_and_evaluate(config, workdir, accept_changes="--accept_changes" in flags)
        made.append(workdir)

    monkeypatch.setattr(ablation_runs, "run_command", run_command)
    monkeypatch.setattr(ablation_jobs, "plain_config", lambda experiment: toy())

    def run(*arguments):
        made.clear()
        ablation.main(["--study", "ladder", "--out", str(tmp_path / "runs"), *arguments])
        return list(made)

    return run


def test_rungs_share_a_stage_one_and_are_run_once(ladder, capsys, tmp_path):
    arguments = ("--seeds", "0", "--only", "6")
    made = ladder(*arguments, "--report", str(tmp_path / "docs"))
    assert len(made) == 3  # a stage 1, and the rungs 0 and 6
    rows = [read_records(workdir) for workdir in made]
    assert [row[-1]["epochs_done"] for row in rows] == [1, 2, 2]
    assert all(row[1]["losses"] == rows[0][1]["losses"] for row in rows)
    bare, whole = (set(row[-1]["losses"]) for row in rows[1:])
    assert not {"loss_cross", "loss_joint_visible"} & bare
    assert {"loss_cross", "loss_joint_visible", "loss_dynamic_visible"} <= whole
    table = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| ")]
    names = [line.split(" | ")[0].removeprefix("| ") for line in table[:4]]
    assert names[1:] == [
        "untrained encoder",
        "centroid prototypes only",
        "+ joint term: `paper`",
    ]
    assert "X" not in "".join(table)
    assert ladder(*arguments) == []  # all is there
