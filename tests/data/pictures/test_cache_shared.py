"""Several runs of one picture cache: each gets its own whole pictures and keeps them."""

import multiprocessing
import os
import threading
import time

import numpy as np

from pclhd_jax.data.pictures.cache import cached_pictures
from pclhd_jax.data.pictures.decode import load_pictures
from tests.helpers.picture_cache import FORM, draw, originals_of


def test_a_running_process_keeps_its_pictures_while_another_replaces_the_file(cache):
    images = cache()
    before = images.copy()
    draw(os.path.join(cache.pictures.root, "0.png"), 55)
    os.utime(os.path.join(cache.pictures.root, "0.png"), ns=(1, 1))
    assert (cache()[0] != before[0]).any()
    np.testing.assert_array_equal(images, before)


def test_each_of_two_runs_that_share_a_name_keeps_its_own_pictures(cache, pictures, folder):
    """The sets differ, the file's name does not: the last rename wins, nobody sees a mixture."""
    others = pictures.take([4, 3, 2, 1, 0])
    inner = []

    def read(index):
        if index == 0 and not inner:
            inner.append(None)
            inner[0] = cached_pictures(others, originals_of(others), FORM, folder / "pictures")
        with open(os.path.join(pictures.root, pictures.paths[index]), "rb") as file:
            return file.read()

    outer = cached_pictures(pictures, originals_of(pictures, read), FORM, folder / "pictures")
    np.testing.assert_array_equal(outer, load_pictures(pictures, FORM))
    np.testing.assert_array_equal(inner[0], load_pictures(others, FORM))


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

    told, sums = [], []
    for _ in range(20):
        originals = originals_of(pictures, read)
        images = cached_pictures(pictures, originals, FORM, folder / "pictures", tell=told.append)
        sums.append(int(images.sum()))
    answers.put((sums, told))


def test_two_processes_that_build_at_once_both_get_whole_pictures(pictures, folder):
    expected = int(load_pictures(pictures, FORM).sum())
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
    expected = load_pictures(pictures, FORM)
    barrier = threading.Barrier(2)
    results = []

    def run():
        def read(index):
            if index == 0:
                barrier.wait(10)
            with open(os.path.join(pictures.root, pictures.paths[index]), "rb") as file:
                return file.read()

        originals = originals_of(pictures, read)
        results.append(cached_pictures(pictures, originals, FORM, folder / "pictures"))

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert len(results) == 2
    for images in results:
        np.testing.assert_array_equal(images, expected)
