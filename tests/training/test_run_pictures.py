"""The first start of a run: one process draws the set, and a full disk is explained."""

import errno
import os
import threading

import pytest
from PIL import Image

from data_prep import synthetic
from pclhd_jax.training import run_pictures
from tests.helpers.tiny import tiny_config


def test_of_two_first_starts_the_second_waits_and_draws_nothing(tmp_path, monkeypatch, capsys):
    data = tiny_config(tmp_path / "pics").data
    drawing, waiting, drawn = threading.Event(), threading.Event(), []
    real_say = run_pictures.say

    def generate(out, **settings):
        drawn.append(out)
        drawing.set()
        assert waiting.wait(20)
        out.mkdir()
        (out / "README.txt").write_text(synthetic.describe_set(**settings))

    def say(line):
        real_say(line)
        if line.startswith("waiting"):
            waiting.set()

    monkeypatch.setattr(synthetic, "generate", generate)
    monkeypatch.setattr(run_pictures, "say", say)
    first = threading.Thread(target=run_pictures.draw_if_missing, args=(data,))
    first.start()
    assert drawing.wait(20)
    run_pictures.draw_if_missing(data)
    first.join()
    assert len(drawn) == 1
    assert f"waiting for another process that draws {tmp_path}/pics" in capsys.readouterr().out


def test_a_disk_that_is_full_while_the_set_is_drawn_leaves_nothing(tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Image.Image, "save", full)
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    words = rf"drawing the set in {tmp_path}/sets failed: .*about [\d.]+ MB, [\d,.]+ MB are free"
    with pytest.raises(OSError, match=words):
        run_pictures.draw_if_missing(tiny_config(tmp_path / "sets" / "pics").data)
    assert [path.name for path in (tmp_path / "sets").iterdir()] == [".pics.lock"]
