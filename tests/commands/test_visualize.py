"""The pictures of a run, from a workdir made by hand."""

import json

import matplotlib.image
import numpy as np
import pytest

from configs import synthetic
from pclhd_jax.clustering.both_modalities import label_epoch
from pclhd_jax.clustering.cluster_settings import cluster_settings
from pclhd_jax.clustering.sweep import SweepRow
from pclhd_jax.commands.visualize import main
from pclhd_jax.reports.cluster_plots import draw_clusters
from pclhd_jax.reports.eps_report import PartReport, eps_grid
from pclhd_jax.saving.labelled_features import SavedEpoch, save_epoch
from pclhd_jax.settings.schedule import When
from tests.clustering.test_both_modalities import people

NUM_PEOPLE, VISIBLE_EACH, INFRARED_EACH = 6, 8, 5


def write_run(path, *, stage, identities=True, spoil_labels=0):
    """A workdir with one epoch: six well separated people."""
    rng = np.random.default_rng(0)
    z = [people(rng, NUM_PEOPLE, each) for each in (VISIBLE_EACH, INFRARED_EACH)]
    config = synthetic.get_config("paper")
    config.cluster.update(eps=0.6, min_samples=3, k1=6, k2=2, joint_k1=8, joint_k2=4)
    labels = label_epoch(*z, cluster_settings(config, When(stage, 2)))
    labels.infrared_N[:spoil_labels] = -1
    truth = [np.repeat(np.arange(NUM_PEOPLE), each) for each in (VISIBLE_EACH, INFRARED_EACH)]
    if not identities:
        truth = [np.full_like(truth_N, -1) for truth_N in truth]
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config.to_dict()))
    save_epoch(path, SavedEpoch(*z, labels, *truth, stage, 2, 12), keep=1)
    return path


def table_rows(output):
    """Cells of the rows of every table, by the table's name."""
    tables, name = {}, None
    for line in output.splitlines():
        if ": " in line and "pictures; k1" in line:
            name = line.split(":")[0]
            tables[name] = []
        cells = line.removeprefix(" * ").split()
        if cells and cells[0].startswith("0."):
            tables[name].append((line.startswith(" * "), *cells))
    return tables


def test_stage_2_gives_three_tables_whose_own_eps_is_marked_and_finds_the_people(tmp_path, capsys):
    run = write_run(tmp_path / "my-run", stage=2)
    main(["--clusters", str(run)])
    output = capsys.readouterr().out
    tables = table_rows(output)
    assert list(tables) == ["visible", "infrared", "joint"]
    for name, rows in tables.items():
        own = [row[1:] for row in rows if row[0]]
        mixed = ["6"] if name == "joint" else []
        assert own == [("0.6", "6", *mixed, "0.0", "16.7", "1.000")]  # the largest: one of six
        assert len(rows) == 18 and rows[-1][1] == "0.9"
    assert "my-run: recipe paper, stage 2, epoch 3 of 20 (12 epochs done)" in output
    assert "ARI: adjusted Rand index" in output and "not available in real use" in output
    assert "WARNING" not in output and "How to read it" in output
    picture_HWC = matplotlib.image.imread(run / "clusters-epoch-0012.png")
    assert picture_HWC.shape[0] > 1000 and picture_HWC.shape[1] > 1500
    assert picture_HWC[..., :3].std() > 0.05


def test_stage_1_without_identities_has_two_tables_and_no_rand_index(tmp_path, capsys):
    run = write_run(tmp_path / "run", stage=1, identities=False)
    out = tmp_path / "there.png"
    main(["--clusters", str(run), "--epoch", "12", "--eps_max", "0.7", "--out", str(out)])
    output = capsys.readouterr().out
    tables = table_rows(output)
    assert list(tables) == ["visible", "infrared"]
    assert {len(row) for rows in tables.values() for row in rows} == {5}
    assert "ARI" not in output and "mixed" not in output
    assert out.exists() and not (run / "clusters-epoch-0012.png").exists()


def test_labels_that_do_not_come_out_again_are_counted_and_explained(tmp_path, capsys):
    run = write_run(tmp_path / "run", stage=1, spoil_labels=3)
    main(["--clusters", str(run)])
    warnings = [line for line in capsys.readouterr().out.splitlines() if "WARNING" in line]
    assert len(warnings) == 1
    assert "3 of 30 labels differ" in warnings[0] and "hardware" in warnings[0]


def test_the_grid_ends_at_eps_max_and_holds_the_runs_own_eps_once():
    np.testing.assert_allclose(eps_grid(0.55, 0.9), 0.05 * np.arange(1, 19))
    assert 0.55 in eps_grid(0.55, 0.9)
    between = eps_grid(0.47, 0.9)
    assert len(between) == 19 and 0.47 in between and (np.diff(between) > 0).all()
    assert eps_grid(0.3, 0.9999)[-1] == 0.9999


def report(name, *, num_mixed=None, ari=None):
    rows = [
        SweepRow(eps, clusters, num_mixed, outliers, largest, ari)
        for eps, clusters, outliers, largest in (
            (0.1, 0, 1.0, 0.0),
            (0.5, 7, 0.25, 0.1),
            (0.9, 1, 0.0, 1.0),
        )
    ]
    return PartReport(name, rows, np.array([0.1, 0.2, 0.4, np.inf], np.float32))


def test_every_curve_is_drawn_in_its_units_beside_a_line_at_the_runs_eps():
    reports = [report("visible", ari=0.5), report("joint", num_mixed=1)]
    figure = draw_clusters(reports, eps=0.5, min_samples=4, title="a title")
    assert figure.get_suptitle().startswith("a title\n")
    axes = np.array(figure.axes).reshape(5, 2)
    curves = {
        "clusters (count)": [0, 7, 1],
        "outliers (% of pictures)": [100, 25, 0],
        "largest cluster\n(% of pictures, log)": [0, 10, 100],
        "adjusted Rand index\n(not in real use)": [0.5, 0.5, 0.5],
    }
    for ax, (label, values) in zip(axes[:4, 0], curves.items(), strict=True):
        assert ax.get_ylabel() == label and ax.get_xlabel() == "eps (Jaccard distance)"
        curve, own_eps = ax.get_lines()
        np.testing.assert_allclose(curve.get_xdata(), [0.1, 0.5, 0.9])
        np.testing.assert_allclose(curve.get_ydata(), values)
        assert list(own_eps.get_xdata()) == [0.5, 0.5]
    assert len(axes[0, 1].get_lines()) == 3  # the mixed clusters of the joint part, too
    assert [text.get_text() for text in axes[3, 1].texts] == ["identities unknown"]
    k_distance, own_eps = axes[4, 0].get_lines()
    np.testing.assert_allclose(k_distance.get_xdata(), [25, 50, 75, 100])
    np.testing.assert_allclose(k_distance.get_ydata(), [0.1, 0.2, 0.4, np.inf])
    assert list(own_eps.get_ydata()) == [0.5, 0.5]
    assert [t.get_text() for t in axes[4, 0].texts] == ["75 % are cores", "25 % beyond 0.9"]


@pytest.mark.filterwarnings("error")
def test_a_sweep_that_finds_no_cluster_at_all_can_be_drawn(tmp_path):
    rows = [SweepRow(eps, 0, None, 1.0, 0.0, None) for eps in (0.1, 0.2)]
    nothing = PartReport("visible", rows, np.full(5, np.inf, np.float32))
    draw_clusters([nothing], eps=0.2, min_samples=4, title="").savefig(tmp_path / "nothing.png")


@pytest.mark.parametrize(
    "flags, message",
    [
        ([], r"name either runs, for a page \(RUN"),
        (["--clusters", "none"], r"FileNotFoundError: no config\.json in none"),
        (["--clusters", "{run}", "--epoch", "3"], r"FileNotFoundError: no features of epoch 3"),
        (["--clusters", "{run}", "--eps_max", "0.5"], r"ValueError.*give at least 0\.6"),
        (["--clusters", "{run}", "--eps_max", "1"], r"ValueError: --eps_max is 1\.0"),
        (["--clusters", "{run}", "--out", "x.jpg"], r"ValueError.*ends in \.png"),
        (["--clusters", "{run}", "--out", "no/x.png"], r"FileNotFoundError: no folder no for"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_helps(tmp_path, monkeypatch, flags, message):
    run = write_run(tmp_path / "run", stage=1)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message) as stopped:
        main([flag.format(run=run) for flag in flags])
    assert "\n" not in str(stopped.value)
