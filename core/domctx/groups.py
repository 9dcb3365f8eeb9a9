"""Records gathered into groups that share a digest, while they pass on their way in or out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import blake3

if TYPE_CHECKING:
    from domctx.protocols import Buffer

GROUP_LIMIT: Final = 64 << 10
"""Octets, headers and padding included, up to which consecutive records of one type share a digest."""


class Group(NamedTuple):
    """Consecutive records of one type (with bit 31 as in the stream) that share a digest."""

    type: int
    instance: int
    """The instance of the first record."""
    records: int
    offset: int
    length: int
    """Octets from the first header to the end of the last padding."""
    digest: bytes


class Observer(Protocol):
    """What the stream tells while records pass, on both sides."""

    def record(self, type: int, instance: int, offset: int, size: int) -> None:
        """A record of ``size`` octets, padding included, begins at ``offset``."""

    def octets(self, data: Buffer) -> None:
        """The next octets of the record."""

    def batch(self, type: int, instance: int, count: int, offset: int, size: int, data: Buffer) -> None:
        """``count`` whole records of ``size`` octets each at once, the first of them ``instance``."""


class Unobserved:
    """An Observer that looks at nothing."""

    def record(self, type: int, instance: int, offset: int, size: int) -> None:
        """Nothing."""

    def octets(self, data: Buffer) -> None:
        """Nothing."""

    def batch(self, type: int, instance: int, count: int, offset: int, size: int, data: Buffer) -> None:
        """Nothing."""


class GroupDigests:
    """An Observer that gathers records into groups and digests them; without ``hashing`` their digests stay empty."""

    def __init__(self, *, hashing: bool = True) -> None:
        self.groups: list[Group] = []
        self.records = 0
        self._open: Group | None = None
        self._hashing = hashing
        self._hasher = blake3.blake3()

    def record(self, type: int, instance: int, offset: int, size: int) -> None:
        """Begin a record: it joins the open group, or closes it and opens its own."""
        self.records += 1
        group = self._open
        if group is not None and group.type == type and group.length + size <= GROUP_LIMIT:
            self._open = group._replace(records=group.records + 1, length=group.length + size)
            return
        self._close_group()
        self._open = Group(type, instance, 1, offset, size, b"")

    def octets(self, data: Buffer) -> None:
        """Digest the next octets of the open group."""
        if self._hashing:
            self._hasher.update(data)

    def batch(self, type: int, instance: int, count: int, offset: int, size: int, data: Buffer) -> None:
        """As ``record`` and ``octets`` for each record; only the first of a group tells its instance."""
        view = memoryview(data).cast("B")
        first = 0
        while first < count:
            start = first * size
            number = int.from_bytes(view[start + 4 : start + 8], "little")
            self.record(type, instance if first == 0 else number, offset + start, size)
            more = self._room(size, count - first - 1)
            self.records += more
            self._open = self._open and self._open._replace(
                records=self._open.records + more, length=self._open.length + more * size
            )
            self.octets(view[start : start + (1 + more) * size])
            first += 1 + more

    def _room(self, size: int, wanted: int) -> int:
        """How many more records of ``size`` octets the open group takes."""
        return min(wanted, max(0, GROUP_LIMIT - self._open.length) // size) if self._open else 0

    def finish(self) -> list[Group]:
        """Close the last group and give them all."""
        self._close_group()
        return self.groups

    def _close_group(self) -> None:
        if self._open is not None:
            self.groups.append(self._open._replace(digest=self._hasher.digest() if self._hashing else b""))
            self._open = None
            self._hasher.reset()
