"""The ladder at toy size: real runs, a shared stage 1, a table, and nothing done twice."""

import pytest

from benchmarks import ablation, ablation_jobs, ablation_runs
from benchmarks.studies import STAGE2_ONLY, STUDIES
from pclhd_jax.reports.records import read_records
from pclhd_jax.saving.mark import mark_run
from pclhd_jax.training import train
from tests.helpers.finished_run import assert_same_end
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
        mark_run(workdir)
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
    first, *steps = STUDIES["ladder"].variants
    assert names[1:] == ["untrained encoder", first, "; ".join(steps)]
    assert "X" not in "".join(table)
    assert ladder(*arguments) == []  # all is there


def test_a_stage_one_is_the_same_to_the_bit_whatever_stage_two_alone_reads(pictures, tmp_path):
    others = {
        "loss.bank_order": "in_turn",
        "loss.cross_weight": 0.5,
        "loss.hybrid_margin": 0.1,
        "loss.hybrid_hard": 0.25,
        "loss.joint": False,
        "loss.dynamic_query": "momentum",
        "loss.dynamic_choice": "random",
        "loss.stage2_weights": (0.5, 2.0, 3.0),
        "loss.balance": 0.25,
        "loss.ramp_shape": "cosine",
        "loss.ramp_epochs": 5,
        "cluster.joint_keeps": "mixed",
        "cluster.joint_k1": 5,
        "cluster.joint_k2": 2,
        "sampler.joint_clusters": "independent",
        "prototypes.num_dynamic": 5,
        "encoder_decay": 0.5,
    }
    assert set(others) == set(STAGE2_ONLY)
    plain, changed = (tiniest_config(pictures) for _ in range(2))
    plain.stage2.epochs = changed.stage2.epochs = 0
    for name, value in others.items():
        section, _, key = name.rpartition(".")
        assert (plain[section] if section else plain)[key] != value, name
    changed.update_from_flattened_dict(others)
    for config, name in ((plain, "plain"), (changed, "changed")):
        train.train_and_evaluate(config, tmp_path / name)
    assert_same_end(tmp_path / "plain", tmp_path / "changed", epochs=plain.stage1.epochs)
