"""The folders that a layout names say of which modality a picture is."""

import pytest

from pclhd_jax.data.places import both_modalities, modality_of, tell_others
from tests.helpers.small_sets import TINY


@pytest.mark.parametrize(
    ("path", "modality"),
    [
        ("set/visible/a.jpg", "visible"),
        ("set/Infrared/cam1/a.jpg", "infrared"),
        ("set/Thermal/7/a.bmp", "infrared"),
        ("set/test_nir/cam2/0001/a.jpg", "infrared"),
        ("set/infrared/visible/a.jpg", "visible"),  # the nearest
        ("set/cam3/0001/a.jpg", None),  # whose camera 3?
        ("marked/cam3/0001/a.jpg", "infrared"),
        ("marked/cam4/0001/a.jpg", "visible"),
        ("set/invisible/a.jpg", None),
        ("visible.jpg", None),
    ],
)
def test_the_nearest_folder_of_such_a_name_says_it(tmp_path, path, modality):
    (tmp_path / "marked/exp").mkdir(parents=True)
    assert modality_of(tmp_path / path) == modality


def test_pictures_of_the_other_modality_are_counted_in_a_line(tmp_path):
    paths = [f"{tmp_path}/s/{name}/a.jpg" for name in ("visible", "infrared", "thermal", "x")]
    assert tell_others(paths, "visible") == (
        "2 of 4 pictures are in a folder of infrared pictures and go through the visible stem, the "
        f"first is {paths[1]}; if they are infrared, give the modality infrared"
    )
    assert tell_others(paths[:1], "visible") == ""
    assert tell_others(paths[:1], "infrared").startswith("1 of 1 pictures are in a folder of visi")


@pytest.mark.parametrize("layout", ["sysu", "regdb", "llcm", "folders"])
@pytest.mark.parametrize("deeper", ["", "data/of/mine"])
def test_a_set_of_any_layout_is_seen_at_any_depth(tmp_path, layout, deeper):
    from data_prep.synthetic import generate
    from pclhd_jax.data.walk import pictures_below

    root = generate(tmp_path / deeper / "set", layout=layout, **TINY)
    both = both_modalities(tmp_path, pictures_below(tmp_path))
    assert both.folder == str(root) and both.layout == layout
    for modality in ("visible", "infrared"):
        for folder in both.folders[modality]:
            assert both_modalities(root / folder, pictures_below(root / folder)) is None
            assert modality_of(root / folder / "a.jpg") == modality


def test_folders_of_one_modality_are_no_set(tmp_path):
    assert both_modalities(tmp_path, ["visible/a.jpg", "other/b.jpg", "c.jpg"]) is None
    assert both_modalities(tmp_path, ["cam1/a.jpg", "cam3/b.jpg"]) is None
    assert both_modalities(tmp_path, ["visible/a.jpg", "x/infrared/b.jpg"]) is None
