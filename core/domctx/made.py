"""Sequences whose items are made when asked for: what tells of many keeps columns, or a file, and no objects.

And a mapping that is shown in another order than it was made.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar, overload

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class MadeSequence(Sequence[T_co]):
    """A sequence of ``__len__`` items, each of which ``_made`` makes anew."""

    @abstractmethod
    def _made(self, place: int) -> T_co:
        """The item at ``place``, which there is."""

    @overload
    def __getitem__(self, index: int) -> T_co: ...
    @overload
    def __getitem__(self, index: slice) -> list[T_co]: ...
    def __getitem__(self, index: int | slice) -> T_co | list[T_co]:
        places = range(len(self))[index]
        return self._made(places) if isinstance(places, int) else [self._made(place) for place in places]


class Ascending(Mapping[int, T]):
    """What ``known`` holds at the time, its numbers ascending; made anew at no cost."""

    def __init__(self, known: Mapping[int, T]) -> None:
        self._known = known

    def __getitem__(self, number: int) -> T:
        return self._known[number]

    def __iter__(self) -> Iterator[int]:
        return iter(sorted(self._known))

    def __len__(self) -> int:
        return len(self._known)
