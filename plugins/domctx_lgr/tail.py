"""What stands behind the end of a record: kept as it is, read when it is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, overload

from domctx.errors import DomainError
from domctx.states import ForeignPart
from domctx_lgr.files import Octets
from domctx_lgr.inflate import GzipFile
from domctx_lgr.layout import SCHEME

PART: Final = 1 << 20
"""Octets of one part."""

BEHIND: Final = "behind the record"
"""The name of parts that stand behind the record, inflated where the file is gzip."""
BEHIND_GZIP: Final = "behind the gzip file"
"""The name of parts that stand behind the last member of a gzip file."""


class Tail(Sequence[ForeignPart]):
    """The octets behind the record, as parts of at most 1 MiB; also the state FOREIGN_TAIL of the file."""

    def __init__(self, octets: Octets, end: int) -> None:
        self._octets = octets
        self._end = end
        self.size = max(0, octets.size() - end)
        """Octets behind the record."""
        self._outer = octets.trailing() if isinstance(octets, GzipFile) else None

    @property
    def parts(self) -> Sequence[ForeignPart]:
        """The parts, in the file's order."""
        return self

    def store(self, part: ForeignPart) -> None:
        """Raises DomainError."""
        raise DomainError("an opened file takes no parts", file=self._octets.name)

    def __len__(self) -> int:
        return -(-self.size // PART) + (self._outer is not None)

    @overload
    def __getitem__(self, index: int) -> ForeignPart: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[ForeignPart]: ...
    def __getitem__(self, index: int | slice) -> ForeignPart | Sequence[ForeignPart]:
        places = range(len(self))[index]
        return self._part(places) if isinstance(places, int) else [self._part(place) for place in places]

    def _part(self, place: int) -> ForeignPart:
        start = place * PART
        if start >= self.size:
            return ForeignPart(SCHEME, BEHIND_GZIP, self._outer or b"")
        octets = self._octets.read(self._end + start, min(PART, self.size - start))
        return ForeignPart(SCHEME, BEHIND, octets)


def find_tail(octets: Octets, end: int) -> Tail | None:
    """What stands behind ``end``; None where nothing does.

    A gzip file whose last four octets tell that the record is all there is, is believed without inflating it.
    """
    if isinstance(octets, GzipFile) and octets.promised() == end & 0xFFFF_FFFF:
        return None
    tail = Tail(octets, end)
    return tail if len(tail) else None
