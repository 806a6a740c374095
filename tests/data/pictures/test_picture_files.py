"""Picture files from strangers: bombs, disguises and torn files are refused by name."""

import io
import os
import resource
import struct
import zipfile
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile
from PIL.PngImagePlugin import PngInfo

from data_prep.contact_sheet import draw_sheet, main
from data_prep.health import examine, examine_all
from data_prep.pictures_builder import storable
from pclhd_jax.data.lists import Pictures
from pclhd_jax.data.pictures.decode import PictureForm, load_pictures, resize_array
from pclhd_jax.data.pictures.picture_files import MAX_BYTES, open_picture
from pclhd_jax.data.pictures.source import open_raw

FORM = PictureForm(12, 6, "bicubic")


def png(width, height, *, depth=8, color=0, rows=b""):
    """A PNG by hand: its header may promise any size."""

    def chunk(kind, data):
        checksum = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + checksum

    header = struct.pack(">IIBBBBB", width, height, depth, color, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def bmp(width, height):
    """A BMP's headers, and no pixels."""
    info = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54, 0, 0, 54) + info


def saved(kind, **options):
    noise = np.random.default_rng(0).integers(0, 256, (30, 20, 3), np.uint8)
    data = io.BytesIO()
    Image.fromarray(noise).save(data, kind, **options)
    return data.getvalue()


def zipped():
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("0001.jpg", saved("JPEG"))
    return data.getvalue()


@pytest.fixture
def own(tmp_path):
    """One picture of each modality; the test spoils visible/a.jpg."""
    for modality in ("visible", "infrared"):
        (tmp_path / modality).mkdir()
        (tmp_path / modality / "a.jpg").write_bytes(saved("JPEG"))
    return tmp_path


def load(root):
    zeros = np.zeros(1, np.int32)
    return load_pictures(Pictures(str(root), ("visible/a.jpg",), zeros, zeros), FORM)


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (png(10_000, 5_001), "50,010,000 pixels"),
        (png(10_000, 10_000), "100,000,000 pixels"),  # Pillow only warns
        (png(20_000, 20_000), "400,000,000 pixels"),  # Pillow refuses
        (png(2**31 - 1, 2**31 - 1), "4,611,686,014,132,420,609 pixels"),
        (bmp(30_000, 30_000), "900,000,000 pixels"),
        (bmp(10_000, 6_000), "60,000,000 pixels"),
    ],
    ids=["50 M", "100 M", "400 M", "4 E", "bmp 900 M", "bmp 60 M"],
)
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_refused_by_its_size_wherever_it_is_opened(own, data, size):
    (own / "visible/a.jpg").write_bytes(data)
    message = f"{size}, the limit is 50,000,000; crop the person"
    with pytest.raises(ValueError, match=rf"picture .*visible/a\.jpg has {message}"):
        load(own)
    assert examine(own / "visible/a.jpg").problem.startswith(message)
    (own / "cam1/0001").mkdir(parents=True)
    (own / "visible/a.jpg").rename(own / "cam1/0001/0001.jpg")
    with pytest.raises(ValueError, match=rf"cannot show .*0001\.jpg \({message}"):
        draw_sheet(own, 1)
    if data.startswith(b"BM"):
        with pytest.raises(ValueError, match=message):
            storable(data)


def test_the_largest_picture_taken_is_opened():
    with open_picture(png(10_000, 5_000)) as picture:
        assert picture.size == (10_000, 5_000)


def test_the_limit_stays_when_pillows_is_switched_off(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(ValueError, match=r"400,000,000 pixels, the limit is 50,000,000"):
        open_picture(png(20_000, 20_000))


def test_a_file_of_gigabytes_is_not_read_into_memory(own):
    os.truncate(own / "visible/a.jpg", MAX_BYTES + 1)  # a hole: it takes no room on disk
    limit = "268,435,457 bytes, the limit is 268,435,456"
    with pytest.raises(ValueError, match=rf"visible/a\.jpg has {limit}"):
        load(own)
    with pytest.raises(ValueError, match=limit):
        open_raw("folders", own).read("train_visible", 0)
    assert examine(own / "visible/a.jpg").problem.startswith(limit)


DISGUISED = {
    **{kind: saved(kind) for kind in ("GIF", "TIFF", "WEBP", "PPM", "ICO", "PDF", "EPS")},
    "SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><rect width="9" height="9"/></svg>',
    "zip": zipped(),
    "text": b"cam1/0001/0001.jpg 1\n",
    "web page": b"<!DOCTYPE html><title>quota exceeded</title>",
    "nothing": b"",
    "zeros": bytes(4096),
    "jpeg's first bytes": saved("JPEG")[:3],
    "png's first bytes": saved("PNG")[:8],
}


@pytest.mark.parametrize("kind", DISGUISED)
def test_what_is_only_named_like_a_picture_is_refused(own, kind):
    (own / "visible/a.jpg").write_bytes(DISGUISED[kind])
    with pytest.raises(ValueError, match=r"cannot read picture .*visible/a\.jpg .*copy it again"):
        load(own)
    assert examine(own / "visible/a.jpg").problem


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP"])
def test_the_content_counts_and_not_the_name(own, kind):
    (own / "visible/a.jpg").write_bytes(saved(kind))
    assert load(own).shape == (1, 12, 6, 3)
    assert examine(own / "visible/a.jpg").problem == ""


@pytest.mark.parametrize(
    ("kind", "fill"),
    [("JPEG", b""), ("PNG", b""), ("BMP", b""), ("JPEG", b"\0"), ("PNG", b"\0")],
    ids=["jpeg cut", "png cut", "bmp cut", "jpeg with zeros at its end", "png with zeros"],
)
def test_a_picture_that_ends_early_is_refused(own, kind, fill):
    data = saved(kind)
    half = len(data) // 2
    (own / "visible/a.jpg").write_bytes(data[:half] + fill * half)
    with pytest.raises(ValueError, match=r"cannot read picture .*visible/a\.jpg"):
        load(own)


def test_truncated_pictures_are_never_filled_with_grey(own, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    with pytest.raises(ValueError, match=r"LOAD_TRUNCATED_IMAGES is on.*set it to False"):
        load(own)
    with pytest.raises(ValueError, match="LOAD_TRUNCATED_IMAGES is on"):
        examine_all(own, ["visible/a.jpg"])
    with pytest.raises(ValueError, match="LOAD_TRUNCATED_IMAGES is on"):
        draw_sheet(own, 1)


def test_of_sixteen_bit_colour_the_upper_eight_bits_are_taken(own):
    row = b"\0" + struct.pack(">3H", 0x12FF, 0x8000, 0xFF01) * 6
    (own / "visible/a.jpg").write_bytes(png(6, 12, depth=16, color=2, rows=row * 12))
    assert (load(own) == (0x12, 0x80, 0xFF)).all()
    grey = b"\0" + struct.pack(">H", 0x12FF) * 6
    (own / "visible/a.jpg").write_bytes(png(6, 12, depth=16, rows=grey * 12))
    with pytest.raises(ValueError, match="deeper than 8 bits"):
        load(own)


def test_cmyk_becomes_rgb_as_pillow_converts_it(own):
    noise = np.random.default_rng(0).integers(0, 256, (12, 6, 4), np.uint8)
    Image.fromarray(noise, "CMYK").save(own / "visible/a.jpg")
    with Image.open(own / "visible/a.jpg") as picture:
        expected = np.asarray(picture.convert("RGB"))
    np.testing.assert_array_equal(load(own)[0], expected)


def test_a_picture_of_one_long_row_is_refused_before_it_takes_memory(own):
    (own / "visible/a.jpg").write_bytes(png(40_000_000, 1, rows=bytes(40_000_001)))
    limit = "40,000,000 x 1 pixels, the limit of a side is 65,535; crop"
    with pytest.raises(ValueError, match=rf"picture .*visible/a\.jpg has {limit}"):
        load(own)
    assert examine(own / "visible/a.jpg").problem.startswith(limit)
    with pytest.raises(ValueError, match=limit):
        resize_array(np.zeros((1, 40_000_000), np.uint8), FORM)


def test_the_longest_row_that_is_taken_needs_little_memory(own):
    (own / "visible/a.jpg").write_bytes(png(65_535, 1, rows=bytes(65_536)))
    tracked = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    load(own)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - tracked < 100_000  # KB


def test_a_pipe_or_a_device_is_never_waited_for(own):
    for make, kind in ((os.mkfifo, "a pipe"), (link_to_zero, "a device"), (os.mkdir, "a folder")):
        path = own / "visible/a.jpg"
        path.unlink() if not path.is_dir() else path.rmdir()
        make(path)
        with pytest.raises(ValueError, match=rf"a\.jpg has no content, because it is {kind}"):
            load(own)
        assert kind in examine(path).problem


def link_to_zero(path):
    path.symlink_to("/dev/zero")


def test_a_jpeg_of_hundreds_of_scans_is_refused_and_a_progressive_one_is_taken(own):
    progressive = saved("JPEG", progressive=True)
    assert 5 < progressive.count(b"\xff\xda") < 20
    (own / "visible/a.jpg").write_bytes(progressive)
    assert load(own).shape == (1, 12, 6, 3)
    last = progressive.rindex(b"\xff\xda")
    scan, end = progressive[last:-2], progressive[-2:]
    (own / "visible/a.jpg").write_bytes(progressive[:last] + scan * 200 + end)
    with pytest.raises(ValueError, match="more than 100 scans, which take minutes to decode"):
        load(own)


def test_of_a_picture_of_several_frames_the_first_is_taken(own):
    frames = [Image.new("RGB", (6, 12), color) for color in ("red", "blue")]
    frames[0].save(own / "visible/a.jpg", "MPO", save_all=True, append_images=frames[1:])
    assert (load(own)[0, :, :, 0] > 200).all()


def test_text_in_a_png_that_swells_to_gigabytes_is_refused(own):
    text = PngInfo()
    text.add_text("comment", "x" * 50_000_000, zip=True)
    Image.new("RGB", (6, 12)).save(own / "visible/a.jpg", "PNG", pnginfo=text)
    assert os.path.getsize(own / "visible/a.jpg") < 100_000
    with pytest.raises(ValueError, match=r"cannot read picture .*Decompressed data too large"):
        load(own)


def test_a_contact_sheet_takes_nobodys_place_and_is_its_owners(tmp_path, monkeypatch):
    monkeypatch.delenv("PCLHD_GROUP_READABLE", raising=False)
    folder = tmp_path / "set/cam1/0001"
    folder.mkdir(parents=True)
    (folder / "0001.jpg").write_bytes(saved("JPEG"))
    (tmp_path / "mine.png").write_text("precious")
    (tmp_path / "link.png").symlink_to("nothing")
    for name, words in {"mine.png": "there", "link.png": "there", "x.txt": "ends in .png"}.items():
        with pytest.raises(SystemExit) as end:
            main([str(tmp_path / "set"), "--out", str(tmp_path / name)])
        assert words in str(end.value)
    main([str(tmp_path / "set"), "--out", str(tmp_path / "new.png")])
    assert (tmp_path / "new.png").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "mine.png").read_text() == "precious"
    assert not (tmp_path / "nothing").exists() and not (tmp_path / "x.txt").exists()
