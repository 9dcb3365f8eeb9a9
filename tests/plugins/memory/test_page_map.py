"""Bodies are read: every rule that one can break, and what that costs."""

from __future__ import annotations

import contextlib
import tracemalloc
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.api import RamBlock
from domctx.errors import DomctxError, RecordError, UnsupportedError
from domctx.states import PageKind
from domctx_memory.layout import ENTRY_SIZE, HEAD_SIZE, Codec, Coding
from domctx_memory.page_map import PageMap, check_place, map_size, read_head, read_map
from helpers.memory import Pages, Road, SourceMemory, block_of, changed_head, changed_rest, head_of, sealed

KINDS = np.repeat([0, 2, 1, 0, 3, 4, 2, 5, 6], [50, 10, 30, 40, 20, 20, 10, 10, 10]).astype(np.uint8)
CONTENTS = np.arange(200 * 4096).reshape(200, 4096).astype(np.uint8) * (KINDS == PageKind.DATA)[:, np.newaxis]
CONTENTS[KINDS == PageKind.FILL] = 0xA5
TYPES = np.repeat([0, 1, 10], [100, 60, 40]).astype(np.uint8)
PAGES = Pages(KINDS, CONTENTS.astype(np.uint8), TYPES)
BLOCKS = [block_of(200)]


def body_of(*given: str) -> bytes:
    """A body with DATA, FILL, types and several frames."""
    return Road(BLOCKS, given).bodies(SourceMemory(BLOCKS, [PAGES]))[0]


BODY = body_of()
RAW = body_of("compression=none")
HEAD = head_of(BODY)
TABLE = ENTRY_SIZE * 3


def whole(body: bytes) -> PageMap:
    """The page map of a body, all of its frames unpacked and checked."""
    found = read_map(body, len(body))
    for index, (start, end) in enumerate(zip(found.starts, found.starts[1:], strict=False)):
        found.frame(index, body[start:end])
    return found


def test_the_sample_has_everything() -> None:
    """The body that is damaged below has three frames, fills, types, and kinds of every page."""
    assert (HEAD.data, HEAD.fills) == (90, 20)
    assert (HEAD.kinds, HEAD.types, HEAD.codec) == (Coding.EACH, Coding.EACH, Codec.ZSTD)
    assert head_of(RAW).filler
    assert map_size(HEAD) == whole(BODY).starts[0]
    assert whole(BODY).starts[-1] == len(BODY)


def test_a_body_tells_what_was_saved() -> None:
    """Kinds, types, fills and ranks of a page map are those of the pages that were saved."""
    found = whole(BODY)
    assert found.types is not None
    assert np.array_equal(found.types, TYPES)
    assert found.ranks.tolist() == [0, *np.cumsum(found.kinds == PageKind.DATA).tolist()]
    assert found.octets[found.kinds == PageKind.FILL].all()
    assert not found.octets[found.kinds != PageKind.FILL].any()
    batch = found.batch(np.empty((0, 4096), np.uint8))
    assert (batch.block, batch.first, batch.count) == (0, 0, 200)


@pytest.mark.parametrize("body", [BODY, RAW], ids=["zstd", "none"])
def test_every_truncation_is_refused(body: bytes) -> None:
    """A body cut anywhere, or with an octet more, is refused."""
    for length in [*range(min(1200, len(body))), *range(1200, len(body), 997), len(body) - 1]:
        with pytest.raises(RecordError):
            whole(body[:length])
    with pytest.raises(RecordError):
        whole(body + b"\0")


@pytest.mark.parametrize("body", [BODY, RAW], ids=["zstd", "none"])
def test_every_bit_is_covered(body: bytes) -> None:
    """A body with any bit flipped is refused: head, page map, filler or frame."""
    for bit in [*range(8 * 640), *range(8 * 640, 8 * len(body), 1009)]:
        damaged = bytearray(body)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DomctxError):
            whole(bytes(damaged))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"page_shift": 9}, "page_shift cannot be"),
        ({"page_shift": 23}, "page_shift cannot be"),
        ({"page_shift": 255}, "page_shift cannot be"),
        ({"kinds": Coding.NONE}, "kinds cannot be"),
        ({"kinds": 3}, "kinds cannot be"),
        ({"types": 3}, "types cannot be"),
        ({"count": 0}, "first, count cannot be"),
        ({"count": 1025}, "first, count cannot be"),
        ({"count": 0xFFFF_FFFF}, "first, count cannot be"),
        ({"first": (1 << 64) - 199}, "first, count cannot be"),
        ({"data": 201}, "data, fills cannot be"),
        ({"data": 0xFFFF_FFFF, "fills": 0xFFFF_FFFF}, "data, fills cannot be"),
        ({"fills": 200}, "data, fills cannot be"),
        ({"filler": 1}, "filler cannot be"),
        ({"filler": 0xFFFF_FFFF}, "filler cannot be"),
        ({"codec": 0, "filler": 4096}, "filler cannot be"),
        ({"codec": 0, "data": 0, "filler": 1}, "filler cannot be"),
    ],
)
def test_a_head_that_cannot_be_is_refused(fields: dict[str, int], message: str) -> None:
    """Every number of a head is bounded, whatever its digests say; the message names it and what it may be."""
    with pytest.raises(RecordError, match=message) as caught:
        whole(changed_head(BODY, **fields))
    assert caught.value.expected is not None
    assert caught.value.got is not None


@pytest.mark.parametrize("codec", [2, 255])
def test_an_unknown_codec_is_refused(codec: int) -> None:
    """Frames packed by a codec that is not known are refused as such."""
    with pytest.raises(UnsupportedError, match="packed in a way that is not known"):
        whole(changed_head(BODY, codec=codec))


def test_a_damaged_head_is_told_from_a_damaged_map() -> None:
    """The message says which digest is wrong, the head's or the page map's."""
    with pytest.raises(RecordError, match="digest of the head"):
        read_head(BODY[:20] + b"\xff" + BODY[21:], len(BODY))
    with pytest.raises(RecordError, match="digest of the page map"):
        read_map(BODY[:100] + b"\xff" + BODY[101:], len(BODY))


@pytest.mark.parametrize(
    ("offset", "octets", "message"),
    [
        (TABLE, b"\x08", "a page has a kind that is none"),
        (TABLE, b"\xff", "a page has a kind that is none"),
        (TABLE + 200, b"\x05", "a page has a type that is none"),
        (TABLE + 200, b"\x10", "a page has a type that is none"),
        (TABLE, b"\x03" * 200, "kinds are given for each page although"),
        (TABLE + 200, b"\x03" * 200, "types are given for each page although"),
        (TABLE + 400, b"\x00", "a page of zeros is given as FILL"),
        (0, b"\x00\x00\x00\x00", "frame 0 has a length that it cannot have"),
        (0, b"\x01\x00\x02\x00", "frame 0 has a length that it cannot have"),
        (ENTRY_SIZE, b"\xff\xff\xff\xff", "frame 1 has a length that it cannot have"),
        (0, b"\x01\x00\x00\x00", "the frames do not end where the body does"),
    ],
)
def test_a_page_map_that_cannot_be_is_refused(offset: int, octets: bytes, message: str) -> None:
    """Every column of a page map is checked, whatever its digests say."""
    with pytest.raises(RecordError, match=message):
        whole(changed_rest(BODY, offset, octets))


def test_kinds_must_agree_with_the_counts() -> None:
    """A page map with more or fewer DATA or FILL pages than the head says is refused."""
    kinds = whole(BODY).kinds.tolist()
    for kind in (PageKind.DATA, PageKind.FILL):
        for other in (PageKind.ABSENT, kind):
            place = next(place for place, found in enumerate(kinds) if (found == kind) != (other == kind))
            with pytest.raises(RecordError, match="data and fills are not what the kinds tell"):
                whole(changed_rest(BODY, TABLE + place, bytes([other])))


def test_pages_of_an_incremental_image_are_refused() -> None:
    """The kind that is reserved for incremental images is refused as not supported."""
    with pytest.raises(UnsupportedError, match="BASE"):
        whole(changed_rest(BODY, TABLE, b"\x07"))


def test_an_uncompressed_frame_has_one_length() -> None:
    """In a body that is not compressed every frame has its full length, and its filler is zero."""
    with pytest.raises(RecordError, match="frame 0 has a length"):
        whole(changed_rest(RAW, 0, b"\xff\xff\x01\x00"))
    with pytest.raises(RecordError, match="the filler is not zero"):
        whole(changed_rest(RAW, map_size(head_of(RAW)) - HEAD_SIZE - 1, b"\x01"))


def test_a_short_body_is_refused_by_its_head_alone() -> None:
    """A body shorter than its head claims is refused before anything is read from it."""
    with pytest.raises(RecordError, match="the body is too short") as caught:
        read_map(BODY[:HEAD_SIZE], HEAD_SIZE)
    assert caught.value.expected == f"at least 0x{map_size(HEAD):016x}"
    with pytest.raises(RecordError, match="the body is too short"):
        read_head(b"", 0)


@pytest.mark.parametrize(
    ("fields", "blocks", "message"),
    [
        ({"block": 1}, BLOCKS, "block cannot be"),
        ({"block": 0xFFFF_FFFF}, BLOCKS, "block cannot be"),
        ({}, [], "block cannot be"),
        ({}, [block_of(400, 11)], "page_shift cannot be"),
        ({}, [block_of(199)], "pages outside of RAM block"),
        ({"first": 1}, BLOCKS, "pages outside of RAM block"),
        ({"first": 1 << 63}, BLOCKS, "pages outside of RAM block"),
    ],
)
def test_pages_that_the_machine_does_not_have_are_refused(
    fields: dict[str, int], blocks: list[RamBlock], message: str
) -> None:
    """A record of pages that no block of the machine has is refused."""
    body = changed_head(BODY, **fields)
    with pytest.raises(RecordError, match=message):
        check_place(read_head(body, len(body)), blocks)


@pytest.mark.parametrize(
    "fields",
    [
        {"count": 1024, "data": 1024},
        {"page_shift": 22, "count": 1, "data": 1, "fills": 0},
        {"page_shift": 10, "count": 4096, "data": 0, "fills": 4096, "types": Coding.EACH},
        {"first": (1 << 63) - 1, "count": 1},
    ],
)
def test_the_largest_claims_cost_little(fields: dict[str, Any]) -> None:
    """A small body that claims as much as it may is refused, and no more memory is taken than its own size."""
    body = sealed(head_of(changed_head(BODY, **fields)), b"\0" * 500)
    tracemalloc.start()
    with pytest.raises(DomctxError):
        whole(body)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 256 << 10


numbers = st.sampled_from([0, 1, 2, 3, 12, 63, 64, 90, 110, 200, 1024, 4095, 4096, 0xFFFF_FFFF]) | st.integers(0, 255)
heads = st.fixed_dictionaries(
    {},
    optional={
        "codec": st.integers(0, 2),
        "page_shift": st.integers(8, 24),
        "kinds": st.integers(0, 3),
        "types": st.integers(0, 3),
        "first": st.sampled_from([0, 1, (1 << 64) - 1]),
        "count": numbers,
        "data": numbers,
        "fills": numbers,
        "filler": numbers,
    },
)
changes = st.lists(st.tuples(st.integers(0, 600), st.binary(min_size=1, max_size=4)), max_size=4)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from([BODY, RAW]), heads, changes, st.integers(-70, 70))
def test_forged_bodies_are_refused_or_read(
    body: bytes, fields: dict[str, Any], places: list[tuple[int, bytes]], more: int
) -> None:
    """A body with any numbers in it, and digests forged to fit, is refused with a DomctxError or read whole."""
    rest = bytearray(body[HEAD_SIZE:])
    for place, octets in places:
        rest[place : place + len(octets)] = octets
    forged = sealed(
        attrs.evolve(head_of(body), **fields), bytes(rest[:more]) if more < 0 else bytes(rest) + bytes(more)
    )
    with contextlib.suppress(DomctxError):
        found = whole(forged)
        assert found.head.count == len(found.kinds)
        assert found.starts[-1] == len(forged)
