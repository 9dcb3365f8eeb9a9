"""Windows become bodies."""

from __future__ import annotations

import numpy as np
import pytest

from domctx.states import PageBatch
from domctx_memory.body import Packed, pack
from domctx_memory.buffers import Buffers
from domctx_memory.codec import Packer
from domctx_memory.gather import windows
from domctx_memory.layout import ENTRY_SIZE, HEAD_SIZE, Codec, Coding, body_bound
from helpers.memory import block_of, head_of, random_pages


def packed_of(batch: PageBatch, codec: Codec = Codec.ZSTD) -> Packed:
    """The one window of a batch, packed."""
    buffers = Buffers()
    (item,) = windows([batch], [block_of(1024)], buffers)
    return pack(item.read(buffers), Packer(codec, 1))


def body_of(packed: Packed, offset: int = 0) -> bytes:
    """The whole body, at some offset of the image."""
    filler = packed.filler(offset)
    body = b"".join(bytes(part) for part in packed.parts(filler))
    assert len(body) == packed.length(filler)
    return body


@pytest.mark.parametrize("offset", [0, 8, 4096 - 64, 4000, 12345672])
def test_frames_that_are_not_compressed_are_page_aligned(offset: int) -> None:
    """Frames of an uncompressed body begin at a multiple of 4096 of the image, behind a filler of zeros."""
    packed = packed_of(random_pages(2, 300, 4096).batch(0, 0, 0, 300), Codec.NONE)
    body = body_of(packed, offset)
    head = head_of(body)
    start = HEAD_SIZE + len(packed.columns) + head.filler
    assert (offset + start) % 4096 == 0
    assert head.filler < 4096
    assert not any(body[start - head.filler : start])
    assert len(body) == start + head.data * 4096
    assert body[start : start + 4096] == packed.window.batch.pages[0].tobytes()


def test_there_is_no_filler_where_it_serves_nothing() -> None:
    """Compressed bodies and bodies without frames have no filler."""
    assert packed_of(random_pages(2, 300, 4096).batch(0, 0, 0, 300)).filler(5) == 0
    zero = PageBatch(0, 0, np.ones(4, np.uint8), np.empty((0, 4096), np.uint8))
    assert packed_of(zero, Codec.NONE).filler(5) == 0


def test_a_body_of_zeros_is_tiny() -> None:
    """4 MiB of zeros are a head and one octet."""
    batch = PageBatch(0, 0, np.ones(1024, np.uint8), np.empty((0, 4096), np.uint8))
    body = body_of(packed_of(batch))
    assert len(body) == HEAD_SIZE + 1
    assert head_of(body).kinds == Coding.ALL
    assert body[HEAD_SIZE:] == b"\x01"


def test_columns_are_as_short_as_they_can_be() -> None:
    """Kinds and types are given once where all pages have the same, else for each page; a fill takes one octet."""
    kinds = np.array([2, 2, 2, 2], np.uint8)
    fills = np.array([1, 2, 3, 3], np.uint8)
    nothing = np.empty((0, 4096), np.uint8)
    same = packed_of(PageBatch(0, 0, kinds, nothing, fills, np.full(4, 9, np.uint8)))
    assert (same.head.kinds, same.head.types) == (Coding.ALL, Coding.ALL)
    assert same.columns == b"\x02\x09\x01\x02\x03\x03"
    kinds[0], types = 1, np.array([0, 1, 2, 3], np.uint8)
    each = packed_of(PageBatch(0, 0, kinds, nothing, fills[1:], types))
    assert (each.head.kinds, each.head.types) == (Coding.EACH, Coding.EACH)
    assert each.columns == b"\x01\x02\x02\x02\x00\x01\x02\x03\x02\x03\x03"
    assert packed_of(PageBatch(0, 0, kinds, nothing, fills[1:])).head.types == Coding.NONE


def test_the_bound_holds_for_noise() -> None:
    """A body of noise, with types, kinds of every page and the longest filler, is not over its bound."""
    pages = np.random.default_rng(1).integers(0, 256, (1023, 4096)).astype(np.uint8)
    kinds = np.zeros(1024, np.uint8)
    kinds[5] = 2
    types = np.arange(1024).astype(np.uint8) % 5
    for codec in Codec:
        packed = packed_of(PageBatch(0, 0, kinds, pages, np.array([9], np.uint8), types), codec)
        assert packed.length(4095) <= body_bound(1024, 12)
        assert len(packed.columns) == 32 * ENTRY_SIZE + 2 * 1024 + 1
