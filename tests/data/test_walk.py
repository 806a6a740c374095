"""Looking through folders: every picture, in order, and a count of what is passed over."""

import os

import pytest

from pclhd_jax.data.walk import (
    MAX_DEPTH,
    camera_folders,
    look_below,
    pictures_below,
    tell_left_out,
)


@pytest.fixture
def root(tmp_path):
    for path in ("b/2.JPG", "b/10.png", "a.jpg", "a.jpg.d/x.bmp", "folder.jpg/y.jpeg"):
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).touch()
    return tmp_path


def test_pictures_are_sorted_by_their_path_whatever_a_folder_is_called(root):
    found = ["a.jpg", "a.jpg.d/x.bmp", "b/10.png", "b/2.JPG", "folder.jpg/y.jpeg"]
    assert pictures_below(root) == found
    assert pictures_below(root, "b") == ["b/10.png", "b/2.JPG"]


def test_what_is_left_out_is_counted_by_its_kind(root):
    for name in ("1.webp", "2.WEBP", "b/3.webp", "x.tif", "y.jfif", "Thumbs.db", "notes"):
        (root / name).touch()
    for name in (".DS_Store", "._a.jpg", "b/.hidden.jpg"):
        (root / name).touch()
    (root / ".git").mkdir()
    (root / ".git/z.jpg").touch()
    os.mkfifo(root / "pipe.jpg")
    (root / "zero.jpg").symlink_to("/dev/zero")
    below = look_below(root)
    assert len(below.pictures) == 5
    assert tell_left_out(below.left_out) == (
        "4 hidden, 3 .webp, 2 pipes or devices, 1 .db, 1 .jfif, 1 .tif, 1 without extension"
    )
    assert tell_left_out(below.left_out, 2) == "4 hidden, 3 .webp, 6 of other kinds"


def test_an_extension_that_steers_a_terminal_is_shown_as_text(tmp_path):
    (tmp_path / "a.\x1b[2J").touch()
    assert tell_left_out(look_below(tmp_path).left_out) == r"1 .\x1b[2j"


def test_folders_within_folders_without_end_are_refused(tmp_path):
    here = os.open(tmp_path, os.O_RDONLY)
    for _ in range(MAX_DEPTH + 1):
        os.mkdir("d", dir_fd=here)
        below = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)
    with pytest.raises(
        ValueError, match=rf"folders nested more than {MAX_DEPTH} deep, the first is d/d"
    ):
        look_below(tmp_path)
    # pytest's own clean-up calls itself for every folder, and may run out of calls.
    for folder, *_ in os.walk(tmp_path, topdown=False):
        if folder != os.fspath(tmp_path):
            os.rmdir(folder)


def test_links_in_a_circle_end_and_no_folder_is_visited_twice(root):
    (root / "again").symlink_to("b")
    (root / "b/round").symlink_to(root)
    assert pictures_below(root)[2:4] == ["again/10.png", "again/2.JPG"]
    assert len(pictures_below(root)) == 5


def test_a_folder_that_cannot_be_read_is_an_error_with_its_name(root, monkeypatch):
    scandir = os.scandir

    def refuse(path):
        if os.path.basename(path) == "b":
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(PermissionError, match="/b'"):
        look_below(root)


@pytest.mark.parametrize("place", ["cam1", "cam1/0002"])
@pytest.mark.parametrize(
    "make", [os.mkfifo, lambda path: path.touch(), lambda p: p.symlink_to("x")]
)
def test_a_file_or_a_broken_link_in_a_folders_place_is_not_a_camera_that_saw_nobody(
    tmp_path, place, make
):
    assert camera_folders(tmp_path, [1, 2], {1: "cam1"}) == []
    (tmp_path / place).parent.mkdir(exist_ok=True)
    make(tmp_path / place)
    with pytest.raises(ValueError, match=f"{place} is a (.*, not a folder|broken link)"):
        camera_folders(tmp_path, [1, 2], {1: "cam1"})
