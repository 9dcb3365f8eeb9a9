"""The only thread pool: ordered results, a bounded number of items under way; and how other threads are started."""

from __future__ import annotations

import collections
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, TypeVar

from domctx.errors import DomainError

if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor

T = TypeVar("T")
R = TypeVar("R")

WORKERS = os.cpu_count() or 1
"""One thread for each core."""
WAITING = 2
"""Items that wait besides those that threads work on: as many as are done while the caller uses a result."""


class Pool:
    """Threads for work that releases the GIL; made when first used."""

    def __init__(self, workers: int = WORKERS) -> None:
        self._workers = workers
        self._executor: ThreadPoolExecutor | None = None
        self._lock = threading.Lock()
        self._here = threading.local()
        """Knows of a thread whether it is one of the pool's."""

    def map_ordered(self, function: Callable[[T], R], items: Iterable[T]) -> Iterator[R]:
        """``map``, results in the order of ``items``; at most one item for each thread and ``WAITING`` are under way.

        An exception of ``function`` or ``items`` comes out where its result would; what is under way is then waited
        for, so that no thread works on after the caller has gone on. Raises DomainError where no thread can be started.
        Within ``function`` it is a plain ``map``: threads that wait for each other's would wait for ever.
        """
        if getattr(self._here, "works", False):
            yield from map(function, items)
            return
        executor = self._ready()
        under_way: collections.deque[Future[R]] = collections.deque()
        try:
            for item in items:
                try:
                    under_way.append(executor.submit(function, item))
                except RuntimeError as error:
                    raise _no_thread(error) from error
                if len(under_way) >= self._workers + WAITING:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        finally:
            for future in under_way:
                future.cancel()
            for future in under_way:
                if not future.cancelled():
                    future.exception()

    def _ready(self) -> ThreadPoolExecutor:
        from concurrent.futures import ThreadPoolExecutor

        with self._lock:
            if self._executor is None:
                self._executor = ThreadPoolExecutor(self._workers, "domctx", initializer=self._begin)
            return self._executor

    def _begin(self) -> None:
        self._here.works = True

    def close(self) -> None:
        """End the threads."""
        if self._executor is not None:
            self._executor.shutdown()
            self._executor = None


def start(thread: threading.Thread) -> None:
    """Start a thread. Raises DomainError where the system refuses: of processes, a user has a bounded number."""
    try:
        thread.start()
    except RuntimeError as error:
        raise _no_thread(error) from error


def _no_thread(error: RuntimeError) -> DomainError:
    return DomainError("no thread can be started", got=str(error), hint="see ulimit -u, and the limits of a container")
