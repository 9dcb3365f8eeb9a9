"""What stands behind the end of a record: kept as it is, read when it is asked for."""

from __future__ import annotations

from typing import Final

from domctx.states import ForeignPart
from domctx.values import frozen
from domctx_foreign import OpenedForeign
from domctx_lgr.files import Octets
from domctx_lgr.inflate import GzipFile
from domctx_lgr.layout import SCHEME

PART: Final = 1 << 20
"""Octets of one part."""

BEHIND: Final = "behind the record"
"""The name of parts that stand behind the record, inflated where the file is gzip."""
BEHIND_GZIP: Final = "behind the gzip file"
"""The name of parts that stand behind the last member of a gzip file."""


@frozen
class _Stretch:
    """Octets from ``start`` to the end of a file, and what their parts are called."""

    name: str
    octets: Octets
    start: int

    @property
    def size(self) -> int:
        return max(0, self.octets.length() - self.start)

    @property
    def count(self) -> int:
        return -(-self.size // PART)

    def part(self, place: int) -> ForeignPart:
        return ForeignPart(SCHEME, self.name, self.octets.read(self.start + place * PART, PART))


class Tail(OpenedForeign):
    """The octets behind the record, as parts of at most 1 MiB; also the state FOREIGN_TAIL of the file."""

    def __init__(self, octets: Octets, end: int) -> None:
        self._inner = _Stretch(BEHIND, octets, end)
        self._outer = _Stretch(BEHIND_GZIP, octets.file, octets.end()) if isinstance(octets, GzipFile) else None
        count = self._inner.count + (self._outer.count if self._outer else 0)
        super().__init__(octets.name, count, self._read)

    @property
    def size(self) -> int:
        """Octets behind the record, and behind the gzip file."""
        return self._inner.size + (self._outer.size if self._outer else 0)

    def _read(self, place: int) -> ForeignPart:
        if self._outer is None or place < self._inner.count:
            return self._inner.part(place)
        return self._outer.part(place - self._inner.count)


def find_tail(octets: Octets, end: int) -> Tail | None:
    """What stands behind ``end``; None where nothing does.

    A gzip file whose last four octets tell that the record is all there is, is believed without inflating it.
    """
    if isinstance(octets, GzipFile) and octets.promised() == end & 0xFFFF_FFFF:
        return None
    tail = Tail(octets, end)
    return tail if len(tail) else None
