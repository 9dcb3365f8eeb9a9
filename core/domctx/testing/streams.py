"""Streams of records as lists of parts, to be changed and put together again."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence

import attrs

from domctx.values import frozen
from domctx.wire import HEADER, Header, pack_header, padding, record_size, unpack_header


@frozen
class RawRecord:
    """One record as it stands in a stream; ``pad`` None: zeros to a multiple of 8, as it should be."""

    type: int
    instance: int
    body: bytes
    pad: bytes | None = None

    def octets(self) -> bytes:
        """Header, body and padding; the header tells the length that the body has."""
        pad = padding(len(self.body)) if self.pad is None else self.pad
        return pack_header(self.type, self.instance, len(self.body)) + self.body + pad


def split(octets: bytes) -> list[RawRecord]:
    """The records of a stream of whole records."""
    records = []
    offset = 0
    while offset < len(octets):
        header: Header = unpack_header(octets[offset : offset + HEADER.size])
        start = offset + HEADER.size
        records.append(RawRecord(header.type, header.instance, octets[start : start + header.length]))
        offset += record_size(header.length)
    return records


def join(records: Iterable[RawRecord]) -> bytes:
    """The stream of these records."""
    return b"".join(record.octets() for record in records)


def replaced(records: Sequence[RawRecord], index: int, body: bytes, pad: bytes | None = None) -> bytes:
    """The stream in which the record at ``index`` has another body and padding."""
    changed = attrs.evolve(records[index], body=body, pad=pad)
    return join([*records[:index], changed, *records[index + 1 :]])


def flipped(body: bytes, bit: int) -> bytes:
    """``body`` with one bit the other way round; bit 0 is the lowest of the first octet."""
    changed = bytearray(body)
    changed[bit >> 3] ^= 1 << (bit & 7)
    return bytes(changed)


def spread(count: int, limit: int, seed: bytes) -> Iterator[int]:
    """Every number below ``count``; of more than ``limit`` a quarter of it from each end, the rest by chance.

    The same ``seed`` gives the same numbers.
    """
    if count <= limit:
        yield from range(count)
        return
    edge = limit // 4
    yield from range(edge)
    yield from sorted(random.Random(seed).sample(range(edge, count - edge), limit - 2 * edge))
    yield from range(count - edge, count)
