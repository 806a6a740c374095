"""The synthetic set: its layout on disk, its bytes, and what the two modalities share."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from data_prep import synthetic, synthetic_scenes
from data_prep.synthetic_canvas import Pose
from data_prep.synthetic_figure import paint_figure
from data_prep.synthetic_people import LUMA, PATTERN_PERIOD, person_traits

SMALL = {"train_ids": 3, "val_ids": 1, "test_ids": 2, "shots": 2, "height": 64, "width": 32}
INFRARED_CAMERAS = (3, 6)


def digests(root: Path) -> dict[str, str]:
    files = sorted(path for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files
    }


def split_ids(root: Path, split: str) -> list[int]:
    (line,) = (root / "exp" / f"{split}_id.txt").read_text().splitlines()
    return [int(word) for word in line.split(",")]


@pytest.fixture(scope="module")
def small_set(tmp_path_factory):
    return synthetic.generate(
        tmp_path_factory.mktemp("synthetic") / "set", **SMALL, seed=5, workers=1
    )


def test_same_seed_gives_the_same_bytes_whatever_the_number_of_processes(small_set, tmp_path):
    again = synthetic.generate(tmp_path / "again", **SMALL, seed=5, workers=2)
    assert digests(again) == digests(small_set)


def test_another_seed_changes_every_picture(small_set, tmp_path):
    other = digests(synthetic.generate(tmp_path / "other", **SMALL, seed=6))
    mine = digests(small_set)
    pictures = [path for path in mine if path.endswith(".jpg")]
    assert set(mine) == set(other)
    assert all(mine[path] != other[path] for path in pictures)


def test_a_picture_does_not_depend_on_how_many_others_are_drawn(small_set, tmp_path):
    more = digests(synthetic.generate(tmp_path / "more", **{**SMALL, "test_ids": 4}, seed=5))
    mine = digests(small_set)
    assert all(more[path] == mine[path] for path in mine if path.endswith(".jpg"))
    assert len(more) == len(mine) + 2 * 6 * 2


def test_files_lie_exactly_as_in_sysu(small_set):
    pictures = {path for path in digests(small_set) if path.startswith("cam")}
    assert pictures == {
        f"cam{camera}/{identity:04d}/{n:04d}.jpg"
        for camera in range(1, 7)
        for identity in range(1, 7)
        for n in (1, 2)
    }
    rest = set(digests(small_set)) - pictures
    assert rest == {"exp/train_id.txt", "exp/val_id.txt", "exp/test_id.txt", "README.txt"}
    assert "no real person" in (small_set / "README.txt").read_text()
    for path in pictures:
        with Image.open(small_set / path) as picture:
            assert (picture.format, picture.mode, picture.size) == ("JPEG", "RGB", (32, 64))


def test_splits_have_the_asked_sizes_and_share_no_identity(small_set):
    splits = [split_ids(small_set, split) for split in ("train", "val", "test")]
    assert [len(ids) for ids in splits] == [3, 1, 2]
    assert len(set().union(*splits)) == 6
    assert re.fullmatch(r"\d+(,\d+)*\n", (small_set / "exp" / "train_id.txt").read_text())


def test_infrared_pictures_are_grey_and_visible_ones_coloured(small_set):
    for path in small_set.rglob("*.jpg"):
        picture_HWC = np.asarray(Image.open(path)).astype(int)
        spread = (picture_HWC.max(-1) - picture_HWC.min(-1)).mean()
        infrared = int(path.parts[-3].removeprefix("cam")) in INFRARED_CAMERAS
        assert spread == 0 if infrared else spread > 3, (path, spread)


def test_a_plain_garments_colour_does_not_predict_its_infrared_reflectance():
    garments = [
        person_traits(0, identity).materials[name]
        for identity in range(600)
        for name in ("inner", "shoes", "bag", "hat")
    ]
    infrared = np.array([garment.infrared for garment in garments])
    colours = [[garment.rgb[channel] for garment in garments] for channel in range(3)]
    luma = [garment.rgb @ LUMA for garment in garments]
    for visible in (luma, *colours):  # 0.08 is 3.9 standard errors of 2,400 pairs
        assert abs(np.corrcoef(visible, infrared)[0, 1]) < 0.08


def test_a_patterned_garments_visible_level_does_not_predict_its_infrared_level():
    cloths = [person_traits(0, identity).materials["upper"] for identity in range(2400)]
    cloths = [cloth for cloth in cloths if cloth.pattern.kind != "plain"]
    visible = [np.add(cloth.rgb, cloth.second_rgb) @ LUMA / 2 for cloth in cloths]
    infrared = [(cloth.infrared + cloth.second_infrared) / 2 for cloth in cloths]
    assert abs(np.corrcoef(visible, infrared)[0, 1]) < 0.08


def test_a_patterns_contrast_carries_over_and_mostly_which_tone_is_brighter():
    uppers = [person_traits(1, identity).materials["upper"] for identity in range(400)]
    uppers = [cloth for cloth in uppers if cloth.pattern.kind != "plain"]
    visible = np.array([np.subtract(cloth.second_rgb, cloth.rgb) @ LUMA for cloth in uppers])
    infrared = np.array([cloth.second_infrared - cloth.infrared for cloth in uppers])
    np.testing.assert_allclose(np.abs(visible), np.abs(infrared), atol=1e-9)
    assert 0.90 < np.mean(np.sign(visible) == np.sign(infrared)) < 0.99
    assert 0.4 < np.mean(visible > 0) < 0.6


def test_pattern_periods_survive_a_picture_shrunk_to_96_by_48():
    smallest_person = 128 * synthetic_scenes.PERSON_HEIGHT[0]
    assert PATTERN_PERIOD[0] * smallest_person >= 6.0


@pytest.mark.parametrize("view", synthetic_scenes.VIEWS)
def test_no_limb_or_bag_comes_apart_in_any_pose(view):
    rng = np.random.default_rng(0)
    for identity in range(60):
        stride, lean = rng.uniform(-1, 1) * 0.9, rng.uniform(-1, 1) * 0.025
        pose = Pose(view, stride, lean, rng.uniform(0.005, 0.035), 64.0, 16.0, 224.0)
        codes = paint_figure(person_traits(2, identity), pose, height=256, width=128)
        _, pieces = ndimage.label(np.asarray(codes) > 0, structure=np.ones((3, 3)))
        assert pieces == 1, (identity, pose)


def test_an_interrupted_draw_leaves_nothing(tmp_path, monkeypatch):
    calls = []

    def interrupted(**arguments):
        calls.append(arguments)
        if len(calls) == 20:
            raise KeyboardInterrupt
        return synthetic_scenes.draw_picture(**arguments)

    monkeypatch.setattr(synthetic, "draw_picture", interrupted)
    with pytest.raises(KeyboardInterrupt):
        synthetic.generate(tmp_path / "set", **SMALL, workers=1)
    assert len(calls) == 20
    assert list(tmp_path.iterdir()) == []


def test_nothing_stands_at_the_final_name_before_the_set_is_complete(tmp_path, monkeypatch):
    seen = []

    def watching(**arguments):
        seen.append((tmp_path / "set").exists())
        return synthetic_scenes.draw_picture(**arguments)

    monkeypatch.setattr(synthetic, "draw_picture", watching)
    out = synthetic.generate(tmp_path / "set", **SMALL, workers=1)
    assert len(seen) == 72 and not any(seen)
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_that_holds_something_is_refused_with_the_remedy(tmp_path):
    (tmp_path / "keep.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"not empty; give another --out, or remove it"):
        synthetic.generate(tmp_path, **SMALL)
    with pytest.raises(SystemExit, match="give another --out"):
        synthetic.main(["--out", str(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["keep.txt"]


def test_an_empty_folder_is_taken(tmp_path):
    out = tmp_path / "set"
    out.mkdir()
    synthetic.generate(out, **{**SMALL, "shots": 1}, workers=1)
    assert len(list(out.rglob("*.jpg"))) == 36


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layout": "market"}, "choose one of sysu, regdb, llcm, folders"),
        ({"test_ids": 0}, "at least 1"),
        ({"train_ids": 10_000}, "9,999"),
        ({"shots": 0}, "0 shots"),
        ({"height": 8}, "at least 32 x 16"),
        ({"seed": -1}, "seed -1"),
        ({"difficulty": -0.5}, "difficulty -0.5"),
    ],
)
def test_an_impossible_request_is_refused_before_anything_is_written(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        synthetic.generate(tmp_path / "set", **{**SMALL, **change})
    assert list(tmp_path.iterdir()) == []
