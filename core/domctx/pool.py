"""The only thread pool: ordered results, a bounded number of items under way."""

from __future__ import annotations

import collections
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from queue import SimpleQueue
from typing import Any, Final, Generic, TypeVar

T = TypeVar("T")
R = TypeVar("R")

WORKERS = os.cpu_count() or 1
"""One thread for each core."""
WAITING = 2
"""Items that wait besides those that threads work on: as many as are done while the caller uses a result."""


class _Work(Generic[R]):
    """One call that is under way: done by the thread that takes it, unless it was cancelled before."""

    def __init__(self, function: Callable[[Any], R], item: Any) -> None:
        self._function, self._item = function, item
        self._taken = threading.Lock()
        self._done = threading.Semaphore(0)
        self._error: BaseException | None = None
        self._value: R

    def do(self) -> None:
        """Call the function, and keep what it gives or raises; nothing where it was cancelled."""
        if self._taken.acquire(blocking=False):
            try:
                self._value = self._function(self._item)
            except BaseException as error:  # it comes out where the result is taken
                self._error = error
            self._done.release()

    def result(self) -> R:
        """Wait for what the function gives. Raises what it raised."""
        self.wait()
        if self._error is not None:
            raise self._error
        return self._value

    def cancel(self) -> bool:
        """Leave it undone; False where a thread has taken it already."""
        return self._taken.acquire(blocking=False)

    def wait(self) -> None:
        """Wait until it is done."""
        self._done.acquire()


class _Threads:
    """Threads that do what is put in a queue; None ends one of them."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[_Work[Any] | None] = SimpleQueue()
        self._threads: list[threading.Thread] = []

    def submit(self, work: _Work[Any], most: int) -> None:
        """Have it done by one of at most so many threads."""
        self._queue.put(work)
        if len(self._threads) < most:
            name = f"domctx_{len(self._threads)}"
            self._threads.append(threading.Thread(target=self._serve, name=name, daemon=True))
            self._threads[-1].start()

    def _serve(self) -> None:
        while (work := self._queue.get()) is not None:
            work.do()
            del work  # what it holds is not kept while the thread waits

    def end(self) -> None:
        """Wait until every thread has ended."""
        for _ in self._threads:
            self._queue.put(None)
        for thread in self._threads:
            thread.join()


class Pool:
    """Threads for work that releases the GIL; made when first used.

    ``concurrent.futures`` would do, but takes longer to import than a small image takes to save.
    """

    def __init__(self, workers: int = WORKERS) -> None:
        self._workers: Final = workers
        self._threads: _Threads | None = None
        self._lock = threading.Lock()

    def map_ordered(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """``map``, results in the order of ``items``; at most one item for each thread and ``WAITING`` are under way.

        An exception of ``function`` or ``items`` comes out where its result would; what is under way is then waited
        for, so that no thread works on after the caller has gone on.
        """
        under_way: collections.deque[_Work[R]] = collections.deque()
        try:
            for item in items:
                work = _Work(function, item)
                self._submit(work)
                under_way.append(work)
                if len(under_way) >= self._workers + WAITING:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for work in [each for each in under_way if not each.cancel()]:
                work.wait()

    def _submit(self, work: _Work[Any]) -> None:
        with self._lock:
            if self._threads is None:
                self._threads = _Threads()
            self._threads.submit(work, self._workers)

    def close(self) -> None:
        """End the threads."""
        if self._threads is not None:
            self._threads.end()
            self._threads = None
