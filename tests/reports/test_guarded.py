"""A writer that is lost, late or new: training goes on, and nothing is written wrongly."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from pclhd_jax.reports.record_writers import Kind
from pclhd_jax.reports.records import Records, Shown

PAGE = Path(__file__).parents[2] / "docs/writers.md"
PICTURE = np.zeros((4, 4, 3), np.uint8)


class Service:
    """What a service keeps of its runs, and a writer to it; `away`: it does not answer."""

    def __init__(self):
        self.runs, self.away, self.pictures = {}, False, []

    def open(self, start):
        if self.away:
            raise ConnectionError("no answer")
        return ToService(self, start)


class ToService:
    def __init__(self, service, start):
        self.service = service
        self.run = start.run_to_continue() or f"run-{len(service.runs)}"
        self.has = start.has if self.run == start.run else -1
        self.told = service.runs.setdefault(self.run, [])

    def write(self, epoch):
        if self.service.away:
            raise ConnectionError("no answer")
        self.told.append((epoch.epochs_done, epoch.scalars["losses/loss"]))
        self.service.pictures += epoch.pictures

    def close(self, finished):
        self.told.append("finished" if finished else "stopped")


@pytest.fixture
def service():
    return Service()


def train(workdir, service, *, after, until, loss=1.0, lost_in=None, kill=False):
    """Epochs `after` + 1 to `until`, as a run writes them."""
    records = Records(workdir, {"service": Kind(service.open)}, epochs_done=after)
    if not records.has_rows:
        records.write({"epochs_done": 0, "losses": {"loss": loss}})
    for n in range(after + 1, until + 1):
        service.away = n == lost_in or service.away
        records.write({"epochs_done": n, "losses": {"loss": loss * n}})
        records.write_saved(n, {"steps": 1.0}, {"saves": 0.0}, "said")
    if not kill:
        with records:
            pass


def test_every_epoch_reaches_the_writer_once_and_a_resume_goes_on_in_the_same_run(
    tmp_path, service
):
    train(tmp_path, service, after=0, until=2, kill=True)
    train(tmp_path, service, after=2, until=3)
    assert service.runs == {"run-0": [(0, 1.0), (1, 1.0), (2, 2.0), (3, 3.0), "finished"]}


def test_a_writer_that_fails_is_told_once_and_gets_the_rest_at_the_next_start(
    tmp_path, service, capsys
):
    train(tmp_path, service, after=0, until=4, lost_in=2)
    said = capsys.readouterr().out
    assert said.count("WARNING") == 1 and "without service" in said and "no answer" in said
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 5
    assert len((tmp_path / "timing.jsonl").read_text().splitlines()) == 4
    train(tmp_path, service, after=4, until=5)  # away still: at the start
    assert "no answer" in capsys.readouterr().out
    service.away = False
    train(tmp_path, service, after=5, until=6)
    (told,) = service.runs.values()
    assert told == [(n, float(n or 1)) for n in range(7)] + ["finished"]


def test_a_writer_cannot_end_the_run(tmp_path, capsys):
    def leave(start):
        raise SystemExit("no licence")

    with Records(tmp_path, {"service": Kind(leave)}, epochs_done=0):
        pass
    assert "without service" in capsys.readouterr().out


def test_epochs_that_come_again_with_other_numbers_begin_a_new_run_with_all_of_them(
    tmp_path, service
):
    train(tmp_path, service, after=0, until=3, kill=True)
    train(tmp_path, service, after=1, until=2, loss=10.0)  # the checkpoints 2 and 3 were lost
    assert service.runs["run-1"] == [(0, 1.0), (1, 1.0), (2, 20.0), "finished"]


def test_a_record_that_begins_again_begins_a_new_run(tmp_path, service):
    train(tmp_path, service, after=0, until=0, kill=True)
    (tmp_path / "metrics.jsonl").unlink()  # as for settings that changed before a checkpoint
    train(tmp_path, service, after=0, until=1, loss=2.0)
    assert service.runs == {"run-0": [(0, 1.0)], "run-1": [(0, 2.0), (1, 2.0), "finished"]}


def test_an_epoch_that_was_not_saved_is_not_written(tmp_path, service):
    with Records(tmp_path, {"service": Kind(service.open)}, epochs_done=0) as records:
        records.write({"epochs_done": 1, "losses": {"loss": 1.0}})
    assert service.runs == {"run-0": ["finished"]}


def test_a_run_that_ends_in_an_error_is_closed_as_stopped(tmp_path, service):
    with (
        pytest.raises(FloatingPointError),
        Records(tmp_path, {"service": Kind(service.open)}, epochs_done=0),
    ):
        raise FloatingPointError
    assert service.runs == {"run-0": ["stopped"]}


@pytest.mark.parametrize(
    ("is_local", "send_pictures", "sees"),
    [(False, False, []), (False, True, ["rank_lists/q"]), (True, False, ["rank_lists/q"])],
)
def test_people_are_shown_to_services_by_their_own_setting_alone(
    tmp_path, service, is_local, send_pictures, sees
):
    kinds = {"service": Kind(service.open, is_local)}
    with Records(tmp_path, kinds, epochs_done=0, send_pictures=send_pictures) as records:
        shown = Shown({"visible": np.array([], int)}, {"q": PICTURE})
        records.write({"epochs_done": 0, "losses": {"loss": 1.0}}, lambda: shown)
    assert service.pictures == sees


def test_a_damaged_note_is_told_and_costs_the_writer_alone(tmp_path, service, capsys):
    train(tmp_path, service, after=0, until=1)
    (tmp_path / "writers.json").write_text(json.dumps({"service": {"run": "../x", "has": 1}}))
    train(tmp_path, service, after=1, until=2)
    assert "writers.json is damaged" in capsys.readouterr().out
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 3


def test_the_writer_of_the_page_has_the_whole_record_after_a_resume(tmp_path):
    first_block = re.search(r"^```python\n(.*?)^```", PAGE.read_text(), re.M | re.S)[1]
    given = {}
    exec(compile(first_block, PAGE, "exec"), given)
    for after, until in ((0, 2), (1, 3)):  # the second epoch was not saved
        kinds = {"scores": Kind(given["ScoreTable"])}
        with Records(tmp_path, kinds, epochs_done=after) as records:
            for n in range(after + 1, until + 1):
                score = {"mean_ap": n / 10, "mean_inp": 0.1, "cmc": [n / 4] * 20}
                records.write({"epochs_done": n, "evaluation": {"sysu": score}})
                records.write_saved(n, {"steps": 1.0}, {"saves": 0.0}, "said")
    table = [line.split(",") for line in (tmp_path / "scores.csv").read_text().splitlines()]
    scores = [row for n in range(1, 4) for row in ((n, "rank1", n / 4), (n, "mean_ap", n / 10))]
    found = [(int(n), name.removeprefix("evaluation/sysu/"), float(x)) for n, name, x in table]
    assert sorted(found) == sorted(scores)
