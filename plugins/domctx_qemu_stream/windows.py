"""A file that is looked at in order: mapped, a window at a time, so that memory stays bounded whatever its size.

Of a stream of RAM each page is looked at once, and most of what that costs is that the system maps it. Where the file
goes on for long a thread has it do so for the windows behind the present one.
"""

from __future__ import annotations

import collections
import contextlib
import mmap
import os
import threading
from queue import SimpleQueue
from typing import Final

from domctx.errors import DomainError, StreamError
from domctx.files import CutError
from domctx_qemu_stream.files import StreamFile

WINDOW: Final = 8 << 20
"""Octets from the beginning of a window to that of the next."""
OVERLAP: Final = 16 << 10
"""Octets of the next window that each has as well: the longest record of RAM and a good piece more."""
AHEAD: Final = 2
"""Windows that the thread has: it goes on with the second while the first is waited for."""
AROUND: Final = 64 << 10
"""Octets that the system maps together where one of them is looked at, and all are in memory."""
NOWHERE: Final = -2
"""The number of no window, nor of the one before any."""
NO_SINK: Final = -1


class Windows:
    """Windows of a file. Where they are asked for in order it owns a thread: ``close`` it."""

    def __init__(self, file: StreamFile) -> None:
        self._file = file
        self._thread: threading.Thread | None = None
        self._number = NOWHERE
        self._forget()

    def at(self, offset: int) -> memoryview:
        """More than ``OVERLAP`` octets from ``offset`` on, fewer only where the file ends; valid until the next.

        Raises DomainError where the system does not map the file, StreamError where it was cut since it was opened.
        """
        number, place = divmod(offset, WINDOW)
        if number != self._number:
            self._check_size()
            self._go_to(number)
            self._number = number
        return self._window[place:]

    def _go_to(self, number: int) -> None:
        if number == self._number + 1 and self._helped(number):
            self._go_on(number)
        else:
            self.close()
            self._window = self._mapped(number)

    def _check_size(self) -> None:
        """Whoever looks at octets of a mapping that the file no longer has is killed: that is not for a later read."""
        try:
            size = os.lseek(self._file.descriptor, 0, os.SEEK_END)
        except OSError:  # it cannot be mapped either, which is told
            return
        if size < self._file.size:
            raise CutError("the file was cut while it was read", file=self._file.name, offset=size)

    def close(self) -> None:
        """End the thread, and let the windows go."""
        if self._thread is not None:
            self._wanted.put(None)
            self._thread.join()
            self._thread = None
        self._forget()

    def _forget(self) -> None:
        self._number, self._window = NOWHERE, memoryview(b"")
        self._coming: collections.deque[memoryview] = collections.deque()
        self._wanted: SimpleQueue[memoryview | None] = SimpleQueue()
        """The windows that come, for the thread; None ends it."""
        self._done: SimpleQueue[None] = SimpleQueue()

    def _helped(self, number: int) -> bool:
        """Whether there is a thread for that window and those behind it: where none can be started one goes without."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._help, name="domctx-windows", daemon=True)
            try:
                self._thread.start()
            except RuntimeError:
                self._thread = None
                return False
            for each in range(number, number + AHEAD):
                self._want(each)
        return True

    def _go_on(self, number: int) -> None:
        """From the window before to that one."""
        self._window = self._coming.popleft()
        self._want(number + AHEAD)
        self._done.get()

    def _want(self, number: int) -> None:
        self._coming.append(self._mapped(number))
        self._wanted.put(self._coming[-1])

    def _mapped(self, number: int) -> memoryview:
        offset = number * WINDOW
        size = min(WINDOW + OVERLAP, self._file.size - offset)
        if size <= 0:
            return memoryview(b"")
        message = "the file cannot be mapped"
        try:
            return memoryview(mmap.mmap(self._file.descriptor, size, access=mmap.ACCESS_READ, offset=offset))
        except OSError as error:
            raise DomainError(message, file=self._file.name, offset=offset, got=error.strerror) from error
        except ValueError as error:  # it has no such octets any more
            raise StreamError(message, file=self._file.name, offset=offset, got=str(error)) from error

    def _help(self) -> None:
        """Have the pages of windows mapped: the system does it where it writes an octet of each ``AROUND`` elsewhere.

        It does so without the interpreter's lock. Where it does not, as where the file was cut, who looks at a page has
        it mapped.
        """
        sink = _sink()
        while (window := self._wanted.get()) is not None:
            with contextlib.suppress(OSError, MemoryError):
                os.pwritev(sink, [window[at : at + 1] for at in range(0, len(window), AROUND)], 0)
            del window
            self._done.put(None)
        if sink != NO_SINK:
            os.close(sink)


def _sink() -> int:
    """The descriptor of a file in memory; of none where the system gives none."""
    try:
        return os.memfd_create("domctx-windows")
    except (OSError, AttributeError):  # a Python that is built for old systems does not know of them
        return NO_SINK
