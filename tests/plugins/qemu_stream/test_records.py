"""Records of pages, laid out many at once."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import DomainError
from domctx.states import PageBatch, PageKind
from domctx_qemu_stream.records import Records
from helpers import qemu_streams as qs
from helpers.qemu_streams import PAGE

NAMES = ("pc.ram", "a rom")
KINDS = st.sampled_from([PageKind.DATA, PageKind.ZERO, PageKind.FILL, PageKind.ABSENT])
Page = tuple[PageKind, int]


def batch_of(block: int, first: int, pages: list[Page]) -> PageBatch:
    """A batch; a page's number is the seed of its contents, or the octet that it repeats."""
    data = b"".join(qs.pages(seed) for kind, seed in pages if kind is PageKind.DATA)
    fills = [seed for kind, seed in pages if kind is PageKind.FILL]
    return PageBatch(
        block,
        first,
        np.array([kind for kind, _ in pages], np.uint8),
        np.frombuffer(data, np.uint8).reshape(-1, PAGE),
        np.array(fills, np.uint8) if fills else None,
    )


def octets_of(records: Records, batch: PageBatch) -> bytes:
    """All pieces of a batch."""
    return b"".join(bytes(piece) for piece in records.pieces(batch))


@settings(max_examples=60)
@given(batches=st.lists(st.tuples(st.integers(0, 1), st.integers(0, 9), st.lists(st.tuples(KINDS, st.integers(0, 3))))))
def test_records_are_those_that_one_would_write_page_by_page(batches: list[tuple[int, int, list[Page]]]) -> None:
    """Word, name where the block changes, contents: as composed one by one from formats/qemu.md 2.1."""
    records = Records(NAMES)
    last: int | None = None
    for block, first, pages in batches:
        expected = b""
        for page, (kind, seed) in enumerate(pages, first):
            if kind is PageKind.ABSENT:
                continue
            named = NAMES[block] if block != last else None
            last = block
            if kind is PageKind.DATA:
                expected += qs.data(page, qs.pages(seed), named)
            elif kind is PageKind.FILL and seed:
                expected += qs.data(page, bytes((seed,)) * PAGE, named)
            else:
                expected += qs.fill(page, 0, named)
        assert octets_of(records, batch_of(block, first, pages)) == expected


def test_long_batches_come_in_pieces() -> None:
    """Thousands of pages are laid out a thousand at a time, with their rows and fills in step."""
    pages: list[Page] = [(PageKind((number // 3) % 3), number % 7) for number in range(2500)]
    pieces = [bytes(piece) for piece in Records(NAMES).pieces(batch_of(0, 0, pages))]
    assert len(pieces) == 3
    one_by_one = Records(NAMES)
    assert b"".join(pieces) == b"".join(octets_of(one_by_one, batch_of(0, at, [page])) for at, page in enumerate(pages))


def test_flat_records_have_no_names() -> None:
    """Of a RAM section without a list of blocks no record names a block or goes on with one."""
    found = octets_of(Records(["ram"], flat=True), batch_of(0, 1, [(PageKind.DATA, 5), (PageKind.ZERO, 0)]))
    assert found == qs.u64(PAGE | qs.DATA) + qs.pages(5) + qs.u64(2 * PAGE | qs.ZERO) + b"\0"


def test_absent_pages_have_no_records() -> None:
    """A piece without any page is empty, and does not name its block."""
    records = Records(NAMES)
    assert octets_of(records, batch_of(0, 0, [(PageKind.ABSENT, 0)])) == b""
    assert octets_of(records, batch_of(0, 0, [(PageKind.ZERO, 0)])) == qs.fill(0, 0, NAMES[0])


@pytest.mark.parametrize("kind", [PageKind.POPULATE, PageKind.BROKEN, PageKind.INVALID, PageKind.BASE])
def test_kinds_that_qemu_has_not_are_refused(kind: PageKind) -> None:
    """The page and its kind are named."""
    with pytest.raises(DomainError, match=f"page 0x8 of RAM block 'a rom' is {kind.name}"):
        octets_of(Records(NAMES), batch_of(1, 7, [(PageKind.ZERO, 0), (kind, 0)]))
