"""What the doctor finds by comparing: both modalities, training and test, a list with itself."""

import os
import shutil

import pytest
from PIL import Image

from data_prep.check import diagnose
from data_prep.sources import read_source
from tests.helpers.small_sets import noise

FOLDERS = {  # of each layout: a visible picture folder and an infrared one
    "sysu": ("cam1", "cam3"),
    "regdb": ("Visible", "Thermal"),
    "llcm": ("vis", "nir"),
    "folders": ("visible", "infrared"),
}


def findings_of(layout, root):
    return diagnose(layout, root, read_source(layout, root))


def one_problem(layout, root):
    [problem] = findings_of(layout, root).problems
    return problem


@pytest.fixture(params=FOLDERS)
def layout(request):
    return request.param


@pytest.fixture
def root(drawn, layout, tmp_path):
    return shutil.copytree(drawn[layout], tmp_path / "set")


def pictures_in(folder):
    return sorted(path for path in folder.rglob("*") if path.suffix in (".jpg", ".bmp"))


def test_a_drawn_set_of_any_layout_has_no_overlap(layout, root):
    findings = findings_of(layout, root)
    assert findings.problems == [] and findings.notes == []


@pytest.mark.parametrize("make", [shutil.copy, os.symlink, os.link])
def test_one_picture_under_two_names_in_both_modalities_is_a_problem(layout, root, make):
    visible, infrared = (pictures_in(root / folder)[0] for folder in FOLDERS[layout])
    infrared.unlink()
    make(visible, infrared)
    name = visible.relative_to(root).as_posix()
    assert "1 visible pictures are byte for byte the same as pictures of the infrared" in (
        problem := one_problem(layout, root)
    )
    assert name in problem and infrared.relative_to(root).as_posix() in problem


def test_one_folder_for_both_modalities_is_a_problem(layout, root):
    visible, infrared = (root / folder for folder in FOLDERS[layout])
    if layout in ("regdb", "llcm"):  # their lists name files
        pytest.skip("the lists would name missing pictures")
    (root / "identities.csv").unlink(missing_ok=True)
    shutil.rmtree(infrared)
    infrared.symlink_to(visible)
    assert any("of the infrared" in problem for problem in findings_of(layout, root).problems)


def test_a_picture_of_both_training_and_test_is_a_problem_by_its_bytes(own):
    rows = ["visible/c0/0.png,1", "infrared/c0/0.png,1"]
    (own / "identities.csv").write_text("\n".join(["path,identity", *rows]) + "\n")
    assert findings_of("folders", own).problems == []
    shutil.copy(own / "visible/c0/0.png", own / "visible/c1/other.png")
    assert one_problem("folders", own) == (
        "1 training pictures are byte for byte the same as pictures of the test set, the first is "
        "visible/c1/other.png (visible/c0/0.png); put the right pictures there"
    )


def test_the_same_picture_twice_in_a_modality_and_blank_ones_are_notes(own):
    shutil.copy(own / "visible/c0/0.png", own / "visible/c1/other.png")
    for modality in ("visible", "infrared"):
        Image.new("RGB", (5, 9)).save(own / modality / "black.png")
    findings = findings_of("folders", own)
    assert findings.problems == []
    assert findings.notes == [
        "2 pictures are of a single colour; look at some",
        "1 visible pictures are there twice, byte for byte, the first is visible/c0/0.png and "
        "visible/c1/other.png",
    ]


def edit(file, change):
    lines = file.read_text().splitlines()
    file.write_text("\n".join(change(lines)) + "\n")


@pytest.fixture
def regdb(drawn, tmp_path):
    return shutil.copytree(drawn["regdb"], tmp_path / "regdb")


def test_a_list_of_one_modality_that_names_the_other_is_a_problem(regdb):
    shutil.copy(regdb / "idx/train_visible_3.txt", regdb / "idx/train_thermal_3.txt")
    assert "6 pictures are in BOTH modalities, the first is Visible/" in one_problem("regdb", regdb)


@pytest.mark.parametrize("spelt", ["{}", "./{}"])
def test_a_picture_that_a_list_names_twice_is_a_problem(regdb, spelt):
    edit(regdb / "idx/test_thermal_4.txt", lambda lines: [*lines, spelt.format(lines[0])])
    problem = one_problem("regdb", regdb)
    assert problem.startswith("1 pictures are listed twice in test_infrared of split 4, the first")


def test_people_of_training_and_test_are_a_problem_though_no_picture_is(regdb):
    train, test = (regdb / f"idx/{side}_thermal_2.txt" for side in ("train", "test"))
    moved = train.read_text().splitlines()[0]
    edit(train, lambda lines: lines[1:])
    edit(test, lambda lines: [*lines, moved])
    findings = findings_of("regdb", regdb)
    assert "1 people are in training AND test" in findings.problems[0]
    assert "labels belong to folders of several people" in findings.notes[0]


def test_names_that_some_systems_take_for_one_file_are_noted(own):
    for number, name in enumerate(("Ren\u00e9.png", "rene\u0301.png")):
        noise(20 + number).save(own / "visible" / name)
    [note] = findings_of("folders", own).notes
    assert note.startswith("2 names differ only in letter case or in how accents are written")


def test_what_is_left_out_is_counted_by_extension_in_every_layout(layout, root):
    visible, infrared = (root / folder for folder in FOLDERS[layout])
    for number in range(3):
        (visible / f"{number}.webp").touch()
        (pictures_in(infrared)[0].parent / f"{number}.TIF").touch()
    (visible / "a.jfif").touch()
    (visible / ".DS_Store").touch()
    os.mkfifo(infrared / "pipe.jpg")
    [note] = findings_of(layout, root).notes
    assert note == (
        "left out: 3 .tif, 3 .webp, 1 .jfif, 1 hidden, 1 pipes or devices; to have them read, "
        "convert pictures to JPEG or PNG and rename a JPEG to .jpg"
    )


@pytest.mark.parametrize("layout", ["sysu", "regdb", "llcm"], indirect=True)
def test_pictures_that_no_list_names_are_counted(layout, root):
    shutil.copy(pictures_in(root / FOLDERS[layout][0])[0], root / FOLDERS[layout][1] / "x.jpg")
    assert findings_of(layout, root).notes == ["left out: 1 .jpg that no list names"]


def test_a_folder_that_cannot_be_looked_through_is_a_problem(regdb, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if os.path.basename(path) == "Thermal":
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    assert "cannot read the folder Thermal: [Errno 13] Permission denied" in (
        one_problem("regdb", regdb)
    )


def test_a_readme_that_is_a_pipe_is_not_waited_for(own):
    os.mkfifo(own / "README.txt")
    assert findings_of("folders", own).problems == []


def swapped(root, one, other):
    (root / one).rename(root / "between")
    (root / other).rename(root / one)
    (root / "between").rename(root / other)


@pytest.mark.parametrize(("layout", "infrared"), [("regdb", "thermal"), ("llcm", "nir")])
def test_lists_of_the_two_modalities_in_each_others_place_are_a_problem(
    drawn, tmp_path, layout, infrared
):
    root = shutil.copytree(drawn[layout], tmp_path / "set")
    for path in list(root.glob(f"idx/*_{infrared}*.txt")):
        visible = path.name.replace(infrared, {"nir": "vis"}.get(infrared, "visible"))
        swapped(root, f"idx/{path.name}", f"idx/{visible}")
    problems = findings_of(layout, root).problems
    assert len(problems) == 2
    assert "listed as visible lie in a folder of the other modality" in problems[0]
    assert "listed as infrared lie in a folder of the other modality" in problems[1]


def test_a_camera_that_is_a_link_to_another_is_a_problem(drawn, tmp_path):
    root = shutil.copytree(drawn["sysu"], tmp_path / "set")
    shutil.rmtree(root / "cam2")
    (root / "cam2").symlink_to("cam1")
    assert "cam1 and cam2 are one folder, by a link" in one_problem("sysu", root)
