"""`python -m pclhd_jax embed`: what it writes, and what it says of pictures it cannot read."""

import csv
import json

import numpy as np
import pytest

from pclhd_jax.commands.embed import main
from pclhd_jax.training.experiment import start_evaluation
from pclhd_jax.training.features import extract
from pclhd_jax.using.encoder import load_encoder
from pclhd_jax.using.retrieval.embedder import Embedder
from pclhd_jax.using.retrieval.index import read_index
from pclhd_jax.using.retrieval.make_index import make_index
from tests.helpers.small_sets import below, noise
from tests.helpers.tiny import tiny_config


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "pictures"
    (root / "a").mkdir(parents=True)
    for number in range(5):
        noise(number).save(root / f"a/{number}.png")
    return root


def rows_of(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_set_is_embedded_as_an_evaluation_does_to_the_last_bit(run, pictures, index):
    evaluation = start_evaluation(tiny_config(pictures))
    variables = load_encoder(run).variables
    steps, images = evaluation.feature_steps, evaluation.pictures.test_NHWC
    z = extract(evaluation, steps, variables, images, "test", lambda: None)
    np.testing.assert_array_equal(read_index(index.name).features_ND, z.visible_ND)
    rows = rows_of(index.name.with_suffix(".csv"))
    assert list(rows[0]) == ["name", "modality", "identity", "camera"]
    protocol = evaluation.pictures.protocols[0]
    assert [row["name"] for row in rows] == list(protocol.gallery.paths)
    assert [int(row["identity"]) for row in rows] == protocol.gallery.identities_N.tolist()
    assert [int(row["camera"]) for row in rows] == protocol.gallery.cameras_N.tolist()


def test_the_command_writes_what_the_call_writes(run, folder, tmp_path, embedder, capsys):
    out = tmp_path / "of.command"
    arguments = ["--modality", "infrared", "--out", str(out), "--batch_size", "32", "--parquet"]
    main([str(run), str(folder), *arguments])
    text = capsys.readouterr().out
    assert "5 infrared pictures; encoder: " in text and "images/s" in text
    make_index(run, folder, "infrared", tmp_path / "call.npy", batch_size=32)
    for suffix in (".npy", ".csv"):
        of_call = (tmp_path / f"call{suffix}").read_bytes()
        assert (tmp_path / f"of.command{suffix}").read_bytes() == of_call
    assert rows_of(tmp_path / "call.csv")[0] == {"name": "a/0.png", "modality": "infrared"}
    paths = sorted((folder / "a").iterdir())
    np.testing.assert_array_equal(np.load(tmp_path / "call.npy"), embedder(paths, "infrared"))
    header = json.loads((tmp_path / "call.json").read_text())
    assert header["encoder"] == load_encoder(run).digest
    assert (header["height"], header["width"], header["modality"]) == (32, 16, "infrared")
    import pyarrow.parquet as parquet

    table = parquet.read_table(tmp_path / "of.command.parquet").to_pydict()
    assert table["name"][2] == "a/2.png"
    np.testing.assert_array_equal(table["embedding"], np.load(tmp_path / "call.npy"))


def test_an_unreadable_picture_is_named_and_with_skip_left_out_and_counted(
    run, folder, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(Embedder, "chunk_size", 2)  # of the second chunk no picture is left
    whole = make_index(run, [folder], "visible", tmp_path / "whole", batch_size=32)
    (folder / "a/2.png").write_bytes(b"no picture")
    (folder / "a/3.png").write_bytes((folder / "a/3.png").read_bytes()[:60])
    reason = r"cannot read picture .*/a/2\.png \(it is no JPEG, PNG or BMP\); .*--skip"
    with pytest.raises(ValueError, match=reason):
        make_index(run, [folder], "visible", tmp_path / "stops", batch_size=32)
    assert below(tmp_path) == ["pictures", "whole.csv", "whole.json", "whole.npy"]
    capsys.readouterr()
    left = make_index(run, [folder], "visible", tmp_path / "left", batch_size=32, skip=True)
    assert "left out 2 of 5 pictures that cannot be read: a/2.png, a/3.png" in (
        capsys.readouterr().out
    )
    assert left.header["skipped"] == ["a/2.png", "a/3.png"]
    assert left.pictures.paths == ("a/0.png", "a/1.png", "a/4.png")
    np.testing.assert_array_equal(left.features_ND, whole.features_ND[[0, 1, 4]])
    for path in (folder / "a").iterdir():
        path.write_bytes(b"")
    with pytest.raises(ValueError, match="none of 5 pictures can be read; the first is a/0"):
        make_index(run, [folder], "visible", tmp_path / "none", skip=True, batch_size=32)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{run}/none", "{folder}", "--modality", "visible"], "no checkpoint at "),
        (["{run}", "{run}/features", "--modality", "visible"], "no picture below "),
        (["{run}", "{folder}", "--modality", "thermal"], "it must be visible or infrared"),
        (["{run}", "{folder}", "--modality", "visible", "--batch_size", "0"], "batch_size is 0"),
        (["{run}", "{folder}", "--modality", "visible", "--out", "/dev/null/x"], "cannot write x"),
    ],
)
def test_the_command_ends_with_one_line_that_says_what_is_wrong(
    run, folder, tmp_path, arguments, message
):
    arguments = [argument.format(run=run, folder=folder) for argument in arguments]
    with pytest.raises(SystemExit, match=f"Error: .*{message}"):
        main(["--out", str(tmp_path / "out"), *arguments])
    assert below(tmp_path) == ["pictures"]


def test_an_index_is_not_written_over(run, folder, tmp_path):
    (tmp_path / "out.csv").write_text("mine")
    with pytest.raises(FileExistsError, match=r"out\.csv is there already; name another"):
        make_index(run, [folder], "visible", tmp_path / "out")
    assert (tmp_path / "out.csv").read_text() == "mine"
