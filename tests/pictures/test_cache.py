"""The picture cache: the same pixels as without it, and never a stale or torn one."""

import multiprocessing
import os
import re
import signal
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image

from pclhd_jax.data.lists import Pictures
from pclhd_jax.pictures import cache_file
from pclhd_jax.pictures.cache import cached_pictures
from pclhd_jax.pictures.cache_file import HEADER_BYTES
from pclhd_jax.pictures.decode import load_pictures
from pclhd_jax.pictures.stamps import Stamp

FORM = {"height": 12, "width": 6, "resample": "bicubic"}
COUNT = 5


def draw(path, seed):
    noise = np.random.default_rng(seed).integers(0, 256, (30, 20, 3), np.uint8)
    Image.fromarray(noise).save(path)


def listed(root, names):
    zeros = np.zeros(len(names), np.int32)
    return Pictures(str(root), tuple(names), zeros, zeros)


@pytest.fixture
def pictures(tmp_path):
    root = tmp_path / "set"
    root.mkdir()
    for i in range(COUNT):
        draw(root / f"{i}.png", i)
    return listed(root, [f"{i}.png" for i in range(COUNT)])


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "cache"


class Cache:
    """Calls with the lines that were told and the pictures that were decoded."""

    def __init__(self, pictures, folder):
        self.pictures, self.folder = pictures, folder

    def __call__(self, **change):
        self.told, self.decoded = [], []
        options = {**FORM, "folder": self.folder, "pictures": self.pictures, **change}
        chosen = options.pop("pictures")

        def read(index):
            self.decoded.append(index)
            with open(os.path.join(chosen.root, chosen.paths[index]), "rb") as file:
                return file.read()

        return cached_pictures(chosen, read, tell=self.told.append, **options)

    def file(self):
        """The file, made writable: those who damage it may be another user or root."""
        (path,) = self.folder.glob("*.pictures")
        path.chmod(0o644)
        return path


@pytest.fixture
def cache(pictures, folder):
    return Cache(pictures, folder)


@pytest.mark.parametrize("resample", ["bicubic", "lanczos"])
def test_the_mapped_pictures_are_those_of_load_pictures_bit_for_bit(cache, pictures, resample):
    expected = load_pictures(pictures, **{**FORM, "resample": resample})
    for _ in range(2):  # as built, as found
        images = cache(resample=resample)
        np.testing.assert_array_equal(images, expected)
        assert (images.dtype, type(images)) == (np.uint8, np.ndarray)


def test_a_second_run_decodes_nothing_and_says_nothing(cache):
    cache()
    assert sorted(cache.decoded) == list(range(COUNT)) and cache.told == []
    cache()
    assert cache.decoded == [] == cache.told


def test_the_pictures_are_mapped_and_cannot_be_written(cache):
    images = cache()
    with pytest.raises(ValueError, match="read-only"):
        images[0] = 0
    with cache.file().open("r+b") as file:
        file.seek(HEADER_BYTES)
        file.write(bytes([images[0, 0, 0, 0] ^ 255]))
    # A copy in memory would not see it.
    assert images[0, 0, 0, 0] == np.fromfile(cache.file(), np.uint8)[HEADER_BYTES]


def test_without_a_folder_nothing_is_written(cache, pictures, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    np.testing.assert_array_equal(cache(folder=""), load_pictures(pictures, **FORM))
    assert sorted(tmp_path.rglob("*")) == before


def test_sizes_filters_names_and_folders_of_pictures_have_a_file_each(cache, pictures, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    draw(other / "0.png", 99)
    changes = [{}, {"height": 13}, {"resample": "lanczos"}, {"name": "test"}]
    for change in [*changes, {"pictures": listed(other, ["0.png"])}]:
        cache(**change)
        assert cache.told == []
    for change in changes:
        cache(**change)
        assert cache.decoded == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("bytes", "another source"),
        ("order", "another list of pictures"),
        ("fewer", "another shape .*, list of pictures"),
        ("stamp", r"another source \(there .*, now moved\)"),
        ("pillow", r"another Pillow \(there .*, now 0\.0\)"),
    ],
)
def test_a_stale_file_is_rebuilt_with_the_reason(cache, pictures, monkeypatch, change, message):
    cache()
    new = {}
    if change == "bytes":
        draw(os.path.join(pictures.root, "3.png"), 77)
        os.utime(os.path.join(pictures.root, "3.png"), ns=(1, 1))
    elif change == "order":
        new["pictures"] = pictures.take([1, 0, 2, 3, 4])
    elif change == "fewer":
        new["pictures"] = pictures.take([1, 2])
    elif change == "stamp":
        new["stamp"] = Stamp("moved", 0)
    else:
        monkeypatch.setattr(PIL, "__version__", "0.0")
    images = cache(**new)
    assert len(cache.told) == 1 and re.search(message, cache.told[0])
    assert cache.told[0].endswith("decoding again")
    np.testing.assert_array_equal(images, load_pictures(new.get("pictures", pictures), **FORM))
    cache(**new)
    assert cache.told == [] == cache.decoded


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda data: data[:-1], r"it has 5,175 bytes of 5,176"),
        (lambda data: data + b"x", r"it has 5,177 bytes of 5,176"),
        (lambda data: data[:100], "the header is damaged"),
        (lambda data: b"", "the header is damaged"),
        (lambda data: data.replace(b'"filter"', b'"filler"', 1), "the header is damaged"),
        (lambda data: data.replace(b'{"format": 2', b'{"format": 3', 1), "the header is damaged"),
        (lambda data: bytes(HEADER_BYTES) + data[HEADER_BYTES:], "the header is damaged"),
        (lambda data: b"[]" + data[2:], "the header is damaged"),
        (lambda data: b"[" * HEADER_BYTES + data[HEADER_BYTES:], "the header is damaged"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "the pixels are damaged"),
        (lambda data: data[:HEADER_BYTES] + bytes(1080), "the pixels are damaged"),
    ],
)
def test_a_torn_or_damaged_file_is_rebuilt_with_the_reason(cache, damage, message):
    whole = cache().copy()
    file = cache.file()
    data = file.read_bytes()
    file.write_bytes(damage(data))
    np.testing.assert_array_equal(cache(), whole)
    assert len(cache.told) == 1 and re.search(message, cache.told[0])
    assert file.read_bytes() == data


def test_a_running_process_keeps_its_pictures_while_another_replaces_the_file(cache):
    images = cache()
    before = images.copy()
    draw(os.path.join(cache.pictures.root, "0.png"), 55)
    os.utime(os.path.join(cache.pictures.root, "0.png"), ns=(1, 1))
    assert (cache()[0] != before[0]).any()
    np.testing.assert_array_equal(images, before)


@pytest.mark.parametrize("loss", ["removed", "renamed", "replaced"])
def test_mapped_pictures_outlive_their_files_name(cache, loss):
    images = cache()
    before = images.copy()
    if loss == "removed":
        cache.file().unlink()
    elif loss == "renamed":
        cache.file().rename(cache.folder / "elsewhere")
    else:
        (cache.folder / "other").write_bytes(bytes(100))
        (cache.folder / "other").replace(cache.file())
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(cache(), before)


def test_the_file_is_protected_from_being_written_to(cache):
    # Cut short while it is mapped, it would end the process: `cp` and `>` are refused.
    cache()
    (path,) = cache.folder.glob("*.pictures")
    assert stat.S_IMODE(path.stat().st_mode) == 0o444


def swap(path, seed):
    """Another picture of the same size and date, as `cp -p` and a careless tool make it."""
    before = os.stat(path)
    draw(path, seed)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert os.stat(path).st_size == before.st_size


@pytest.fixture
def bitmaps(tmp_path):
    """Pictures whose files all have one size."""
    root = tmp_path / "bitmaps"
    root.mkdir()
    for i in range(COUNT):
        draw(root / f"{i}.bmp", i)
    return listed(root, [f"{i}.bmp" for i in range(COUNT)])


def test_a_picture_replaced_by_another_of_its_size_and_date_is_decoded_again(cache, bitmaps):
    cache(pictures=bitmaps)
    time.sleep(0.02)  # the system's clock for files ticks a hundred times a second or more
    swap(os.path.join(bitmaps.root, "3.bmp"), 77)
    images = cache(pictures=bitmaps)
    assert len(cache.told) == 1 and "replaced by another of its size and date" in cache.told[0]
    np.testing.assert_array_equal(images, load_pictures(bitmaps, **FORM))
    cache(pictures=bitmaps)
    assert cache.told == [] == cache.decoded


def test_pictures_that_were_only_touched_are_not_decoded_again(cache, bitmaps):
    before = cache(pictures=bitmaps).copy()
    time.sleep(0.02)
    os.chmod(os.path.join(bitmaps.root, "3.bmp"), 0o600)
    np.testing.assert_array_equal(cache(pictures=bitmaps), before)
    assert cache.told == []
    assert sorted(cache.decoded) == list(range(COUNT))  # their bytes were compared


def test_a_picture_that_is_lost_or_unreadable_later_is_named_by_the_next_run(cache, bitmaps):
    cache(pictures=bitmaps)
    os.unlink(os.path.join(bitmaps.root, "3.bmp"))
    with pytest.raises(ValueError, match=r"cannot read picture .*3\.bmp"):
        cache(pictures=bitmaps)
    assert "another source" in cache.told[0]


def test_what_fails_to_be_compared_is_decoded_and_then_named(pictures, folder):
    told = []
    cached_pictures(pictures, None, folder=folder, stamp=Stamp("same", 1), **FORM)
    options = dict(folder=folder, stamp=Stamp("same", 2), tell=told.append, **FORM)

    def read(index):
        raise OSError(5, "Input/output error")

    with pytest.raises(ValueError, match=r"cannot read picture .*Input/output error"):
        cached_pictures(pictures, read, **options)
    assert "a picture behind it cannot be read" in told[0]


def test_a_bad_sector_under_the_file_is_noticed_on_opening_and_it_is_made_anew(cache, monkeypatch):
    before = cache().copy()
    check, calls = cache_file._checksum_behind_header, []

    def fail_once(file):
        calls.append(file)
        if len(calls) == 1:
            raise OSError(5, "Input/output error")
        return check(file)

    monkeypatch.setattr(cache_file, "_checksum_behind_header", fail_once)
    np.testing.assert_array_equal(cache(), before)
    assert "cannot be read (Input/output error); decoding again" in cache.told[0]


def test_a_folder_in_the_files_place_is_an_error_with_the_remedy(cache):
    cache()
    path = cache.file()
    path.unlink()
    path.mkdir()
    with pytest.raises(ValueError, match=r"cannot write the picture cache .*config\.data\.cache"):
        cache()
    assert "cannot be read" in cache.told[0]


def test_each_of_two_runs_that_share_a_name_keeps_its_own_pictures(cache, pictures, folder):
    """The sets differ, the file's name does not: the last rename wins, nobody sees a mixture."""
    others = pictures.take([4, 3, 2, 1, 0])
    inner = []

    def read(index):
        if index == 0 and not inner:
            inner.append(None)
            inner[0] = cached_pictures(others, None, folder=folder, **FORM)
        with open(os.path.join(pictures.root, pictures.paths[index]), "rb") as file:
            return file.read()

    outer = cached_pictures(pictures, read, folder=folder, **FORM)
    np.testing.assert_array_equal(outer, load_pictures(pictures, **FORM))
    np.testing.assert_array_equal(inner[0], load_pictures(others, **FORM))


def test_a_run_killed_while_it_writes_leaves_nothing_that_is_read(cache, pictures, folder):
    program = (
        "import os, signal, numpy as np\n"
        "from pclhd_jax.pictures.cache import cached_pictures\n"
        "from pclhd_jax.data.lists import Pictures\n"
        f"zeros = np.zeros({COUNT}, np.int32)\n"
        f"pictures = Pictures({pictures.root!r}, {pictures.paths!r}, zeros, zeros)\n"
        "def kill(done, total):\n"
        "    if done == 3: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"cached_pictures(pictures, None, folder={str(folder)!r}, report=kill, **{FORM!r})"
    )
    root = Path(__file__).parents[2]
    killed = subprocess.run([sys.executable, "-c", program], cwd=root, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert [path.suffix for path in folder.iterdir()] == [".partial"]
    np.testing.assert_array_equal(cache(), load_pictures(pictures, **FORM))
    assert [path.suffix for path in folder.iterdir()] == [".pictures"]


def test_nothing_stands_at_the_name_until_all_is_decoded_and_an_error_leaves_nothing(cache, folder):
    seen = []
    cache(
        report=lambda done, total: seen.append((done, total, bool(list(folder.glob("*.pictures")))))
    )
    assert seen == [(i, COUNT, False) for i in range(1, COUNT + 1)]
    with open(os.path.join(cache.pictures.root, "2.png"), "wb") as file:
        file.write(b"no picture")
    whole = cache.file().read_bytes()
    with pytest.raises(ValueError, match=r"cannot read picture .*2\.png"):
        cache()
    # The stale file stays, for those who can still use it; the unfinished one is gone.
    assert [path.read_bytes() for path in folder.iterdir()] == [whole]


def test_a_folder_that_cannot_be_made_is_an_error_with_the_remedy(cache, tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ValueError, match=r"cannot write the picture cache .* config\.data\.cache"):
        cache(folder=tmp_path / "file" / "below")


def test_a_full_disk_is_an_error_with_the_remedy(cache, folder, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(ValueError, match=r"\(No space left on device\); free some room"):
        cache()
    assert list(folder.iterdir()) == []


def test_unfinished_files_of_dead_processes_are_removed_and_those_of_living_ones_stay(
    cache, folder
):
    child = multiprocessing.get_context("spawn").Process(target=int)
    child.start()
    child.join()
    cache()
    host = os.uname().nodename
    dead = folder / f"{cache.file().name}.aa.{host}.{child.pid}.partial"
    alive = folder / f"{cache.file().name}.bb.{host}.{os.getpid()}.partial"
    elsewhere = folder / f"{cache.file().name}.cc.another-host.{child.pid}.partial"
    for path in (dead, alive, elsewhere):
        path.touch()
    cache.file().unlink()
    cache()
    assert sorted(folder.glob("*.partial")) == [alive, elsewhere]


def slow_run(pictures, folder, barrier, answers):
    """One of two processes that build the same file at once, and look at it again and again."""

    def read(index):
        if index == 0:
            barrier.wait(60)  # both are building now
        time.sleep(0.01)
        with open(os.path.join(pictures.root, pictures.paths[index]), "rb") as file:
            return file.read()

    told = []
    sums = [
        int(cached_pictures(pictures, read, folder=folder, tell=told.append, **FORM).sum())
        for _ in range(20)
    ]
    answers.put((sums, told))


def test_two_processes_that_build_at_once_both_get_whole_pictures(pictures, folder):
    expected = int(load_pictures(pictures, **FORM).sum())
    context = multiprocessing.get_context("spawn")
    barrier, answers = context.Barrier(2), context.Queue()
    arguments = (pictures, folder, barrier, answers)
    processes = [context.Process(target=slow_run, args=arguments) for _ in range(2)]
    try:
        for process in processes:
            process.start()
        results = [answers.get(timeout=60) for _ in processes]
    finally:
        for process in processes:
            process.join(10)
            if process.is_alive():
                process.terminate()
    assert results == [([expected] * 20, [])] * 2
    assert len(list(folder.iterdir())) == 1


def test_two_threads_that_build_at_once_both_get_whole_pictures(cache, pictures, folder):
    expected = load_pictures(pictures, **FORM)
    barrier = threading.Barrier(2)
    results = []

    def run():
        def read(index):
            if index == 0:
                barrier.wait(10)
            with open(os.path.join(pictures.root, pictures.paths[index]), "rb") as file:
                return file.read()

        results.append(cached_pictures(pictures, read, folder=folder, **FORM))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(results) == 2
    for images in results:
        np.testing.assert_array_equal(images, expected)
