"""Files that are written."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import DomainError
from domctx.sinks import BytesSink
from domctx.states import PageBatch, PageKind
from domctx_lgr import check_rules, write
from domctx_lgr.writer import recut, spell_out
from helpers.lgr_domains import Context, opened, pages_of, types_of, written
from helpers.lgr_files import (
    GDT_FRAMES_AT,
    VARIANTS,
    Guest,
    a3,
    b,
    batch,
    c,
    items,
    make_guest,
    members,
    patch,
)


@st.composite
def guests(draw: st.DrawFn) -> Guest:
    """Any guest, with something in every octet that a file has."""
    pfns = draw(st.integers(5, 40))
    entries = draw(st.sampled_from([0, 1, 512, 513, 8192]))
    guest = make_guest(pfns, draw(st.integers(0, 1 << 30)), name=draw(st.binary(max_size=16)), gdt_entries=entries)
    if draw(st.booleans()):
        guest = attrs.evolve(guest, frame_page=guest.frame_page[:4] + bytes(range(1, 5)) * 1023)
    if entries < 8192 and draw(st.booleans()):
        guest = attrs.evolve(guest, context=patch(guest.context, GDT_FRAMES_AT + 60, draw(st.integers(1, 2**32 - 1))))
    return guest


@settings(max_examples=40, deadline=None)
@given(guests(), st.booleans(), st.binary(max_size=20))
def test_a3_is_written_as_it_was_read(
    tmp_path_factory: pytest.TempPathFactory, guest: Guest, zipped: bool, tail: bytes
) -> None:
    """Reading A3 and writing it gives the identical octets, whatever stands in its unused places and behind it."""
    octets = a3(guest) + tail
    domain = opened(tmp_path_factory.mktemp("lgr"), gzip.compress(octets, 1) if zipped else octets)
    assert written(domain) == octets
    assert gzip.decompress(written(domain, gzip=True)) == octets
    domain.close()


@pytest.mark.parametrize("name", [name for name in VARIANTS if name != "A0"])
def test_every_variant_is_written_as_a3_and_as_b(tmp_path: Path, name: str) -> None:
    """Whatever a guest was saved as, A3 and B of it are those that its own savers would have written."""
    guest = make_guest(2050, 5)
    domain = opened(tmp_path, VARIANTS[name](guest))
    assert written(domain) == a3(guest)
    assert len(a3(guest)) == 10744 + 4100 * 2050
    assert written(domain, variant="B") == b(guest)
    domain.close()


def test_what_is_written_as_b_is_read_again(tmp_path: Path) -> None:
    """B comes back with its types and pages, and keeps the rules."""
    guest = make_guest(1500, 6)
    octets = written(opened(tmp_path, a3(guest)), variant="B", gzip=True)
    domain = opened(tmp_path, octets)
    assert types_of(domain) == list(guest.types)
    assert pages_of(domain) == list(guest.pages)
    check_rules(domain)
    domain.close()


def test_octets_behind_a_gzip_file_return_behind_it(tmp_path: Path) -> None:
    """What followed the last member follows the member that is written."""
    guest = make_guest(8)
    domain = opened(tmp_path, members(a3(guest) + b"inner", 500) + b"outer")
    octets = written(domain, gzip=True)
    assert octets.endswith(b"outer")
    assert gzip.decompress(octets[:-5]) == a3(guest) + b"inner"
    assert written(domain) == a3(guest) + b"inner"
    domain.close()


def test_progress_counts_the_pages(tmp_path: Path) -> None:
    """All types and pages are counted as they are written."""
    context = Context()
    write(opened(tmp_path, a3(make_guest(8))), BytesSink(), context)
    assert context.octets == 8 * 4100


@pytest.mark.parametrize(("words", "kind"), [([(0xF << 28, None)], "INVALID"), ([], "ABSENT")])
def test_pages_without_octets_cannot_be_written(tmp_path: Path, words: list[Any], kind: str) -> None:
    """A page that has no octets is refused by its PFN and its kind."""
    guest = make_guest(8, 1)
    domain = opened(tmp_path, c(guest, [batch([*items(guest, 28, range(7)), *words])]))
    for variant in ("A3", "B"):
        with pytest.raises(DomainError, match=f"PFN 0x00000007 is {kind}: a LinuxGuestRecord holds the octets"):
            written(domain, variant=variant)
    domain.close()


def batch_of(first: int, kinds: list[PageKind], fills: list[int] | None = None, block: int = 0) -> PageBatch:
    """A batch whose DATA pages are of the octet 1."""
    pages = np.ones((kinds.count(PageKind.DATA), 4096), dtype=np.uint8)
    given_fills = None if fills is None else np.array(fills, dtype=np.uint8)
    return PageBatch(block, first, np.array(kinds, dtype=np.uint8), pages, given_fills)


@pytest.mark.parametrize("room", [0, 5, 9])
def test_every_kind_with_octets_is_spelled_out(room: int) -> None:
    """Pages of zeros and of one octet are written in full, whatever a buffer held before."""
    kinds = [PageKind.ZERO, PageKind.DATA, PageKind.FILL, PageKind.DATA, PageKind.FILL]
    rows = spell_out(batch_of(0, kinds, [7, 8]), np.full((room, 4096), 9, np.uint8))
    assert [int(row[0]) for row in rows] == [0, 1, 7, 1, 8]
    assert [int(row.min()) == int(row.max()) for row in rows] == [True] * 5
    assert spell_out(batch_of(0, [PageKind.ZERO]), np.empty((room, 4096), np.uint8)).tobytes() == bytes(4096)


def cut(kinds: list[PageKind], size: int) -> Iterator[PageBatch]:
    """Batches of ``size`` pages."""
    for first in range(0, len(kinds), size):
        yield batch_of(first, kinds[first : first + size])


@pytest.mark.parametrize("size", [1, 1000, 1024, 3000])
def test_pages_come_1024_at_a_time(size: int) -> None:
    """However a domain cuts its batches, the file's are the same."""
    kinds = [PageKind.DATA if pfn % 3 else PageKind.ZERO for pfn in range(2500)]
    found = [rows[:, 0].tolist() for rows in recut(cut(kinds, size), 2500)]
    assert [len(rows) for rows in found] == [1024, 1024, 452]
    assert [octet for rows in found for octet in rows] == [1 if pfn % 3 else 0 for pfn in range(2500)]


@pytest.mark.parametrize(
    "batches",
    [
        [batch_of(1, [PageKind.ZERO])],
        [batch_of(0, [PageKind.ZERO]), batch_of(0, [PageKind.ZERO])],
        [batch_of(0, [PageKind.ZERO] * 4)],
        [batch_of(0, [PageKind.ZERO], block=1)],
    ],
)
def test_pages_out_of_order_are_refused(batches: list[PageBatch]) -> None:
    """A format of one pass needs every page once, ascending."""
    with pytest.raises(DomainError, match="the pages do not come in the order of a LinuxGuestRecord"):
        list(recut(batches, 3))


def test_a_domain_of_whole_batches_has_no_rest() -> None:
    """A domain of 2048 pages gives two arrays of 1024."""
    assert [len(rows) for rows in recut(cut([PageKind.ZERO] * 2048, 1000), 2048)] == [1024, 1024]


def test_too_few_pages_are_refused() -> None:
    """A domain that gives fewer pages than it has is not written as if they were all."""
    with pytest.raises(DomainError, match="the domain gave too few pages"):
        list(recut([batch_of(0, [PageKind.ZERO])], 3))
