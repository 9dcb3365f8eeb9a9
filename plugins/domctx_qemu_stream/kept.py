"""What is kept of a stream that passes: the stream itself without its pages, in memory."""

from __future__ import annotations

import os
from typing import Final

from domctx.errors import UnsupportedError
from domctx.files import put
from domctx_qemu_stream.files import StreamFile

MAX_REST: Final = 1 << 30
"""Octets that are kept of a stream besides its pages."""


class KeptStream:
    """A file in memory that a stream without pages is written into. Raises UnsupportedError where it grows too long."""

    def __init__(self, name: str) -> None:
        self.name, self.size = name, 0
        self._descriptor = os.memfd_create("domctx-stream", os.MFD_CLOEXEC)

    def write(self, *parts: bytes | memoryview) -> None:
        """Append ``parts``."""
        for part in parts:
            start, self.size = self.size, self.size + len(part)
            if self.size > MAX_REST:
                message = "the stream holds too much besides its pages"
                raise UnsupportedError(message, file=self.name, expected=f"at most 0x{MAX_REST:x} octets")
            put(self._descriptor, start, part, self.name)

    def copy(self) -> KeptStream:
        """What was written so far, to be gone on with otherwise."""
        found = KeptStream(self.name)
        found.write(os.pread(self._descriptor, self.size, 0))
        return found

    def opened(self) -> StreamFile:
        """What was written, as a file with a descriptor of its own."""
        return StreamFile(os.dup(self._descriptor), self.name)

    def close(self) -> None:
        """Give the memory back."""
        os.close(self._descriptor)
