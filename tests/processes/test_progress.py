"""Progress: a bar where somebody looks on, a line now and then in a log, else nothing."""

import os
import pty
import re
import subprocess
import sys
import termios

import pytest

from data_prep import prepare
from data_prep.synthetic import generate
from pclhd_jax.processes import progress
from pclhd_jax.processes.progress import Progress, say
from tests.helpers.small_sets import TINY

PROGRAM = """
import time
from pclhd_jax.processes.progress import Progress, say
progress = Progress("stage 1", after_s=0.05)
for step in range(1, 13):
    time.sleep(0.05)
    progress(32 * step, 640, f", loss {step}")
    if step == 6:
        say("a line in between")
progress.close()
say("the end")
"""


class Clock:
    now = 100.0

    def monotonic(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(progress, "time", clock)
    return clock


def test_a_log_gets_a_line_every_five_seconds_with_rate_and_time_left(clock, capsys):
    report = Progress("decoding", "pictures")
    for second in range(1, 13):
        clock.now += 1
        report(30 * second, 600, ", checking")
    assert capsys.readouterr().out.splitlines() == [
        "decoding: 150/600 pictures, 30 pictures/s, 0:15 left, checking",
        "decoding: 300/600 pictures, 30 pictures/s, 0:10 left, checking",
    ]


def test_what_is_done_at_once_is_not_told(clock, capsys):
    report = Progress("decoding")
    clock.now += 4
    report(1, 1)
    assert capsys.readouterr().out == ""


def test_a_terminal_gets_a_bar_with_rate_time_left_and_loss_that_goes_at_the_end():
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    with subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=theirs) as process:
        os.close(theirs)
        text = b""
        try:
            while part := os.read(ours, 4096):
                text += part
        except OSError:  # Linux's way to say that the other end is closed
            pass
        finally:
            os.close(ours)
    assert process.returncode == 0
    shown = text.decode()
    assert re.search(
        r"stage 1: +\d+%\|.*\d+/640 \[00:0\d<00:0\d, [\d.]+ images/s, loss \d\]", shown
    )
    assert "\ra line in between\r\n" in shown  # the bar is drawn again below it
    # The last thing before the end is the bar wiped out.
    assert re.search(r"\r +\rthe end\r\n$", shown)


def test_a_notebook_gets_a_bar_too(monkeypatch):
    assert not progress.shows_bars()
    monkeypatch.setitem(sys.modules, "ipykernel", object())
    assert progress.shows_bars()


def test_without_a_standard_output_nothing_is_told_and_nothing_fails(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    say("nobody hears")
    report = Progress("decoding", every_s=0.0)
    report(1, 2)
    report.close()


def test_a_line_is_a_line_without_a_bar(capsys):
    say("one")
    assert capsys.readouterr().out == "one\n"


def test_preparation_counts_every_picture_twice(tmp_path, monkeypatch):
    drawn, told = generate(tmp_path / "drawn", **TINY), []

    class Recorder(Progress):
        def __call__(self, done, total, note=""):
            told.append((done, total, note))

    monkeypatch.setattr(prepare, "Progress", Recorder)
    prepare.prepare("sysu", drawn, tmp_path / "prepared")
    total = told[0][1]
    assert total == 2 * len(list(drawn.rglob("*.jpg")))
    checked = [done for done, _, note in told if note == ", checking"]
    written = [done for done, _, note in told if note == ", writing"]
    assert [done for done, _, _ in told] == sorted({*checked, *written})
    assert checked[-1] == total // 2 and written == list(range(total // 2 + 1, total + 1))
