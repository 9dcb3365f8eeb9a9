"""Files that can be read in several ways."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import attrs
import pytest

from domctx.errors import StreamError
from helpers.lgr_domains import opened, pages_of
from helpers.lgr_files import L1TAB, L2TAB, PT_BASE_AT, Guest, a0, a1, a3, b, cut, items, make_guest, patch


def low_table(seed: int = 5) -> Guest:
    """A guest whose PFN 0 is an L1 table and whose PFN 1 is the page directory: A3's first type looks like a count."""
    guest = make_guest(8, seed)
    order = (3, 4, 2, 0, 1, 5, 6, 7)
    types = [guest.types[pfn] for pfn in order]
    types[5:] = [0, 0, 0]
    pages = [bytes(4096)] * 8
    pages[1] = struct.pack("<I", 0x067).ljust(4096, b"\0")
    context = patch(guest.context, PT_BASE_AT, 1 << 12)
    context = patch(context, 16, 3)
    context = patch(context, 2388, 2)
    frame_page = struct.pack("<I", 4).ljust(4096, b"\0")
    moved = attrs.evolve(guest, types=tuple(types), pages=tuple(pages), context=context, frame_page=frame_page)
    assert moved.types[:3] == (L1TAB, L2TAB, 0)
    return moved


@pytest.mark.parametrize("zipped", [False, True])
def test_a3_whose_types_look_like_a_batch(tmp_path: Path, zipped: bool) -> None:
    """Page types 1, 2, 0, ... pass for a batch of one page, of PFN 2; the page directory decides for A3."""
    octets = a3(low_table())
    domain = opened(tmp_path, gzip.compress(octets) if zipped else octets)
    assert domain.content.variant.name == "A3"
    assert pages_of(domain) == list(low_table().pages)
    domain.close()


@pytest.mark.parametrize("zipped", [False, True])
def test_b_whose_first_batch_looks_like_types(tmp_path: Path, zipped: bool) -> None:
    """A batch of PFN 0, a page of zeros, passes for page types 1, 0, 0, ...; the page directory decides for B."""
    guest = make_guest(40, 1)
    guest = attrs.evolve(guest, pages=(bytes(4096), *guest.pages[1:]))
    octets = b(guest, cut(items(guest, 29), 1))
    domain = opened(tmp_path, gzip.compress(octets) if zipped else octets)
    assert domain.content.variant.name == "B"
    assert pages_of(domain) == list(guest.pages)
    domain.close()


def test_an_ambiguous_file_that_is_cut_is_refused(tmp_path: Path) -> None:
    """A cut does not turn the one reading into the other."""
    guest = make_guest(40, 1)
    guest = attrs.evolve(guest, pages=(bytes(4096), *guest.pages[1:]))
    octets = b(guest, cut(items(guest, 29), 1))
    for size in (len(octets) - 1, len(octets) - 4, 10744 + 4100 * 40, 10744 + 4 * 40, 20000):
        with pytest.raises(StreamError, match="ends early"):
            opened(tmp_path, octets[:size])


def test_a1_whose_shared_info_looks_like_a_frame_list(tmp_path: Path) -> None:
    """A1 with empty shared info passes for A0 whose page types are A1's frame list; the page directory decides."""
    guest = make_guest(8, 1)
    guest = attrs.evolve(guest, shared_info=bytes(4096))
    domain = opened(tmp_path, a1(guest))
    assert domain.content.variant.name == "A1"
    assert pages_of(domain) == list(guest.pages)
    domain.close()
    old = attrs.evolve(make_guest(8, 1), pages=(bytes(4096),) * 8)
    domain = opened(tmp_path, a0(old))
    assert domain.content.variant.name == "A0"
    assert pages_of(domain) == list(old.pages)
    domain.close()


def test_where_nothing_else_decides_the_size_does(tmp_path: Path) -> None:
    """Of two readings that make no page directory the one is right that ends where the file ends."""
    guest = make_guest(8, 1)
    empty = attrs.evolve(guest, types=(0,) * 8, pages=(bytes(4096),) * 8, shared_info=bytes(4096))
    for make, name in ((a0, "A0"), (a1, "A1")):
        domain = opened(tmp_path, make(empty))
        assert domain.content.variant.name == name
        domain.close()


def test_the_reading_that_gets_furthest_tells_what_is_wrong(tmp_path: Path) -> None:
    """A file that no variant explains is refused with the error of the best explanation."""
    guest = make_guest(8, 1)
    with pytest.raises(StreamError, match=r"pfn_type\[0x5\] is no page type") as caught:
        opened(tmp_path, patch(a3(guest), 10744 + 20, 99))
    assert caught.value.offset == 10744 + 20
