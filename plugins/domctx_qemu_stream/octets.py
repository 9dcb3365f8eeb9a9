"""Octets that are in memory, read as a file is: what an image keeps of a stream's head."""

from __future__ import annotations

from domctx.files import CutError


class Octets:
    """What ``Cursor`` reads of a ``StreamFile``, over octets in memory."""

    start = 0

    def __init__(self, octets: bytes) -> None:
        self._octets = octets
        self.size = len(octets)

    def read(self, offset: int, size: int) -> bytes:
        """Octets ``offset`` .. ``offset + size``, fewer only at the end."""
        return self._octets[offset : offset + size]

    def take(self, offset: int, size: int, what: str) -> bytes:
        """Exactly ``size`` octets. Raises CutError, naming ``what`` is cut."""
        octets = self.read(offset, size)
        if len(octets) < size:
            raise CutError(f"the octets end early, in {what}", offset=offset + len(octets))
        return octets
