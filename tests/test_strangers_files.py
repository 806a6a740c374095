"""Every door that reads a small file of a run or an index, with every other file in its place.

Each ends in a value or in one line that names the file: never another error.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from configs import synthetic
from pclhd_jax.commands.summarize import summarize
from pclhd_jax.data.lists import Pictures
from pclhd_jax.data.pictures.compared import compared_until_ns
from pclhd_jax.data.pictures.prepared_index import read_index as read_prepared
from pclhd_jax.reports.records import ROW, TIMING, read_records
from pclhd_jax.saving.holder import holder_of
from pclhd_jax.saving.integrity import damaged_files, file_digest, file_digests, write_manifest
from pclhd_jax.saving.labelled_features import save_epoch
from pclhd_jax.saving.record_shapes import EPOCH, UNDER_WAY
from pclhd_jax.saving.workdir import read_pictures
from pclhd_jax.settings.differences import differences
from pclhd_jax.settings.kept import read_config, read_kept_config
from pclhd_jax.system.json_files import parsed, read_json_lines
from pclhd_jax.using.pages.by_epoch import cluster_section, loss_section, score_section
from pclhd_jax.using.pages.eps_section import eps_section
from pclhd_jax.using.pages.page import intro
from pclhd_jax.using.pages.results import result_section
from pclhd_jax.using.pages.seen_runs import RunView, Tried, read_run
from pclhd_jax.using.pages.why_section import why_section
from pclhd_jax.using.retrieval.index import read_index, write_index
from pclhd_jax.using.retrieval.inputs import reader_of
from tests.helpers.hostile_json import changed, variants
from tests.saving.test_labelled_features import epoch_of

SCORE = {"cmc": [0.5] * 20, "mean_ap": 0.5, "mean_inp": 0.5}
COUNTS = {"num_queries": 4, "num_trials": 2, "num_valid": [4], "gallery_size": [4]}
ROWS = [
    {"epochs_done": 0, "evaluation": {"sysu": SCORE | COUNTS | {"rank1_std": 0, "mean_ap_std": 0}}},
    {
        "epochs_done": 1,
        "stage": 1,
        "epoch": 0,
        "losses": {"loss": 1.0},
        "clusters": {"visible": {"num_clusters": 3}},
        "prototypes": {"visible": {"hard_distance": 0.5}},
        "gradients": {"norm_centroid": 0.5},
        "evaluation": {"sysu": SCORE},
    },
]
CONFIG = synthetic.get_config("paper").to_dict()
PICTURES = {"train_visible": "0123456789abcdef"}
TIMES = {"epochs_done": 1, "steps": 1.0, "waiting": {"saves": 0.1}}
HOLDER = {"pid": 1, "host": "a", "since": "2026"}


@pytest.fixture
def run(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    (tmp_path / "pictures.json").write_text(json.dumps(PICTURES))
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    return tmp_path


def told(read, path, what):
    """Whether `read` refused the file, in one line that names it."""
    try:
        read()
    except (ValueError, OSError) as error:
        assert path.name in str(error), what
        return True
    return False


def shown(run):
    """What visualize makes of a run's records."""
    record = read_run(run, "run")
    for section in (result_section, score_section, cluster_section, loss_section, why_section):
        section([record])
    intro([record])


SMALL = {
    "config.json": (CONFIG, (read_config, read_kept_config)),
    "pictures.json": (PICTURES, (read_pictures,)),
    "timing.jsonl": (TIMES, (lambda run: read_json_lines(run / "timing.jsonl", TIMING),)),
    "run.holder": (HOLDER, (holder_of,)),
}


@pytest.mark.parametrize("name", SMALL)
def test_a_small_file_of_another_shape_is_a_line_that_names_it(run, name):
    value, reads = SMALL[name]
    refused = 0
    for what, data in variants(value):
        (run / name).write_bytes(data)
        for read in reads:
            refused += told(lambda read=read: read(run), run / name, what)
    assert name == "run.holder" or refused > 20
    (run / name).unlink()
    (run / name).mkdir()
    assert name == "run.holder" or told(lambda: reads[0](run), run / name, "a folder")


def test_records_of_another_shape_are_a_line_or_a_page(run, monkeypatch):
    from pclhd_jax.using.pages import by_epoch

    monkeypatch.setattr(by_epoch, "png_of", lambda figure: b"\x89PNG")
    monkeypatch.setattr(by_epoch, "draw_panels", lambda panels: None)
    first = json.dumps(ROWS[0]).encode() + b"\n"
    for what, data in variants(ROWS[1]):
        (run / "metrics.jsonl").write_bytes(first + data)
        refused = told(lambda: read_records(run), run / "metrics.jsonl", what)
        if not refused:
            shown(run)
            told(lambda: summarize([run]), run, what)


def test_an_unknown_setting_is_reported_as_one_of_another_version(run):
    (run / "config.json").write_text(json.dumps(CONFIG | {"newer": 1}))
    with pytest.raises(ValueError, match=r"config\.json: config has an unknown newer.*version"):
        read_config(run)
    assert read_kept_config(run)["newer"] == 1
    older = json.loads(json.dumps(CONFIG))
    del older["bn_groups"], older["model"]["remat"]
    (run / "config.json").write_text(json.dumps(older))
    assert read_config(run)["bn_groups"] == 1


@pytest.fixture
def index(tmp_path):
    unknown = np.full(3, -1, np.int32)
    header = {"modality": "visible", "encoder": "a", "checkpoint": "x", "height": 32, "width": 16}
    header |= {"format": 1, "source": {"root": str(tmp_path)}, "skipped": ["b.jpg"]}
    names = ("=a.jpg", "-b.jpg", " c.jpg")
    pictures = Pictures(str(tmp_path), names, unknown, unknown)
    return write_index(tmp_path / "gallery", np.eye(3, dtype=np.float32), pictures, header)


def test_names_that_a_spreadsheet_would_run_come_back(index):
    table = index.name.with_suffix(".csv").read_text()
    assert "\n'=a.jpg," in table and "\n'-b.jpg," in table
    assert read_index(index.name).pictures.paths == index.pictures.paths


def test_a_header_of_another_shape_is_a_line_that_names_it(index):
    path = index.name.with_suffix(".json")
    value = json.loads(path.read_text())
    refused = 0
    for what, data in variants(value):
        path.write_bytes(data)
        refused += told(lambda: read_index(index.name), path, what)
    assert refused > 50


def rewritten(index, suffix, content):
    """The file with other bytes, and a digest in the header that fits them."""
    path, header = index.name.with_suffix(suffix), index.name.with_suffix(".json")
    path.write_bytes(content)
    value = json.loads(header.read_text())
    value["digests"][suffix] = file_digest(path)
    header.write_text(json.dumps(value))


TABLES = {
    "no name column": b"nom,modality\na,visible\n",
    "fewer rows": b"name,modality\na.jpg,visible\n",
    "outside": b"name,modality\n../../etc/a.jpg,visible\n",
    "absolute": b"name,modality\n/etc/a.jpg,visible\n",
    "no name": b"name,modality\n,visible\n,visible\n,visible\n",
    "another modality": b"name,modality\na,infrared\n",
    "a text for a number": b"name,modality,identity\na,visible,x\n",
    "a negative number": b"name,modality,identity\na,visible,-5\n",
    "a large number": b"name,modality,identity\na,visible,99999999999\n",
    "control characters": b"name,modality\n\x1b[2J,visible\n",
    "not UTF-8": b"name,modality\n\xff,visible\n",
    "an open quote": b'name,modality\n"a,visible\n',
    "one cell": b"name,modality\na\n",
    "empty": b"",
    "a long cell": b"name,modality\n" + b"a" * 10**6 + b",visible\n",
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_of_another_shape_is_a_line_that_names_it(index, name):
    rewritten(index, ".csv", TABLES[name])
    assert told(lambda: read_index(index.name), index.name, name)


@pytest.mark.parametrize(
    "features",
    [
        np.eye(3, dtype=np.float64),
        np.eye(3, dtype=np.float32) * np.nan,
        np.eye(3, dtype=np.float32) * 2,
        np.eye(4, dtype=np.float32),
        np.zeros((0, 3), np.float32),
        np.zeros((3, 0), np.float32),
        np.zeros(3, np.float32),
        np.array([{}] * 3, object),
        np.zeros(3, [("a", "f4")]),
    ],
)
def test_features_of_another_shape_are_a_line_that_names_them(index, features):
    np.save(index.name.with_suffix(".npy"), features)
    rewritten(index, ".npy", index.name.with_suffix(".npy").read_bytes())
    assert told(lambda: read_index(index.name), index.name.with_suffix(".npy"), features.dtype)


def test_a_list_of_files_outside_its_folder_is_refused(tmp_path):
    folder, other = tmp_path / "3", tmp_path / "other"
    folder.mkdir()
    other.write_text("secret")
    (folder / "a").write_text("1")
    write_manifest(folder, file_digests(folder))
    assert damaged_files(folder) == []
    entry = [other.stat().st_size, file_digest(other)]
    for name in ("../other", str(other), "a/../../other", "..\\other", "C:\\other", "", "a\0b"):
        (folder / "manifest.json").write_text(json.dumps({"files": {name: entry}}))
        assert "which is not in the folder" in damaged_files(folder)[0] or not name
    whole = {"files": {"a": [1, file_digest(folder / "a")]}}
    for _, value in changed(whole):
        (folder / "manifest.json").write_text(json.dumps(value))
        damaged_files(folder)


PROGRESS = {
    "epoch": ({"stage": 1, "epoch": 0, "row": {"epochs_done": 1}, "hard_pictures": None}, EPOCH),
    "under way": (
        {
            "epochs_done": 1,
            "history": [{"loss": 1.0}],
            "report": {},
            "hard_pictures": {"visible": [1]},
            "shapes": {"banks": {"visible": {"live_K": [[2], "bool"]}}, "labels": {}},
        },
        UNDER_WAY,
    ),
    "row": (ROWS[1], ROW),
}


@pytest.mark.parametrize("name", PROGRESS)
def test_a_record_of_a_checkpoint_is_of_its_shape_or_refused(name):
    value, shape = PROGRESS[name]
    shape(value, "progress")
    refused = 0
    for _, data in variants(value):
        try:
            parsed(data, shape, nan=True)
        except ValueError as error:
            assert str(error)
            refused += 1
    assert refused > 20


def test_a_note_of_another_shape_is_ignored(tmp_path):
    note = Path(tmp_path / "note")
    for _, data in variants({"changed_ns": 5, "made": "b"}):
        note.write_bytes(data)
        assert compared_until_ns(note, "a") == 0


def test_the_list_of_a_prepared_set_is_of_its_shape_or_refused(tmp_path):
    split = {"record": "visible", "rows": [0], "identities": [1], "cameras": [1]}
    lists = {"train_visible": split, "train_infrared": split | {"record": "infrared"}}
    value = {"format": 1, "layout": "folders", "trials": {"0": lists}, "changed_ns": 0}
    value["records"] = {"visible": ["a.jpg"], "infrared": ["b.jpg"]}
    (tmp_path / "dataset_info.json").write_text("{}")
    for what, data in variants(value):
        (tmp_path / "metadata.json").write_bytes(data)
        told(lambda: read_prepared(tmp_path), tmp_path, what)


def test_a_very_long_setting_is_shortened(run):
    for book in ("x" * 10**5, "\x1b[2J\u202e" * 10**4, ["x"] * 10**5):
        for config in (CONFIG | {"seed": book}, CONFIG | {str(book): 1}, CONFIG | {"loss": book}):
            (run / "config.json").write_text(json.dumps(config))
            with pytest.raises(ValueError, match=r"config\.json: config") as caught:
                read_config(run)
            assert len(str(caught.value)) < 2000 and str(caught.value).isprintable()
            lines = differences(read_kept_config(run), CONFIG)
            assert lines and all(len(line) < 2000 and line.isprintable() for line in lines)


def test_the_section_of_features_that_cannot_be_swept_is_left_out(run):
    save_epoch(run, epoch_of(3), keep=1)  # their rows are not unit vectors
    view = RunView(read_run(run, "run"), Tried(None, "nothing"), Tried(None, "nothing"))
    (reason,) = eps_section([view]).missing
    assert "not unit vectors" in reason


@pytest.mark.parametrize("root", ["../..", "\\\\server\\share", "//server/share", "~", "http://x"])
def test_a_recorded_folder_on_another_computer_is_not_asked(index, root):
    header = index.name.with_suffix(".json")
    value = json.loads(header.read_text())
    header.write_text(json.dumps(value | {"source": {"root": root}}))
    found = read_index(index.name)
    with pytest.raises(ValueError, match="no folder of this computer"):
        reader_of(found.header["source"], found.pictures)
    reader_of(found.header["source"], found.pictures, "/where/they/lie")


@pytest.mark.parametrize("root", ["", "a\0b"])
def test_a_recorded_folder_that_is_no_path_is_named(index, root):
    header = index.name.with_suffix(".json")
    value = json.loads(header.read_text())
    header.write_text(json.dumps(value | {"source": {"root": root}}))
    with pytest.raises(ValueError, match=r"json is damaged \(source\.root is"):
        read_index(index.name)
