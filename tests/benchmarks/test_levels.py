"""The levels' runs: whose they are, and the table of what is there."""

import pytest

from benchmarks import ablation_runs, levels
from data_prep.synthetic_difficulty import LEVELS
from tests.benchmarks.test_ablation import record

CONFIG = "configs/synthetic_ablation.py"


def test_each_level_has_its_set_and_its_bound(tmp_path, monkeypatch, capsys):
    asked = {}

    def run_command(module, flags, workdir):
        asked[workdir] = module, flags
        record(workdir, 8 if "stage1" in workdir.name else 20, 0.5 if "main" in module else 0.75)

    monkeypatch.setattr(ablation_runs, "run_command", run_command)
    monkeypatch.setattr(levels, "draw_pictures", lambda *_: None)
    arguments = ["--seeds", "0", "1", "--out", str(tmp_path / "runs")]
    levels.main([*arguments, "--report", str(tmp_path)])
    assert len(asked) == 2 * 2 * 2 * len(LEVELS)  # two seeds, two stages, with and without clusters
    for workdir, (module, flags) in asked.items():
        assert ("supervised" in module) == workdir.name.endswith("-supervised")
        assert "pclhd_jax.main" in module or "benchmarks.supervised" in module
        levels_named = [f for f in flags if "difficulty" in f]
        sources = [f for f in flags if "data.source" in f]
        assert len(levels_named) == len(sources)  # both, or neither: the level of the experiment
    told = "".join(" ".join(flags) for _, flags in asked.values())
    assert "difficulty=easy" in told and "source=data/synthetic-hard" in told
    assert "difficulty=medium" not in told
    text = (tmp_path / "levels.md").read_text()
    assert text.count("| true identities as labels | 75.0 |") == len(LEVELS)
    assert text.count("| `paper` | 50.0 | 50.0 |") == 2 * len(LEVELS) and "| X |" not in text
    assert len((tmp_path / "levels.csv").read_text().splitlines()) == 1 + 2 * 2 * 3 * len(LEVELS)
    asked.clear()
    levels.main([*arguments, "--table"])
    assert not asked and text.splitlines()[-1] in capsys.readouterr().out


def test_pictures_that_are_not_drawn_have_no_level():
    with pytest.raises(ValueError, match="levels are of drawn ones"):
        levels.level_overrides("configs/sysu.py", "easy")
