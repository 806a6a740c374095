"""A run started again in its workdir: it goes on, ends the same, or says why it cannot."""

import json
import shutil

import pytest

from pclhd_jax.training import train
from pclhd_jax.using.encoder import load_encoder
from tests.helpers.finished_run import assert_same_end
from tests.helpers.tiny import tiny_config


def test_a_run_stopped_after_any_epoch_and_started_again_ends_bit_identical(
    finished, pictures, tmp_path, monkeypatch
):
    class Stopped(Exception):
        pass

    workdir = tmp_path / "stopped"
    real_run_epoch = train.run_epoch

    def stop_in_second_epoch_of_each_start(*args):
        if calls.pop():
            raise Stopped
        return real_run_epoch(*args)

    monkeypatch.setattr(train, "run_epoch", stop_in_second_epoch_of_each_start)
    for _ in range(2):
        calls = [True, False]
        with pytest.raises(Stopped):
            train.train_and_evaluate(tiny_config(pictures), workdir)
    monkeypatch.setattr(train, "run_epoch", real_run_epoch)
    train.train_and_evaluate(tiny_config(pictures), workdir)

    assert_same_end(workdir, finished[0])


def test_a_finished_run_started_again_returns_the_same_record(finished, pictures):
    workdir, last = finished
    before = (workdir / "metrics.jsonl").read_bytes()
    assert train.train_and_evaluate(tiny_config(pictures), workdir) == last
    assert (workdir / "metrics.jsonl").read_bytes() == before


def test_a_run_of_before_a_setting_is_gone_on_with_and_its_encoder_loads(
    finished, pictures, tmp_path
):
    """What came later stands at what the run did without it; another value is a difference."""
    workdir = tmp_path / "run"
    shutil.copytree(finished[0], workdir)
    config = json.loads((workdir / "config.json").read_text())
    del config["model"]["remat"], config["bn_groups"]
    (workdir / "config.json").write_text(json.dumps(config))
    assert train.train_and_evaluate(tiny_config(pictures), workdir) == finished[1]
    (workdir / "config.json").write_text(json.dumps(config))
    assert load_encoder(workdir).settings.bn_groups == 1
    changed = tiny_config(pictures)
    changed.bn_groups = 2
    with pytest.raises(ValueError, match=r"config\.bn_groups: there 1, here 2"):
        train.train_and_evaluate(changed, workdir)


def test_a_workdir_of_other_settings_is_refused_with_the_difference(finished, pictures):
    config = tiny_config(pictures)
    config.cluster.eps = 0.65
    with pytest.raises(ValueError, match=r"config\.cluster\.eps: there 0\.7, here 0\.65"):
        train.train_and_evaluate(config, finished[0])


def test_a_mistake_put_right_does_not_need_another_workdir(pictures, tmp_path):
    config = tiny_config(pictures)
    config.data.height = 0
    with pytest.raises(ValueError, match=r"config\.data\.height is 0; give at least 16"):
        train.train_and_evaluate(config, tmp_path / "run")
    config.data.height = 32
    config.optimizer.learning_rate = 1e30
    with pytest.raises(FloatingPointError):
        train.train_and_evaluate(config, tmp_path / "run")
    config.optimizer.learning_rate = 1e29  # no checkpoint yet: the new settings are taken
    with pytest.raises(FloatingPointError):
        train.train_and_evaluate(config, tmp_path / "run")


def test_a_run_whose_newest_checkpoint_is_damaged_goes_on_from_the_one_before(
    finished, pictures, tmp_path, capsys
):
    undisturbed, last = finished
    workdir = tmp_path / "damaged"
    shutil.copytree(undisturbed, workdir)
    files = [path for path in (workdir / "checkpoints/3/state").rglob("d/*") if path.is_file()]
    lost = max(files, key=lambda path: path.stat().st_size)
    lost.write_bytes(lost.read_bytes()[:-1])
    assert train.train_and_evaluate(tiny_config(pictures), workdir) == last
    out = capsys.readouterr().out
    assert f"warning: checkpoint 3 in {workdir / 'checkpoints'} is damaged: " in out
    assert f"{lost.name} has " in out and f"resuming {workdir} after epoch 2 of 3" in out
    assert_same_end(workdir, undisturbed)
    assert (workdir / "damaged" / "checkpoints-3" / "state").is_dir()


def test_a_run_whose_checkpoints_are_all_damaged_stops_and_keeps_its_records(
    finished, pictures, tmp_path
):
    workdir = tmp_path / "damaged"
    shutil.copytree(finished[0], workdir)
    for path in workdir.glob("checkpoints/*/progress/metadata"):
        path.write_text("")

    def contents():
        paths = (path for path in workdir.rglob("*") if path.is_file())
        return {path: path.read_bytes() for path in paths if path.name != "run.lock"}

    before = contents()
    with pytest.raises(ValueError, match=r"checkpoint 3 .*\n.*2 .*\n.*1 .*\nrestore the folder"):
        train.train_and_evaluate(tiny_config(pictures), workdir)
    assert contents() == before
