"""Bodies of MEMORY records octet by octet as docs/records.md and layout.py's page have them: read here without them."""

from __future__ import annotations

import struct
import sys
import zlib
from collections.abc import Iterator

import pytest
from blake3 import blake3
from hypothesis import example, given, settings, strategies as st

from helpers.memory import Road, SourceMemory, block_of, memories, picture, random_pages

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

HEAD = struct.Struct("<IBBBBQIIII16s16s")
Pages = list[tuple[int, bytes, int]]
"""Kind, contents (of FILL one octet) and type of each page."""


def bodies_of(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Where the body of each record begins, and the body; instances run from 0."""
    offset = instance = 0
    while offset < len(octets):
        type_, found, length = struct.unpack_from("<IIQ", octets, offset)
        if type_ != 1:  # what stands before
            assert (type_, found) == (0x10100, instance)
            instance += 1
            yield offset + 16, octets[offset + 16 : offset + 16 + length]
        offset += 16 + length + -length % 8


def column_of(octets: bytes, coding: int, count: int) -> tuple[bytes, bytes]:
    """A column, one octet for each page, and what stands behind it."""
    if coding == 2:
        assert len(set(octets[:count])) > 1  # otherwise one for all would do
        return octets[:count], octets[count:]
    return (octets[:1] * count, octets[1:]) if coding else (bytes(count), octets)


def frame_of(octets: bytes, size: int, check: int, digest: bytes, codec: int) -> bytes:
    """What a frame of ``size`` octets holds; at its end the frame ends."""
    if len(octets) == size:
        assert check == 0
        contents = octets
    else:
        assert codec == 1
        assert check == zlib.crc32(octets)
        contents = zstd.decompress(octets)
    assert len(contents) == size
    assert digest == blake3(contents).digest()[:16]
    return contents


def pages_of(offset: int, body: bytes) -> tuple[tuple[int, int], Pages]:
    """Block and first page, and the pages, of a body that stands ``offset`` octets into the image."""
    block, shift, codec, kinds_as, types_as, first, count, data, fills, filler, map_digest, digest = HEAD.unpack(
        body[:64]
    )
    assert digest == blake3(body[:48]).digest()[:16]
    step = max(1, (128 << 10) >> shift)
    frames = -(-data // step)
    table = [struct.unpack_from("<II16s", body, 64 + 24 * frame) for frame in range(frames)]
    kinds, rest = column_of(body[64 + 24 * frames :], kinds_as, count)
    types, rest = column_of(rest, types_as, count)
    assert (kinds.count(0), kinds.count(2)) == (data, fills)
    octets, rest = iter(rest[:fills]), rest[fills:]
    start = len(body) - len(rest)
    assert map_digest == blake3(body[64:start]).digest()[:16]
    assert rest[:filler] == bytes(filler)
    assert filler == (-(offset + start) % 4096 if codec == 0 and data else 0)
    contents, start = b"", start + filler
    for place, (stored, check, of_frame) in enumerate(table):
        size = min(step, data - place * step) << shift
        contents += frame_of(body[start : start + stored], size, check, of_frame, codec)
        start += stored
    assert start == len(body)
    pages: Pages = []
    for kind, type_ in zip(kinds, types, strict=True):
        page, contents = (contents[: 1 << shift], contents[1 << shift :]) if kind == 0 else (b"", contents)
        pages.append((kind, bytes([next(octets)]) if kind == 2 else page, type_))
    assert not contents
    return (block, first), pages


LARGE = SourceMemory([block_of(2100)], [random_pages(3, 2100, 4096, typed=True)])


@settings(max_examples=40)
@given(memories(), st.sampled_from(["zstd", "none"]))
@example(LARGE, "zstd")
@example(LARGE, "none")
def test_a_body_is_what_the_page_says(memory: SourceMemory, codec: str) -> None:
    """Every page once and in its one form, in records of 4 MiB and what is left; every field, digest and CRC right."""
    found: dict[tuple[int, int], Pages] = {}
    for offset, body in bodies_of(Road(memory.blocks, (f"compression={codec}",)).save(memory, before=b"seven..")):
        place, pages = pages_of(offset, body)
        assert place not in found
        found[place] = pages
    wanted: dict[tuple[int, int], Pages] = {}
    for number, (block, pages) in enumerate(zip(memory.blocks, picture(memory), strict=True)):
        step = (4 << 20) >> block.page_shift
        wanted |= {(number, first): pages[first : first + step] for first in range(0, len(pages), step)}
    assert list(found) == list(wanted)
    assert found == wanted


@pytest.mark.parametrize("shift", [10, 12, 18, 22])
def test_pages_of_every_size(shift: int) -> None:
    """From 1 KiB, of which a frame has many, to 4 MiB, of which a frame has one."""
    count = 5 if shift > 12 else 300
    memory = SourceMemory([block_of(count, shift)], [random_pages(4, count, 1 << shift)])
    road = Road(memory.blocks)
    octets = road.save(memory)
    found = [page for offset, body in bodies_of(octets) for page in pages_of(offset, body)[1]]
    assert [found] == picture(memory) == picture(road.load(octets))
