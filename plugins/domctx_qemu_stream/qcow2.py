"""Snapshots within qcow2 images: the stream that savevm writes behind the end of the disk (formats/qemu.md 7).

Read only, and only as much as finds the stream: header, table of snapshots, one snapshot's L1 and L2 tables.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from domctx.errors import StreamError, UnsupportedError, UsageError
from domctx.files import open_spool, put
from domctx.publish import refused
from domctx.values import frozen
from domctx_qemu_stream.cursor import Cursor
from domctx_qemu_stream.files import StreamFile
from domctx_qemu_stream.layout import MAGIC as STREAM_MAGIC, QCOW2_MAGIC

if TYPE_CHECKING:
    from numpy.typing import NDArray

HEAD: Final = "the header of the qcow2 image"
TABLE: Final = "the table of snapshots"
TABLES: Final = "an L1 or L2 table"

CLUSTER_BITS: Final = range(9, 22)
MAX_SNAPSHOTS: Final = 1 << 16
MAX_L1: Final = 4 << 20
"""Entries of an L1 table at most: QEMU's own limit."""
MAX_EXTRA: Final = 1024
OFFSET: Final = 0x00FF_FFFF_FFFF_FE00
"""The bits of an entry that are an offset in the file."""
COMPRESSED: Final = 1 << 62
ZEROS: Final = 1
SUBCLUSTERS: Final = 32
ALL: Final = (1 << SUBCLUSTERS) - 1

EXTENDED_L2: Final = 1 << 4
UNDERSTOOD: Final = 0b11011
"""Of the features that a reader must know: dirty, corrupt, another compression, extended L2."""


@frozen
class Geometry:
    """What a header tells of an image."""

    cluster_bits: int
    disk_size: int
    snapshots: int
    snapshots_offset: int
    entry_size: int

    @property
    def cluster(self) -> int:
        """Octets of a cluster."""
        return 1 << self.cluster_bits

    @property
    def per_l2(self) -> int:
        """Entries of an L2 table, which is one cluster."""
        return self.cluster // self.entry_size

    def state_index(self, disk_size: int) -> int:
        """The first L1 entry that a disk of that size does not need: there the machine's state begins."""
        return -(-disk_size // (self.cluster * self.per_l2))


@frozen
class Snapshot:
    """One entry of the table of snapshots; ``state_size`` 0 for a snapshot of the disk alone."""

    identity: str
    name: str
    l1_offset: int
    l1_size: int
    state_size: int
    disk_size: int


def read_geometry(file: StreamFile) -> Geometry:
    """The header. Raises StreamError, UnsupportedError for what is not understood."""
    octets = file.take(0, 72, HEAD)
    if octets[:4] != QCOW2_MAGIC:
        raise StreamError("is no qcow2 image", offset=0, expected=QCOW2_MAGIC.hex(" "), got=octets[:4].hex(" "))
    numbers = {place: int.from_bytes(octets[place : place + 4], "big") for place in (4, 20, 32, 60)}
    version = numbers[4]
    if version not in (2, 3):
        raise UnsupportedError("a qcow2 image of an unknown version", offset=4, expected="2 or 3", got=version)
    if numbers[32]:
        raise UnsupportedError("an encrypted qcow2 image is not read", offset=32, got=f"0x{numbers[32]:08x}")
    if numbers[20] not in CLUSTER_BITS:
        expected = f"{CLUSTER_BITS[0]} to {CLUSTER_BITS[-1]}"
        message = "a qcow2 image with clusters of a size that cannot be"
        raise StreamError(message, offset=20, expected=expected, got=numbers[20])
    features = int.from_bytes(file.take(72, 8, HEAD), "big") if version == 3 else 0
    if features & ~UNDERSTOOD:
        raise UnsupportedError("a qcow2 image with features that are not read", offset=72, got=f"0x{features:016x}")
    if numbers[60] > MAX_SNAPSHOTS:
        got = f"0x{numbers[60]:08x}"
        raise StreamError("too many snapshots", offset=60, expected=f"at most 0x{MAX_SNAPSHOTS:08x}", got=got)
    return Geometry(
        cluster_bits=numbers[20],
        disk_size=int.from_bytes(octets[24:32], "big"),
        snapshots=numbers[60],
        snapshots_offset=int.from_bytes(octets[64:72], "big"),
        entry_size=16 if features & EXTENDED_L2 else 8,
    )


def read_snapshots(file: StreamFile, geometry: Geometry) -> Iterator[Snapshot]:
    """The table of snapshots. Raises StreamError."""
    cursor = Cursor(file, geometry.snapshots_offset)
    for _ in range(geometry.snapshots):
        start = cursor.offset
        l1_offset, l1_size = cursor.number(8, TABLE), cursor.number(4, TABLE)
        id_size, name_size = cursor.number(2, TABLE), cursor.number(2, TABLE)
        cursor.skip(16, TABLE)
        state_size, extra_size = cursor.number(4, TABLE), cursor.number(4, TABLE)
        if extra_size > MAX_EXTRA or l1_size > MAX_L1:
            got = f"extra data of 0x{extra_size:08x}, L1 of 0x{l1_size:08x} entries"
            raise StreamError("a snapshot has a size that cannot be", offset=start, got=got)
        extra = cursor.take(extra_size, TABLE)
        identity = cursor.take(id_size, TABLE).decode("utf-8", "replace")
        name = cursor.take(name_size, TABLE).decode("utf-8", "replace")
        yield Snapshot(
            identity=identity,
            name=name,
            l1_offset=l1_offset,
            l1_size=l1_size,
            state_size=int.from_bytes(extra[:8], "big") if extra_size >= 8 else state_size,
            disk_size=int.from_bytes(extra[8:16], "big") if extra_size >= 16 else geometry.disk_size,
        )
        cursor.offset += -(cursor.offset - start) % 8


def choose(snapshots: Sequence[Snapshot], wanted: str | None) -> Snapshot:
    """The snapshot of that name or id, or the only one with a machine's state. Raises UsageError."""
    found = [each for each in snapshots if each.state_size and wanted in (None, each.name, each.identity)]
    if len(found) != 1:
        found = [each for each in found if each.name == wanted] or found
    if len(found) != 1:
        known = (
            ", ".join(repr(each.name) for each in snapshots[:40] if each.state_size) or "none with a machine's state"
        )
        what = "snapshots" if wanted is None else f"snapshots called {wanted!r}"
        hint = f"choose one with -O snapshot=NAME; there are: {known}"
        raise UsageError(f"{len(found)} {what} hold a machine's state", hint=hint)
    return found[0]


def extract(file: StreamFile, wanted: str | None) -> tuple[StreamFile, Snapshot]:
    """The stream of a snapshot as a file without a name, and which snapshot it is. Raises DomctxError."""
    geometry = read_geometry(file)
    snapshot = choose(list(read_snapshots(file, geometry)), wanted)
    if snapshot.state_size > file.size:
        expected, got = f"at most 0x{file.size:x}, as the image", f"0x{snapshot.state_size:x}"
        raise StreamError("a snapshot's state is longer than its image", offset=0, expected=expected, got=got)
    spool = StreamFile(open_spool(file.name), f"{file.name} (snapshot {snapshot.name!r})")
    try:
        Copy(file, geometry, snapshot, spool).run()
    except BaseException:
        spool.close()
        raise
    return spool, snapshot


class Copy:
    """Copies a snapshot's state, cluster by cluster; what is not there stays a hole."""

    def __init__(self, file: StreamFile, geometry: Geometry, snapshot: Snapshot, spool: StreamFile) -> None:
        self._file, self._geometry, self._snapshot, self._spool = file, geometry, snapshot, spool

    def run(self) -> None:
        """Copy it all. Raises StreamError, DomainError where the disk refuses."""
        geometry, snapshot = self._geometry, self._snapshot
        l1 = self._table(snapshot.l1_offset, snapshot.l1_size, 8)
        starts = dict.fromkeys((geometry.state_index(snapshot.disk_size), geometry.state_index(geometry.disk_size)))
        start = next((start for start in starts if self._begins(l1, start)), None)
        if start is None:
            raise StreamError("no stream stands where the snapshot's state should", offset=snapshot.l1_offset)
        try:
            os.ftruncate(self._spool.descriptor, snapshot.state_size)
            self._spool.size = snapshot.state_size
            for number in range(-(-snapshot.state_size // geometry.cluster)):
                self._cluster(l1, start, number)
        except OSError as error:
            raise refused(error, self._spool.name) from error

    def _begins(self, l1: NDArray[np.uint64], start: int) -> bool:
        """Whether a stream begins with that L1 entry."""
        offset = self._entry(l1, start, 0)[0] if start < len(l1) else None
        return offset is not None and self._file.read(offset, len(STREAM_MAGIC)) == STREAM_MAGIC

    def _cluster(self, l1: NDArray[np.uint64], start: int, number: int) -> None:
        geometry = self._geometry
        offset, parts = self._entry(l1, start, number)
        if offset is None:
            return
        goal = number * geometry.cluster
        size = min(geometry.cluster, self._spool.size - goal)
        octets = self._file.take(offset, size, "a cluster")
        step = geometry.cluster if parts == ALL else geometry.cluster // SUBCLUSTERS
        for place in range(0, size, step):
            if parts == ALL or parts >> place // step & 1:
                put(self._spool.descriptor, goal + place, octets[place : place + step], self._spool.name)

    def _entry(self, l1: NDArray[np.uint64], start: int, number: int) -> tuple[int | None, int]:
        """Where cluster ``number`` of the state stands, None for zeros, and which of its parts are there."""
        index, inside = divmod(number, self._geometry.per_l2)
        if start + index >= len(l1):
            raise StreamError("the snapshot's L1 table is too short for its state", offset=self._snapshot.l1_offset)
        l2_offset = int(l1[start + index]) & OFFSET
        if not l2_offset:
            return None, 0
        width = self._geometry.entry_size
        octets = self._file.take(l2_offset + width * inside, width, TABLES)
        entry = int.from_bytes(octets[:8], "big")
        if entry & COMPRESSED:
            raise UnsupportedError("a compressed cluster in a snapshot's state", offset=l2_offset + width * inside)
        extended = width == 16
        parts = int.from_bytes(octets[12:], "big") if extended else ALL
        absent = not entry & OFFSET or (not extended and entry & ZEROS)
        return (None if absent else entry & OFFSET), parts

    def _table(self, offset: int, count: int, width: int) -> NDArray[np.uint64]:
        return np.frombuffer(self._file.take(offset, count * width, TABLES), ">u8")
