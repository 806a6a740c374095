import json

import numpy as np
import pytest

from pclhd_jax.reports.records import Records, read_records
from pclhd_jax.saving.workdir import start_workdir
from pclhd_jax.settings.differences import differences


def test_a_workdir_is_made_once_and_taken_again_by_the_same_settings(tmp_path):
    config = {"seed": 0, "loss": {"weights": (1.0, 0.0)}}
    start_workdir(tmp_path / "run", config, {})
    assert json.loads((tmp_path / "run" / "config.json").read_text())["seed"] == 0
    start_workdir(tmp_path / "run", config, {})  # tuples come back as lists: not a difference


def test_other_settings_are_refused_and_every_difference_is_named(tmp_path):
    start_workdir(tmp_path, {"seed": 0, "loss": {"tau": 0.05}, "old": 1}, {})
    (tmp_path / "checkpoints" / "1").mkdir(parents=True)
    with pytest.raises(ValueError, match="--workdir") as error:
        start_workdir(tmp_path, {"seed": 0, "loss": {"tau": 0.07}, "new": 2}, {})
    message = str(error.value)
    assert "config.loss.tau: there 0.05, here 0.07" in message
    assert "config.old: there 1, here '(absent)'" in message
    assert "config.new" in message and "config.seed" not in message


def test_a_workdir_without_a_checkpoint_takes_new_settings(tmp_path):
    start_workdir(tmp_path, {"seed": 0}, {})
    (tmp_path / "metrics.jsonl").write_text('{"epochs_done": 0}\n')
    (tmp_path / "features").mkdir()
    before = {name: np.zeros(1) for name in ("visible_ND", "infrared_ND", "epochs_done")}
    np.savez(tmp_path / "features" / "epoch-0001.npz", **before)
    (tmp_path / "checkpoints" / "1.orbax-checkpoint-tmp").mkdir(parents=True)  # of a killed save
    start_workdir(tmp_path, {"seed": 1}, {})
    assert json.loads((tmp_path / "config.json").read_text()) == {"seed": 1}
    assert read_records(tmp_path) == []
    assert not (tmp_path / "features").exists()


def test_what_no_run_wrote_stays_where_new_settings_are_taken(tmp_path):
    start_workdir(tmp_path, {"seed": 0}, {})
    (tmp_path / "features").mkdir()
    theirs = {"features/epoch-0001.npz": "mine", "features/a.txt": "mine", "notes.txt": "mine"}
    for name, text in theirs.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "metrics.jsonl").write_text('{"loss": 1.0}\n')
    start_workdir(tmp_path, {"seed": 1}, {})
    assert {name: (tmp_path / name).read_text() for name in theirs} == theirs
    assert (tmp_path / "metrics.jsonl.kept").read_text() == '{"loss": 1.0}\n'


def test_equal_settings_differ_nowhere():
    assert differences({"a": {"b": (1, 2)}}, {"a": {"b": [1, 2]}}) == []


def test_records_of_epochs_without_a_checkpoint_are_dropped_on_resume(tmp_path):
    records = Records(tmp_path, epochs_done=0)
    assert not records.has_rows
    for epochs_done in range(3):
        records.write({"epochs_done": epochs_done, "losses": {"loss": 1.0}})
    assert Records(tmp_path, epochs_done=1).has_rows
    assert [row["epochs_done"] for row in read_records(tmp_path)] == [0, 1]


def test_a_line_torn_by_a_kill_is_left_out(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"epochs_done": 0}\n{"epochs_done": 1, "los')
    assert read_records(tmp_path) == [{"epochs_done": 0}]


def test_seconds_go_beside_the_metrics_not_into_them(tmp_path):
    records = Records(tmp_path, epochs_done=0)
    records.write({"epochs_done": 1})
    records.write_saved(1, {"steps": 2.0}, {"saves": 1.0}, "said")
    assert json.loads((tmp_path / "metrics.jsonl").read_text()) == {"epochs_done": 1}
    timing = {"epochs_done": 1, "steps": 2.0, "waiting": {"saves": 1.0}}
    assert json.loads((tmp_path / "timing.jsonl").read_text()) == timing


def test_a_resumed_run_may_find_its_pictures_elsewhere_but_not_other_ones(tmp_path):
    lists = {"train_visible": "1", "train_infrared": "2"}
    there = {"bn_groups": 1, "seed": 0, "data": {"source": "a", "cache": "b"}, "keep_features": 1}
    start_workdir(tmp_path, there, lists)
    (tmp_path / "checkpoints" / "1").mkdir(parents=True)
    elsewhere = there | {"data": {"source": "c", "cache": "d"}, "keep_features": 0}
    start_workdir(tmp_path, elsewhere, lists)
    before = contents(tmp_path)
    others = {"train_visible": "1", "train_infrared": "3", "test_visible": "4"}
    with pytest.raises(ValueError, match=r"other lists of pictures \(test_visible, train_infrared"):
        start_workdir(tmp_path, elsewhere, others)
    assert contents(tmp_path) == before


def contents(folder):
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_other_pictures_before_the_first_checkpoint_void_the_records(tmp_path):
    start_workdir(tmp_path, {"seed": 0}, {"test_visible": "1"})
    (tmp_path / "metrics.jsonl").write_text('{"epochs_done": 0}\n')
    start_workdir(tmp_path, {"seed": 0}, {"test_visible": "2"})
    assert read_records(tmp_path) == []


def test_accepted_changes_are_noted_with_the_epoch_they_came_after(tmp_path):
    start_workdir(tmp_path, {"seed": 0}, {})
    (tmp_path / "checkpoints" / "3").mkdir(parents=True)
    now = {"seed": 1, "bn_groups": 1}
    start_workdir(tmp_path, now, {}, accept_changes=True, epochs_done=3)
    noted = json.loads((tmp_path / "changes.jsonl").read_text())
    assert noted == {"epochs_done": 3, "changes": ["config.seed: there 0, here 1"]}
    assert json.loads((tmp_path / "config.json").read_text()) == now


@pytest.mark.parametrize("name", ["config.json", "pictures.json"])
@pytest.mark.parametrize("content", ["", "\0\0\0", '{"seed"'])
def test_a_damaged_file_is_named_with_the_remedy(tmp_path, name, content):
    start_workdir(tmp_path, {"seed": 0}, {})
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=rf"{name} is damaged.*another --workdir"):
        start_workdir(tmp_path, {"seed": 0}, {})


def test_a_damaged_line_is_named(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"epochs_done": 0}\n\0\0\n')
    with pytest.raises(ValueError, match=r"metrics\.jsonl, line 2 is damaged"):
        read_records(tmp_path)


def test_a_lost_last_line_comes_back_from_the_checkpoint(tmp_path):
    rows = [{"epochs_done": n, "losses": {"loss": 1 / 3}} for n in range(3)]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "metrics.jsonl").write_text(lines.rsplit("\n", 2)[0] + "\n")
    assert len(read_records(tmp_path)) == 2
    Records(tmp_path, epochs_done=2, last_row=rows[2])
    assert (tmp_path / "metrics.jsonl").read_text() == lines


def test_a_record_that_cannot_be_written_ends_the_run(tmp_path):
    records = Records(tmp_path, epochs_done=0)
    (tmp_path / "metrics.jsonl").unlink()
    (tmp_path / "metrics.jsonl").mkdir()
    with pytest.raises(OSError, match=r"metrics\.jsonl"):
        records.write({"epochs_done": 1, "losses": {"loss": 0.5}})


def test_a_number_that_was_not_finite_is_read_as_it_was_written(tmp_path):
    row = {"epochs_done": 1, "losses": {"loss": float("nan")}, "clusters": {"joint": {"x": 1.0}}}
    row["gradients"] = {"norm": {"hard": float("inf")}, "cosine": {"cross": {"hard": -0.5}}}
    (tmp_path / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    assert json.dumps(read_records(tmp_path)) == json.dumps([row])
    row["gradients"]["cosine"]["cross"]["hard"] = "many"
    (tmp_path / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    with pytest.raises(ValueError, match=r"gradients\.cosine\.cross\.hard is 'many'"):
        read_records(tmp_path)
