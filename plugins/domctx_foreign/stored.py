"""Foreign parts in memory: of an opened image, of a file, of a test."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from domctx.states import ForeignPart


class StoredForeign:
    """FOREIGN_HEAD or FOREIGN_TAIL that keeps what was stored, in order."""

    def __init__(self, parts: Iterable[ForeignPart] = ()) -> None:
        self._parts = list(parts)

    @property
    def parts(self) -> Sequence[ForeignPart]:
        """The parts, in the order in which they were stored."""
        return tuple(self._parts)

    def store(self, part: ForeignPart) -> None:
        """Append one part."""
        self._parts.append(part)
