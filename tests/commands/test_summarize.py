"""Means over runs, against numbers by hand."""

import json

import numpy as np
import pytest

from configs import regdb, sysu
from pclhd_jax.commands.summarize import main
from pclhd_jax.reports.summary import summarize

FORTH, BACK = "regdb split {} visible to thermal", "regdb split {} thermal to visible"


def score(rank1, mean_ap):
    cmc = np.linspace(rank1, 1.0, 20).tolist()
    return {"cmc": cmc, "mean_ap": mean_ap, "mean_inp": mean_ap / 2}


def write_run(path, config, evaluation, *, epochs_done=100):
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config.to_dict()))
    rows = [
        {"epochs_done": 0, "evaluation": {name: score(0.0, 0.0) for name in evaluation}},
        {"epochs_done": epochs_done, "evaluation": evaluation},
    ]
    (path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def split_run(root, trial, rank1, recipe="paper", **more):
    config = regdb.get_config(recipe)
    config.trial = trial
    evaluation = {
        FORTH.format(trial): score(rank1, rank1 / 2),
        BACK.format(trial): score(rank1 / 2, 0.1),
    }
    return write_run(root / f"{recipe}-{trial}-{rank1}", config, evaluation, **more)


def test_regdb_splits_are_averaged_with_the_sample_deviation(tmp_path):
    runs = [split_run(tmp_path, trial, r) for trial, r in ((1, 0.80), (2, 0.84), (10, 0.88))]
    title, *described, header, _, forth, back = summarize(runs).text().splitlines()
    assert title.startswith("3 runs, recipe paper: mean +- sample standard deviation (n - 1)")
    assert [line.split(": ")[1] for line in described] == [
        "seed 0, split 1",
        "seed 0, split 2",
        "seed 0, split 10",
    ]
    assert header.split() == ["Protocol", "Rank-1", "Rank-5", "Rank-10", "Rank-20", "mAP", "mINP"]
    # (80 + 84 + 88) / 3 = 84; deviations -4, 0, 4: sqrt(32 / 2) = 4.
    assert forth.split("  ")[0] == "regdb visible to thermal"
    assert "84.00 +- 4.00" in forth and "42.00 +- 2.00" in forth and "21.00 +- 1.00" in forth
    assert "100.00 +- 0.00" in forth  # Rank-20
    assert "42.00 +- 2.00" in back and "10.00 +- 0.00" in back


def test_seeds_are_averaged_and_one_run_has_no_spread(tmp_path, capsys):
    runs = []
    for seed, rank1 in ((0, 0.5), (1, 0.7)):
        config = sysu.get_config()
        config.seed = seed
        config.keep_features = seed  # runs may differ in what they keep
        evaluation = {"sysu all-search single-shot": score(rank1, 0.4)}
        runs.append(write_run(tmp_path / str(seed), config, evaluation))
    main([str(run) for run in runs])
    # Deviations -10 and 10: sqrt(200 / 1) = 14.14.
    assert "60.00 +- 14.14" in capsys.readouterr().out
    alone = summarize(runs[0]).text()
    assert "1 run, recipe paper" in alone and "50.00" in alone and "+-" not in alone


def test_an_unfinished_run_is_refused(tmp_path):
    runs = [split_run(tmp_path, 1, 0.8), split_run(tmp_path, 2, 0.8, epochs_done=70)]
    with pytest.raises(ValueError, match=r"finished 70 of 100 epochs; give its command again"):
        summarize(runs)
    with pytest.raises(FileNotFoundError, match=r"no config\.json in"):
        summarize([tmp_path / "none"])


def test_recipes_protocols_and_settings_are_not_mixed(tmp_path):
    first = split_run(tmp_path, 1, 0.8)
    with pytest.raises(ValueError, match=r"recipes 'paper' and 'released'; summarize each alone"):
        summarize([first, split_run(tmp_path, 2, 0.8, "released")])
    other = write_run(tmp_path / "sysu", sysu.get_config(), {"sysu all": score(0.5, 0.4)})
    with pytest.raises(ValueError, match="different protocols: regdb visible to thermal"):
        summarize([first, other])
    config = regdb.get_config()
    config.trial, config.cluster.eps = 3, 0.4
    evaluation = {FORTH.format(3): score(0.5, 0.4), BACK.format(3): score(0.5, 0.4)}
    with pytest.raises(ValueError, match=r"config\.cluster\.eps: there 0\.3, here 0\.4"):
        summarize([first, write_run(tmp_path / "eps", config, evaluation)])
    with pytest.raises(ValueError, match="named twice"):
        summarize([first, first])


def test_the_command_ends_with_one_line_for_an_error(tmp_path):
    with pytest.raises(SystemExit, match=r"FileNotFoundError: no config\.json"):
        main([str(tmp_path)])


def test_a_copy_of_a_run_is_no_second_one(tmp_path):
    runs = [split_run(tmp_path, 3, rank1) for rank1 in (0.5, 0.6)]
    with pytest.raises(ValueError, match=r"have one seed and one split: .* leave one out"):
        summarize([*runs, split_run(tmp_path, 4, 0.5)])
