"""A stream that arrives through a pipe: read like a file, as long as one only goes on."""

from __future__ import annotations

import os
import select
from typing import Final

from domctx.disk import refused
from domctx.errors import DomainError, UnsupportedError
from domctx.files import CutError
from domctx_qemu_stream.files import StreamFile

CAPACITY: Final = 4 << 20
"""Octets that are held at once."""
ENOUGH: Final = 1 << 20
"""Octets of a window, at least, while more arrive."""
PATIENCE: Final = 120.0
"""Seconds in which more must arrive."""
UNKNOWN: Final = 1 << 62
"""The size of a stream whose end has not arrived."""


class ArrivingFile(StreamFile):
    """Octets of a pipe, from ``held`` on: what stands before a window, or was let go, is gone. Owns its descriptor."""

    def __init__(self, descriptor: int, name: str, patience: float = PATIENCE) -> None:
        self._patience = patience
        self.name, self.descriptor, self.start = name, descriptor, 0
        self.size = UNKNOWN
        """Octets of the stream; ``UNKNOWN`` until its end has arrived."""
        self.held = 0
        """The offset of the first octet that can still be read."""
        self._buffer = bytearray(CAPACITY)
        self._low = self._high = 0

    def read(self, offset: int, size: int) -> bytes:
        """Octets ``offset`` .. ``offset + size``, fewer only at the end; waits until they are there.

        Raises UnsupportedError where more is asked for at once than is held.
        """
        self._wait(offset + size)
        start = self._place(offset)
        return bytes(memoryview(self._buffer)[start : max(start, min(start + size, self._high))])

    def window(self, offset: int) -> memoryview:
        """What is held from ``offset`` on, valid until the next read; what stands before is let go."""
        self.let_go(offset)
        self._wait(offset + ENOUGH)
        return memoryview(self._buffer)[self._place(offset) : self._high]

    def let_go(self, offset: int) -> None:
        """What stands before ``offset`` is not read any more."""
        assert self.held <= offset
        self._low += offset - self.held
        self.held = offset

    def close(self) -> None:
        """Close the descriptor: who writes to the pipe is refused from now on."""
        os.close(self.descriptor)

    def _place(self, offset: int) -> int:
        assert offset >= self.held
        return self._low + offset - self.held

    def _wait(self, stop: int) -> None:
        """Read until the octets before ``stop`` are there, or the end."""
        while self.held + self._high - self._low < stop and self.size == UNKNOWN:
            if self._high == CAPACITY:
                self._make_room()
            self._read_some()

    def _make_room(self) -> None:
        if not self._low:
            raise UnsupportedError(
                "a part of the stream is longer than what is held of it",
                file=self.name,
                offset=self.held,
                expected=f"at most 0x{CAPACITY:x} octets",
            )
        kept = self._high - self._low
        self._buffer[:kept] = self._buffer[self._low : self._high]
        self._low, self._high = 0, kept

    def _read_some(self) -> None:
        try:
            ready, _, _ = select.select([self.descriptor], [], [], self._patience)
            if not ready:
                message = "nothing arrives any more"
                raise DomainError(message, file=self.name, offset=self.held, expected=f"within {self._patience:g} s")
            got = os.readv(self.descriptor, [memoryview(self._buffer)[self._high :]])
        except OSError as error:
            raise refused(error, self.name) from error
        if not got:
            self.size = self.held + self._high - self._low
        self._high += got

    def cut(self, what: str) -> CutError:
        """The error for a stream that ends in ``what``."""
        return CutError(f"the stream ends early, in {what}", file=self.name, offset=self.size)
