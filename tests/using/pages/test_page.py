"""The page of a tiny run, whole, beside one that lacks nearly everything."""

import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest

from pclhd_jax.commands.visualize import main
from pclhd_jax.using.pages import page
from pclhd_jax.using.pages.html import Section, document, table
from pclhd_jax.using.pages.page import check_nobodys, check_size, older_encoder, write_page
from pclhd_jax.using.pages.results import result_section
from pclhd_jax.using.pages.seen_runs import RunRecord, RunView, Tried, read_run

ORDER = [
    "result",
    "scores",
    "clusters",
    "losses",
    "why",
    "ranks",
    "tsne",
    "heat",
    "prototypes",
    "eps",
    "settings",
]


class Reader(HTMLParser):
    """Sections in order, every img, every reference, and whether all tags are closed in turn."""

    def __init__(self, text):
        super().__init__()
        self.sections, self.images, self.references, self.open = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.references += [attrs[name] for name in ("src", "href") if name in attrs]
        if tag == "section":
            self.sections.append(attrs["id"])
        if tag == "img":
            self.images.append(attrs)
        elif tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def written(finished, tmp_path_factory):
    """The page of the finished run and of its records alone; what was said."""
    root = tmp_path_factory.mktemp("page")
    bare = root / "bare <run>"
    bare.mkdir()
    config = json.loads((finished[0] / "config.json").read_text())
    config["data"]["source"] = str(root / "gone")
    config["loss"]["temperature"] = 0.07
    (bare / "config.json").write_text(json.dumps(config))
    shutil.copy(finished[0] / "metrics.jsonl", bare)
    said = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(page, "say", said.append)
        path = write_page([finished[0], bare], root / "out")
    return path, said


def test_the_page_has_every_section_in_order_and_is_whole(written):
    reader = Reader(written[0].read_text())
    assert reader.sections == ORDER
    assert reader.open == []


def test_the_page_loads_nothing_and_is_small(written):
    text = written[0].read_text()
    assert written[0].stat().st_size < 8_000_000
    assert "http://" not in text and "https://" not in text and "<script" not in text
    assert "@import" not in text and "url(" not in text
    for reference in Reader(text).references:
        assert reference.startswith(("data:image/", "#"))


def test_every_picture_says_in_words_what_it_shows(written):
    images = Reader(written[0].read_text()).images
    assert len(images) > 60 and all(image["alt"].strip() for image in images)
    assert any(image["alt"].startswith("rank 1: ") for image in images)


def test_every_plot_and_list_lies_beside_the_page_as_a_png(written):
    names = {path.name for path in written[0].parent.iterdir()}
    assert "undisturbed-rank-list-worst-1.png" in names and "undisturbed-tsne.png" in names
    assert "undisturbed-clusters-eps-joint.png" in names and "undisturbed-heat-maps.png" in names
    assert "scores-sysu-all-search-single-shot.png" in names
    for path in written[0].parent.glob("*.png"):
        assert path.read_bytes()[:4] == b"\x89PNG"
    assert all(name.endswith((".png", ".html")) for name in names)


def test_what_a_run_lacks_is_said_in_its_place_and_on_the_terminal(written):
    path, said = written
    missing = re.findall(r'<p class="missing">Not drawn: (.*?)</p>', path.read_text())
    of_bare = [line for line in said if "bare <run>" in line and line.startswith("not drawn")]
    assert len(of_bare) == 5  # rank lists, t-SNE, heat maps, prototypes, eps
    assert sum("no checkpoint in" in line for line in of_bare) == 3
    assert sum("config.data.source" in line for line in of_bare) == 1
    assert sum("no saved features" in line for line in of_bare) == 1
    of_whole = [line for line in said if "undisturbed: " in line]
    assert len(of_whole) == 1 and "--config.keep_features=2" in of_whole[0]
    assert len(missing) == 6


def test_two_runs_stand_beside_each_other_with_what_differs_and_are_called_synthetic(written):
    text = written[0].read_text()
    assert "<td>config.loss.temperature</td><td>0.05</td><td>0.07</td>" in text
    assert "bare &lt;run&gt;" in text and "bare <run>" not in text
    assert "synthetic pictures, drawn by a program" in text


def test_the_result_table_has_the_records_numbers(finished, written):
    row = finished[1]["evaluation"]["sysu all-search single-shot"]
    cells = [100 * row["cmc"][k - 1] for k in (1, 5, 10, 20)]
    cells += [100 * row["mean_ap"], 100 * row["mean_inp"]]
    line = "<td>3 epochs</td>" + "".join(f"<td>{cell:.1f}</td>" for cell in cells)
    assert line in written[0].read_text()


def test_a_run_whose_people_nobody_knows_says_so_instead_of_a_table(finished, tmp_path):
    shutil.copy(finished[0] / "config.json", tmp_path)
    rows = [{"epochs_done": 0, "evaluation": {}}, {"epochs_done": 3, "evaluation": {}}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    section = result_section([read_run(tmp_path, "own")])
    assert "<table" not in section.body
    assert len(section.missing) == 1 and "identities.csv" in section.missing[0]


def test_a_page_by_an_older_encoder_than_its_records_says_so():
    record = RunRecord(Path("run"), "run", {}, [{"epochs_done": 2}, {"epochs_done": 3}])

    def words(epochs_done):
        seen = Tried(SimpleNamespace(encoder=SimpleNamespace(epochs_done=epochs_done)))
        return older_encoder(RunView(record, seen, Tried(None, "no pictures")))

    assert words(2) == (
        "run: the records go to 3 epochs, pictures are drawn by the encoder after 2, the newest "
        "sound checkpoint."
    )
    assert words(3) == "" and older_encoder(RunView(record, Tried(None, ""), Tried(None))) == ""


def test_text_from_outside_is_text_on_the_page():
    rows = [["a<b", "c&d"], ["<img src=x>", "1"]]
    text = document("<t>", "", [Section("k", "<b>", table(rows, caption="<i>"), {})])
    assert "&lt;img src=x&gt;" in text and "a&lt;b" in text
    assert not Reader(text).images and "<i>" not in text and "<t>" not in text


def test_a_page_that_is_too_large_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"8\.1 MB, above 8; name fewer runs"):
        check_size(b" " * 8_100_000, 2)
    check_size(b" " * 7_900_000, 2)


@pytest.mark.parametrize(
    "flags, message",
    [
        (["none"], r"FileNotFoundError: no config\.json in .*none; name the workdir of a run"),
        (["{run}", "{run}"], r"ValueError: .* named twice"),
        (["{run}", "{other}"], r"ValueError: 2 runs need a folder for their page.*--out DIR"),
        (["{run}", "--out", "{theirs}"], r"ValueError: .*index\.html is no page of this program"),
        (["{run}", "--epoch", "3"], r"--epoch and --eps_max go with --clusters"),
        (["{run}", "--clusters", "{run}"], r"name either runs"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_helps(tmp_path, monkeypatch, flags, message):
    for name in ("run", "other"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text("{}")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "index.html").write_text("<p>a page of somebody else's</p>")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match=message) as stopped:
        main([flag.format(run="run", other="other", theirs="theirs") for flag in flags])
    assert "\n" not in str(stopped.value)


def test_pictures_of_somebody_else_are_not_replaced(tmp_path):
    check_nobodys(tmp_path, ["losses.png"])
    (tmp_path / "losses.png").write_text("mine")
    with pytest.raises(ValueError, match=r"holds losses\.png, but no page .*another --out"):
        check_nobodys(tmp_path, ["a.png", "losses.png"])
    (tmp_path / "index.html").write_text("ours: the page was checked before")
    check_nobodys(tmp_path, ["losses.png"])
