"""Snapshots within qcow2 images, composed from formats/qemu.md 7 and from nothing of the reader."""

from __future__ import annotations

import struct
from collections.abc import Sequence

from helpers import qemu_streams as qs

CLUSTER = 4096
L2_AT, STREAM_AT = 3, 5
"""Clusters of the file at which the L2 table and the stream begin; 1 holds the L1 table, 2 the snapshots."""


def entry(name: str, size: int, l1_size: int = 3, disk: int = 1 << 20, extra: bytes | None = None) -> bytes:
    """An entry of the table of snapshots."""
    more = qs.u64(size) + qs.u64(disk) + qs.u64(0) if extra is None else extra
    fixed = struct.pack(">QIHHIIQII", CLUSTER, l1_size, 1, len(name), 0, 0, 0, size & 0xFFFFFFFF, len(more))
    octets = fixed + more + b"1" + name.encode()
    return octets + bytes(-len(octets) % 8)


def image(
    stream: bytes,
    snapshots: Sequence[bytes] | None = None,
    *,
    extended: bool = False,
    version: int = 3,
    bits: int = 12,
    crypt: int = 0,
    features: int = 0,
    count: int | None = None,
    flag: int = 0,
    disk: int = 1 << 20,
    magic: bytes = b"QFI\xfb",
) -> bytes:
    """An image of a 1 MiB disk with a snapshot whose state is ``stream``; zeros in it are left out."""
    table = [entry("snap", len(stream))] if snapshots is None else snapshots
    number = len(table) if count is None else count
    head = magic + struct.pack(">IQIIQIIQQIIQ", version, 0, 0, bits, disk, crypt, 3, CLUSTER, 0, 0, number, 2 * CLUSTER)
    head = head.ljust(72, b"\0") + qs.u64(features | 16 * extended)
    width = 16 if extended else 8
    start = -(-(1 << 20) // (CLUSTER * (CLUSTER // width)))
    l1 = qs.u64(0) * start + qs.u64(L2_AT * CLUSTER | 1 << 63)
    l2, clusters = b"", b""
    for place in range(0, len(stream), CLUSTER):
        octets = stream[place : place + CLUSTER].ljust(CLUSTER, b"\0")
        there = octets.strip(b"\0") != b""
        offset = STREAM_AT * CLUSTER + len(clusters)
        l2 += qs.u64((offset | 1 << 63 | flag) if there else 1) + (qs.u64(0xFFFFFFFF) if extended else b"")
        clusters += octets if there else b""
    found = b"".join(part.ljust(CLUSTER, b"\0") for part in (head, l1, b"".join(table)))
    return found + l2.ljust(2 * CLUSTER, b"\0") + clusters
