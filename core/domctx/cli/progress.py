"""Progress of long work: a bar on a terminal, a line of JSON each half second where it is asked for."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Iterator
from typing import Final

from domctx.cli.terminal import complain
from domctx.context import Operation

INTERVAL: Final = 0.5
"""Seconds between two lines of JSON."""


@contextlib.contextmanager
def shown(operation: Operation, what: str, total: int, *, mode: str) -> Iterator[None]:
    """Show the operation's progress towards ``total`` octets while the block runs; ``mode`` auto, json or none."""
    if mode == "json":
        lines = JsonLines(what, total)
        operation.report_to(lines.advance)
        yield
        lines.finish()
    elif mode == "auto" and sys.stderr is not None and sys.stderr.isatty():
        with _bar(what, total) as advance:
            operation.report_to(advance)
            yield
    else:
        yield


class JsonLines:
    """Writes ``{"what", "done", "total", "rate", "left"}`` lines to standard error; octets and seconds."""

    def __init__(self, what: str, total: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._what, self._total, self._clock = what, total, clock
        self._done = 0
        self._start = self._last = clock()

    def advance(self, octets: int) -> None:
        """Count octets; print a line where the last one is long enough ago."""
        self._done += octets
        if self._clock() - self._last >= INTERVAL:
            self._last = self._clock()
            self._print()

    def finish(self) -> None:
        """Print the last line."""
        self._print()

    def _print(self) -> None:
        elapsed = self._clock() - self._start
        rate = self._done / elapsed if elapsed else 0.0
        left = max(0, self._total - self._done) / rate if rate else None
        line = {"what": self._what, "done": self._done, "total": self._total, "rate": round(rate), "left": left}
        complain(json.dumps(line))


@contextlib.contextmanager
def _bar(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar that is drawn from the first octets on: before, the terminal is for what the user may be asked."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    progress = Progress(*columns, console=Console(stderr=True), transient=True)

    def advance(octets: int) -> None:
        if not progress.tasks:
            progress.start()
            progress.add_task(what, total=total)
        progress.advance(progress.tasks[0].id, octets)

    try:
        yield advance
    finally:
        progress.stop()
