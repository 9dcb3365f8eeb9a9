"""Foreign parts of an opened file: each is read when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domctx.errors import DomainError
from domctx.made import MadeSequence
from domctx.states import ForeignPart


class OpenedForeign(MadeSequence[ForeignPart]):
    """FOREIGN_HEAD or FOREIGN_TAIL of the file called ``name``: ``count`` parts, of which ``part`` reads one."""

    def __init__(self, name: str, count: int, part: Callable[[int], ForeignPart]) -> None:
        self._name, self._count, self._part = name, count, part

    @property
    def parts(self) -> Sequence[ForeignPart]:
        """The parts, in the file's order."""
        return self

    def store(self, part: ForeignPart) -> None:
        """Raises DomainError."""
        raise DomainError("an opened file takes no parts", file=self._name)

    def __len__(self) -> int:
        return self._count

    def _made(self, place: int) -> ForeignPart:
        return self._part(place)
