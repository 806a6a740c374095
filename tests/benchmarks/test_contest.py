"""The timed commands at toy size: that they run, and what they make of their numbers."""

import json

import pytest

from benchmarks import epoch, features, loader, saves, train_step
from benchmarks.contest import Contender, Outcome, Product, cells, contest, ratios

# The programs of tests.helpers.tiny: compiled once, for those tests and for these.
STAGE = {"batches_per_epoch": 2, "clusters_per_batch": 4, "visible_shots": 2, "infrared_shots": 2}
TOY = {
    "model.width": 0.125,
    "data.height": 32,
    "data.width": 16,
    "data.synthetic.train_ids": 9,
    "prototypes.num_dynamic": 3,
    "augment_pad": 2,
    "feature_batch_size": 32,
    "cluster.k1": 6,
    "cluster.k2": 2,
    "cluster.joint_k1": 8,
    "cluster.joint_k2": 3,
    "cluster.eps": 0.7,
    "cluster.min_samples": 2,
    **{f"stage{stage}.{name}": value for stage in (1, 2) for name, value in STAGE.items()},
}
SETTINGS = ["--set", *(f"{name}={value}" for name, value in TOY.items())]
PICTURES = ["--visible", "120", "--infrared", "80", "--people", "10"]
BLOCKS = ["--batches", "1", "--repeats", "1", "--product", "64"]


@pytest.fixture(autouse=True)
def quiet_environment(monkeypatch):
    """Stays as it is: these tests run beside others."""
    monkeypatch.setattr("benchmarks.contest_command.share_the_card", lambda: None)
    for module in (epoch, loader, saves):
        monkeypatch.setattr(module, "share_the_card", lambda: None)


def test_numbers_of_a_row_and_of_pairs():
    ours = Outcome("step", "JAX", 100, 4e9, [0.5, 0.25, 0.25], 3.0, 2**30)
    theirs = Outcome("step", "PyTorch", 100, 4e9, [0.5, 0.5, 0.375], 1.0, None)
    product = Product(64, "float32", 32e9)
    assert cells(ours, product) == [
        *("step", "JAX", "250.0", "250.0 .. 500.0", "400", "16", "50%", "1.00", "3.0")
    ]
    assert cells(theirs._replace(flops=None), product)[4:8] == ["200", "-", "-", "-"]
    assert ratios([ours, theirs]) == [
        "step: PyTorch takes 1.50 x JAX's time (1.00 .. 2.00, 3 pairs)"
    ]
    assert ratios([ours]) == []


def test_contenders_take_turns_after_warming_up():
    calls = []
    pair = [Contender(by, lambda n, by=by: calls.append((by, n)), 0.0, lambda: None) for by in "AB"]
    outcomes = contest("step", pair, calls=5, repeats=2, pictures=1, flops=None)
    assert calls == [("A", 2), ("B", 2), *[("A", 5), ("B", 5)] * 2]
    assert [len(outcome.seconds) for outcome in outcomes] == [2, 2]


def test_steps_of_both_stages_beside_the_peer(tmp_path, capsys, monkeypatch):
    pytest.importorskip("torch")
    # To count is to trace once more, seconds a step; the features below are counted.
    monkeypatch.setattr(train_step, "flops_of", lambda program: 1e9)
    left = tmp_path / "raw.json"
    train_step.main([*SETTINGS, *BLOCKS, "--peer", "torch", "--json", str(left)])
    out = capsys.readouterr().out
    rows = json.loads(left.read_text())["outcomes"]
    assert [(row["program"], row["by"]) for row in rows] == [
        (f"stage {stage} step", by) for stage in (1, 2) for by in ("JAX", "PyTorch")
    ]
    # 4 clusters of 2 + 2 pictures; stage 2 takes two batches.
    assert [row["pictures"] for row in rows] == [16, 16, 32, 32]
    assert out.count("x JAX's time") == 2


def test_features_of_both_modalities(capsys):
    features.main([*SETTINGS, *BLOCKS])
    rows = [line for line in capsys.readouterr().out.splitlines() if "features | JAX" in line]
    assert len(rows) == 2 and not any("| - |" in row for row in rows)  # all counted


def test_a_loader_that_is_faster_than_the_steps_makes_none_wait_for_long(tmp_path):
    left = tmp_path / "raw.json"
    times = ["--batches", "20", "--step_ms", "5"]
    loader.main([*SETTINGS, *PICTURES, *times, "--mapped", str(tmp_path), "--json", str(left)])
    rows = json.loads(left.read_text())["rows"]
    assert [row["stage"] for row in rows] == [1, 2]
    assert all(0 <= row["waiting"] < 1 and row["pictures_per_s"] > 0 for row in rows)
    assert list(tmp_path.iterdir()) == [left]


def test_epochs_of_both_stages_find_clusters(tmp_path, capsys):
    left = tmp_path / "raw.json"
    epoch.main([*SETTINGS, *PICTURES, "--json", str(left)])
    times = json.loads(left.read_text())["epochs"]
    assert [(time["stage"], time["epoch"]) for time in times] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    assert all(time["clusters"]["visible"] > 1 for time in times)
    assert "| 2, 1 (compiles) |" in capsys.readouterr().out


def test_saves_of_both_kinds_are_timed_and_removed(tmp_path):
    left, out = tmp_path / "raw.json", tmp_path / "saves"
    saves.main([*SETTINGS, "--repeats", "2", "--out", str(out), "--json", str(left)])
    of_epoch, within = json.loads(left.read_text())["rows"]
    assert 0 < of_epoch["size"] < within["size"]
    assert all(0 < row["waits_s"] < row["complete_s"] for row in (of_epoch, within))
    assert list(tmp_path.iterdir()) == [left]
    (tmp_path / "saves").mkdir()
    with pytest.raises(SystemExit, match="saves is there"):
        saves.main(["--out", str(out)])


def test_a_term_that_the_peer_has_not_is_refused(capsys):
    pytest.importorskip("torch")
    with pytest.raises(SystemExit, match=r"config\.loss\.bank_order is 'in_turn'; the peer has"):
        train_step.main([*SETTINGS, "loss.bank_order=in_turn", *BLOCKS, "--peer", "torch"])
