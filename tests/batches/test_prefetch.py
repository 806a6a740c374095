"""Prefetch: order, errors at their place, a bounded lead, and no thread left behind."""

import gc
import threading
import time

import pytest

from pclhd_jax.batches.prefetch import prefetch


def wait_until(condition, seconds=5.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)
    return condition()


@pytest.fixture(autouse=True)
def no_thread_is_left_behind():
    before = set(threading.enumerate())
    yield
    assert wait_until(lambda: set(threading.enumerate()) <= before)


@pytest.mark.parametrize("size", [1, 2, 50])
def test_items_come_in_order_and_none_is_lost(size):
    assert list(prefetch(iter(range(30)), size)) == list(range(30))


def test_while_an_item_is_waited_for_somebody_may_look():
    looks, enough = [], threading.Event()

    def source():
        assert enough.wait(5)  # the item comes when there were three looks
        yield "item"

    def look():
        looks.append(1)
        if len(looks) == 3:
            enough.set()

    assert list(prefetch(source(), 1, look)) == ["item"] and len(looks) >= 3


def test_none_and_exceptions_are_ordinary_items():
    items = [None, KeyError("as a value"), ()]
    assert list(prefetch(items)) == items


def test_an_empty_source_ends_at_once():
    assert list(prefetch([])) == []


def test_an_error_of_the_source_is_raised_after_the_items_before_it():
    def source():
        yield 1
        yield 2
        raise KeyError("broken picture")

    items = prefetch(source())
    assert [next(items), next(items)] == [1, 2]
    with pytest.raises(KeyError, match="broken picture"):
        next(items)


def test_work_runs_in_another_thread_and_at_most_size_items_ahead():
    made = []

    def source():
        for i in range(100):
            made.append(threading.current_thread())
            yield i

    items = prefetch(source(), size=3)
    assert next(items) == 0
    # One taken, three queued, one in the producer's hand.
    assert wait_until(lambda: len(made) == 5)
    time.sleep(0.05)
    assert len(made) == 5
    assert threading.current_thread() not in made
    items.close()


@pytest.mark.parametrize("stop", ["close", "drop"])
def test_the_thread_ends_and_lets_go_of_its_source_when_the_consumer_stops_early(stop):
    closed = threading.Event()

    def source():
        try:
            while True:
                yield 0
        finally:
            closed.set()

    before = threading.active_count()
    items = prefetch(source())
    next(items)
    assert threading.active_count() == before + 1
    if stop == "close":
        items.close()
    else:
        del items
        gc.collect()
    assert threading.active_count() == before
    assert closed.is_set()


def test_an_error_in_the_consumer_ends_the_thread():
    def consume():
        for _ in prefetch(iter(int, 1)):
            raise RuntimeError("step failed")

    with pytest.raises(RuntimeError, match="step failed"):
        consume()


def test_a_result_that_is_never_used_starts_no_thread():
    before = threading.active_count()
    items = prefetch(range(3))
    assert threading.active_count() == before
    items.close()


def test_a_size_below_one_is_refused_at_the_call():
    with pytest.raises(ValueError, match="size is 0"):
        prefetch([], size=0)
