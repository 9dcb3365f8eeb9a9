"""PAGE_DATA records as runs, and what is refused of them."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from domctx.errors import StreamError
from domctx_xen import pages as module
from domctx_xen.files import open_file
from domctx_xen.pages import PageData
from helpers import xen_streams as xs
from helpers.xen_streams import Bits, entry, made, page, page_data


def taken(folder: Path, *records: Bits) -> PageData:
    """Records one behind the other, taken and flushed."""
    file = open_file(str(made(*records).write(folder)))
    found, offset = PageData(file), 0
    try:
        for bits in records:
            length = struct.unpack("<I", made(bits).octets[4:8])[0]
            found.take(offset + 8, length)
            offset += len(made(bits).octets)
        found.flush()
    finally:
        file.close()
    found.runs.keep()
    return found


def bare(count: int, words: bytes, octets: int, reserved: int = 0) -> Bits:
    """A record of which nothing need fit."""
    return xs.record(1, struct.pack("<II", count, reserved) + words + bytes(octets))


def test_pages_stand_behind_their_words(tmp_path: Path) -> None:
    """Those without octets take no room; the largest PFN and the number of words are known."""
    found = taken(tmp_path, page_data((entry(5), page(5)), (entry(7, 0xF), None), (entry(6), page(6))), xs.hvm_pages())
    runs = found.runs.settle()
    columns = zip(runs.firsts.tolist(), runs.counts.tolist(), runs.types.tolist(), strict=True)
    assert list(columns) == [(0, 2, 0), (2, 1, 15), (3, 1, 14), (4, 1, 0), (5, 2, 0), (7, 1, 15)]
    octets = (tmp_path / "stream.xen").read_bytes()
    assert octets[int(runs.offsets[4]) :][:8192] == page(5) + page(6)
    assert (found.last, found.told, found.records) == (7, 8, 2)


@pytest.mark.parametrize("size", [1, 2, 3, 7])
def test_how_many_words_are_looked_at_together_does_not_show(
    size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records longer than a slice, and slices of several records."""
    pages = [(entry(pfn, 0xF if pfn % 3 == 0 else 0), None if pfn % 3 == 0 else page(pfn)) for pfn in range(11)]
    expected = taken(tmp_path, page_data(*pages), xs.hvm_pages()).runs.settle()
    monkeypatch.setattr(module, "SLICE", size)
    found = taken(tmp_path, page_data(*pages), xs.hvm_pages()).runs.settle()
    assert found.firsts.tolist() == expected.firsts.tolist()
    assert found.offsets.tolist() == expected.offsets.tolist()


REFUSED: dict[str, tuple[Bits, str]] = {
    "no room for a head": (xs.record(1, b"abc"), "wrong length"),
    "no page": (bare(0, b"", 0), "of no page"),
    "words past the end": (bare(3, bytes(16), 0), "wrong length"),
    "part of a page": (bare(1, bytes(8), 100), "wrong length"),
    "more pages than words": (bare(1, bytes(8), 8192), "wrong length"),
    "a page too few": (bare(2, struct.pack("<QQ", 1, 2), 4096), "not as long as its pages"),
    "octets for XTAB": (bare(1, struct.pack("<Q", 0xF << 60), 4096), "not as long as its pages"),
    "a reserved type": (bare(1, struct.pack("<Q", 5 << 60), 4096), "type that is reserved"),
    "too large": (bare(1, struct.pack("<Q", 1 << 41), 4096), "past the domain's last"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_records_are_refused(name: str, tmp_path: Path) -> None:
    """With an offset within the record, though others came before it."""
    bits, message = REFUSED[name]
    start = len(made(xs.hvm_pages()).octets)
    with pytest.raises(StreamError, match=message) as caught:
        taken(tmp_path, xs.hvm_pages(), bits)
    assert caught.value.offset is not None
    assert start <= caught.value.offset < start + len(made(bits).octets)


def test_a_page_behind_the_domains_last_is_refused(tmp_path: Path) -> None:
    """A paravirtualised guest's last page is known."""
    file = open_file(str(made(xs.hvm_pages()).write(tmp_path)))
    found = PageData(file)
    found.max_pfn = 3
    found.take(8, struct.unpack("<I", made(xs.hvm_pages()).octets[4:8])[0])
    with pytest.raises(StreamError, match="at most 0x0000000000000003, got 0x0000000000000004"):
        found.flush()
    file.close()


def test_reserved_octets_are_remembered(tmp_path: Path) -> None:
    """Receivers do not look at them: the first one's place is kept for who does."""
    assert taken(tmp_path, xs.hvm_pages()).reserved is None
    assert taken(tmp_path, bare(1, bytes(8), 4096, reserved=7)).reserved == 12
    word = struct.pack("<Q", entry(1) | 3 << 52)
    assert taken(tmp_path, bare(2, bytes(8) + word, 8192)).reserved == 24
