"""The doctor: the numbers of the published sets, bad files by name, and what is only odd."""

import shutil

import numpy as np
import pytest
from PIL import Image

from data_prep import check
from data_prep.check import diagnose, missing_listed
from data_prep.counts import Row, table, wrong_copy
from data_prep.health import Health, examine
from data_prep.sources import read_source
from data_prep.synthetic import generate
from pclhd_jax.data.layout import Count
from pclhd_jax.data.lists import Pictures
from pclhd_jax.data.pictures.decode import PictureForm, load_pictures
from tests.helpers.fake_sysu import WRONG, fake_sysu

TINY = dict(train_ids=4, val_ids=2, test_ids=2, shots=1, height=32, width=16, workers=1)


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    return fake_sysu(tmp_path_factory.mktemp("full") / "sysu")


@pytest.fixture
def tiny(tmp_path):
    """A few people in SYSU-MM01's layout, without the note that says they are synthetic."""
    root = generate(tmp_path / "sysu", **TINY)
    (root / "README.txt").unlink()
    return root


@pytest.fixture
def folders(tmp_path):
    """A good picture of each modality in folders of one's own."""
    for seed, modality in ((100, "visible"), (101, "infrared")):
        (tmp_path / "own" / modality).mkdir(parents=True)
        noise(seed).save(tmp_path / "own" / modality / "good.png")
    return tmp_path / "own"


@pytest.fixture
def unopened(monkeypatch):
    """Counting alone: 44,745 pictures of a full-size set take five seconds to open."""
    monkeypatch.setattr(
        check, "examine_all", lambda _, paths, **__: [Health("", "RGB")] * len(paths)
    )


def noise(seed, mode="RGB"):
    pixels_HWC = np.random.default_rng(seed).integers(0, 256, (40, 20, 3), np.uint8)
    return Image.fromarray(pixels_HWC).convert(mode)


def findings_of(layout, root, **options):
    return diagnose(layout, root, read_source(layout, root, **options))


def test_a_full_size_sysu_has_the_published_numbers(full, capsys):
    check.main(["sysu", "--source", str(full)])  # a mismatch would exit
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    for row in (
        "train + val visible all 395 395 22,258 22,258",
        "train + val infrared all 395 395 11,909 11,909",
        "test visible all 96 96 6,775 6,775",
        "test visible 4 96 - 1,918 1,918",
        "test infrared all 96 96 3,803 3,803",
        "val infrared all 99 99 1,980 1,980",
        "nothing is wrong",
    ):
        assert row.split() in lines


def test_the_known_wrong_conversion_is_recognised(tmp_path, unopened):
    findings = findings_of("sysu", fake_sysu(tmp_path / "wrong", WRONG))
    assert "known wrong conversion" in findings.problems[0]
    assert "367 identities and 11,333 pictures" in findings.problems[0]
    assert any(
        "train_id.txt, infrared: no picture of 28 identities, 269, 270" in note
        for note in findings.notes
    )


@pytest.mark.parametrize("found", [Count(367, 11_000), Count(390, 11_333)])
def test_either_number_gives_the_wrong_conversion_away(found):
    nothing = Count(None, None)
    assert wrong_copy("sysu", [Row("train + val", "infrared", None, found, nothing)])
    assert not wrong_copy("sysu", [Row("test", "infrared", None, found, nothing)])
    assert not wrong_copy("llcm", [Row("train + val", "infrared", None, found, nothing)])


def test_one_lost_picture_fails_the_check_unless_partial_sets_are_allowed(
    full, tmp_path, capsys, unopened
):
    root = tmp_path / "less"
    shutil.copytree(full, root, copy_function=lambda a, b: (tmp_path / b).hardlink_to(a))
    (root / "cam6/0450/0001.jpg").unlink()
    with pytest.raises(SystemExit) as exit_:
        check.main(["sysu", "--source", str(root)])
    assert exit_.value.code == 1
    out = capsys.readouterr().out
    starred = [line.split() for line in out.splitlines() if line.endswith("*")]
    assert [row[:3] for row in starred] == [["test", "infrared", "all"], ["test", "infrared", "6"]]
    assert "PROBLEM: 2 of " in out
    check.main(["sysu", "--source", str(root), "--allow_partial"])
    assert "accepted: 2 of " in capsys.readouterr().out


def test_another_set_in_sysu_layout_is_not_taken_for_sysu(tiny):
    findings = findings_of("sysu", tiny)
    assert "differ from the published numbers" in findings.problems[0]


def test_nothing_is_expected_of_the_synthetic_set(tmp_path):
    root = generate(tmp_path / "drawn", **TINY)
    assert findings_of("sysu", root).problems == []


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda data: b"", "zero bytes"),
        (lambda data: data[: len(data) // 2], "truncated"),
        (lambda data: b"<html>quota exceeded</html>", "not a jpeg, png or bmp picture"),
    ],
    ids=["empty", "half", "web page"],
)
def test_an_unreadable_file_is_named_with_its_reason(folders, damage, why):
    bad = folders / "visible/bad.jpg"
    noise(1).save(bad)
    bad.write_bytes(damage(bad.read_bytes()))
    findings = findings_of("folders", folders)
    [(path, reason)] = findings.unreadable
    assert path == "visible/bad.jpg" and why in reason.lower()
    assert "1 of 3 pictures cannot be read" in findings.problems[0]
    assert "unreadable: visible/bad.jpg" in findings.text()


def test_many_unreadable_files_are_counted_and_the_first_are_named(folders):
    for number in range(25):
        (folders / f"visible/{number:02}.jpg").touch()
    text = findings_of("folders", folders).text()
    assert "visible/19.jpg" in text and "visible/20.jpg" not in text
    assert "unreadable: 5 more" in text


@pytest.mark.parametrize(
    ("mode", "note"),
    [("L", "1 pictures are grey"), ("CMYK", "1 pictures are CMYK"), ("P", "palette")],
)
def test_a_picture_that_is_not_rgb_is_taken_and_counted(folders, mode, note):
    noise(1, mode).save(folders / f"visible/odd.{'jpg' if mode == 'CMYK' else 'png'}")
    findings = findings_of("folders", folders)
    assert findings.problems == [] and findings.unreadable == []
    assert len(findings.notes) == 1 and note in findings.notes[0]


def test_a_rotated_picture_is_counted_and_the_loader_does_not_turn_it(folders):
    exif = Image.Exif()
    exif[0x0112] = 6  # quarter turn
    noise(1).save(folders / "visible/rotated.png", exif=exif)
    assert "1 pictures are marked as rotated" in findings_of("folders", folders).notes[0]
    zeros = np.zeros(1, np.int32)
    listed = Pictures(str(folders), ("visible/rotated.png",), zeros, zeros)
    loaded = load_pictures(listed, PictureForm(40, 20, "bicubic"))[0]
    np.testing.assert_array_equal(loaded, np.asarray(noise(1)))


def test_the_doctor_and_the_loader_agree_on_every_kind_of_file(tmp_path):
    for mode in ("RGB", "L", "1", "P", "RGBA", "LA"):
        noise(1, mode).save(tmp_path / f"{mode}.png")
    for mode in ("RGB", "L", "CMYK"):
        noise(1, mode).save(tmp_path / f"{mode}.jpg")
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "deep.png")
    noise(1).save(tmp_path / "animation.gif")
    (tmp_path / "animation.gif").rename(tmp_path / "gif.jpg")
    for suffix in ("png", "jpg", "bmp"):
        noise(1).save(tmp_path / f"whole.{suffix}")
        data = (tmp_path / f"whole.{suffix}").read_bytes()
        (tmp_path / f"half.{suffix}").write_bytes(data[: len(data) // 2])
        (tmp_path / f"no.{suffix}").touch()
    zeros = np.zeros(1, np.int32)
    refused = set()
    for path in sorted(tmp_path.iterdir()):
        try:
            listed = Pictures(str(tmp_path), (path.name,), zeros, zeros)
            load_pictures(listed, PictureForm(8, 4, "bicubic"))
        except ValueError:
            refused.add(path.name)
    assert refused == {p.name for p in tmp_path.iterdir() if examine(p).problem}
    assert len(refused) == 8  # deep, gif, three halves, three empty ones


def test_missing_pictures_of_a_list_are_named(tmp_path, capsys):
    root = generate(tmp_path / "regdb", layout="regdb", **TINY)
    lost = sorted(p.relative_to(root).as_posix() for p in (root / "Visible").rglob("*.bmp"))[:2]
    for path in lost:
        (root / path).unlink()
    assert missing_listed("regdb", root) == lost
    with pytest.raises(SystemExit, match=f"(?s)not on disk.*missing: {lost[0]}.*{lost[1]}"):
        check.main(["regdb", "--source", str(root), "--allow_partial"])


def test_a_missing_split_file_fails_the_check_even_for_partial_sets(tiny):
    (tiny / "exp/test_id.txt").unlink()
    with pytest.raises(SystemExit, match=r"test_id\.txt is missing"):
        check.main(["sysu", "--source", str(tiny), "--allow_partial"])


def test_pictures_of_training_and_test_at_once_are_a_problem(tiny):
    (tiny / "exp/val_id.txt").write_text((tiny / "exp/test_id.txt").read_text())
    assert any("in training AND test" in problem for problem in findings_of("sysu", tiny).problems)


def test_the_brief_table_keeps_a_later_trial_that_differs(tmp_path):
    root = generate(tmp_path / "regdb", layout="regdb", **TINY)
    rows = check.check("regdb", root).rows
    assert "train 1 " in table(rows, brief=True) and "train 7 " not in table(rows, brief=True)
    (root / "README.txt").unlink()
    assert "train 7 " in table(check.check("regdb", root).rows, brief=True)


def test_a_prepared_folder_is_not_a_source_to_check(tmp_path):
    for name, text in (("metadata.json", '{"trials": {}}'), ("dataset_info.json", "{}")):
        (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match="is a prepared set; give --source the folder it was made"):
        check.check("sysu", tmp_path)
