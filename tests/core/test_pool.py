"""Tests of domctx.pool: ordered results, bounded work."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from domctx import pool as pool_module
from domctx.errors import DomainError
from domctx.pool import Pool, start


def test_results_come_in_order() -> None:
    """Though the first takes longest."""
    pool = Pool(3)

    def slow(number: int) -> int:
        time.sleep(0.02 if number == 0 else 0)
        return number * number

    assert list(pool.map_ordered(slow, range(20))) == [number * number for number in range(20)]
    pool.close()


def test_so_many_items_are_under_way_and_no_more() -> None:
    """One for each thread and those that wait are asked for before the first result is taken."""
    asked: list[int] = []

    def items() -> Iterator[int]:
        for number in range(10):
            asked.append(number)
            yield number

    pool = Pool(2)
    results = pool.map_ordered(str, items())
    assert next(results) == "0"
    assert asked == list(range(2 + pool_module.WAITING))
    assert list(results) == [str(number) for number in range(1, 10)]
    pool.close()


def test_an_exception_comes_out_where_its_result_would() -> None:
    """And what is under way has ended by then."""
    running = threading.Semaphore(0)
    done: list[int] = []

    def work(number: int) -> int:
        if number == 1:
            raise ValueError("one")
        time.sleep(0.01)
        done.append(number)
        running.release()
        return number

    pool = Pool(2)
    results = pool.map_ordered(work, range(4))
    assert next(results) == 0
    with pytest.raises(ValueError, match="one"):
        next(results)
    before = list(done)
    time.sleep(0.05)
    assert done == before
    pool.close()


def test_an_exception_of_the_items_comes_out() -> None:
    """After nothing is under way any more."""

    def items() -> Iterator[int]:
        yield 1
        raise RuntimeError("no more")

    pool = Pool(4)
    with pytest.raises(RuntimeError, match="no more"):
        list(pool.map_ordered(abs, items()))
    pool.close()


def test_a_closed_pool_works_again() -> None:
    """Its threads are made when they are needed, and end when it is closed; closing twice does nothing."""
    pool, threads = Pool(1), threading.enumerate()
    pool.close()
    assert list(pool.map_ordered(abs, [-1])) == [1]
    assert len(threading.enumerate()) == len(threads) + 1
    pool.close()
    assert threading.enumerate() == threads
    pool.close()
    assert list(pool.map_ordered(abs, [-2])) == [2]
    pool.close()


def test_what_waits_is_cancelled_when_the_caller_stops() -> None:
    """A caller that takes no more results does not wait for work that has not begun."""
    begun: list[int] = []
    hold = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number:
            hold.wait(5)
        return number

    pool = Pool(1)
    results = pool.map_ordered(work, range(9))
    assert next(results) == 0
    threading.Timer(0.02, hold.set).start()
    results.close()  # type: ignore[attr-defined]  # it is a generator
    assert len(begun) <= 2
    pool.close()


@pytest.fixture
def no_threads() -> Iterator[None]:
    """No thread can be started: its stack would be larger than what a process can address."""
    before = threading.stack_size(1 << 47)
    yield
    threading.stack_size(before)


@pytest.mark.usefixtures("no_threads")
def test_where_no_thread_can_be_started() -> None:
    """That is said, by the pool and for threads of one's own, and is nobody's bug."""
    pool = Pool(2)
    with pytest.raises(DomainError, match="no thread can be started"):
        list(pool.map_ordered(str, range(3)))
    pool.close()
    with pytest.raises(DomainError, match="no thread can be started"):
        start(threading.Thread())


def test_a_pool_within_a_pool() -> None:
    """What is mapped may map itself: no thread waits for one that waits for it."""
    pool = Pool(2)

    def inner(item: int) -> int:
        return sum(pool.map_ordered(lambda other: item * other, range(4)))

    assert list(pool.map_ordered(inner, range(20))) == [6 * item for item in range(20)]
    pool.close()
