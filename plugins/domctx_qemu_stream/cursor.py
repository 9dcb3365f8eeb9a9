"""Exact reads of small things, one behind the other."""

from __future__ import annotations

from domctx.errors import StreamError
from domctx_qemu_stream.files import StreamFile
from domctx_qemu_stream.octets import Octets


class Cursor:
    """A place in a file; every read moves it on. Raises CutError where the file ends first."""

    def __init__(self, file: StreamFile | Octets, offset: int) -> None:
        self.file = file
        self.offset = offset

    def take(self, size: int, what: str) -> bytes:
        """``size`` octets."""
        octets = self.file.take(self.offset, size, what)
        self.offset += size
        return octets

    def number(self, size: int, what: str) -> int:
        """A number of ``size`` octets, big-endian."""
        return int.from_bytes(self.take(size, what), "big")

    def text(self, what: str) -> str:
        """A string with its length, one octet, before it; in latin-1: one character for each octet."""
        return self.take(self.number(1, what), what).decode("latin-1")

    def peek(self) -> int | None:
        """The next octet; None at the end of the file."""
        octets = self.file.read(self.offset, 1)
        return octets[0] if octets else None

    def skip(self, size: int, what: str) -> None:
        """Go on ``size`` octets further."""
        if self.offset + size > self.file.size:
            self.file.take(self.file.size, 1, what)
        self.offset += size

    def expect(self, expected: int, size: int, what: str) -> None:
        """A number that can only be ``expected``. Raises StreamError."""
        at, found = self.offset, self.number(size, what)
        if found != expected:
            width = 2 * size
            raise StreamError(
                f"{what} is wrong", offset=at, expected=f"0x{expected:0{width}x}", got=f"0x{found:0{width}x}"
            )
