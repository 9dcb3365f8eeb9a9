"""B, C1 and C2: the variants with batches."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import StreamError
from domctx.states import PageKind
from helpers.lgr_domains import kinds_of, opened, pages_of, types_of
from helpers.lgr_files import END, MARKER, Guest, Item, b, batch, c, c1, c2, cut, items, make_guest

OLD = bytes([7]) * 4096
"""A page that is sent again later."""


@settings(max_examples=25, deadline=None)
@given(
    st.sampled_from(["B", "C1", "C2"]),
    st.integers(5, 60),
    st.integers(0, 1 << 30),
    st.integers(1, 70),
    st.booleans(),
)
def test_every_batched_variant_is_read(
    tmp_path_factory: pytest.TempPathFactory, name: str, pfns: int, seed: int, size: int, zipped: bool
) -> None:
    """Types, pages and variant come out as they went in, however the batches are cut, plain and compressed."""
    guest = make_guest(pfns, seed)
    octets = b(guest, cut(items(guest, 29), size)) if name == "B" else {"C1": c1, "C2": c2}[name](guest, size)
    domain = opened(tmp_path_factory.mktemp("lgr"), gzip.compress(octets, 1) if zipped else octets)
    assert types_of(domain) == list(guest.types)
    assert pages_of(domain, 7) == list(guest.pages)
    assert domain.content.variant.name == name
    assert domain.content.end == len(octets)
    domain.close()


@settings(max_examples=25, deadline=None)
@given(st.data(), st.booleans())
def test_what_is_sent_last_counts(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject, four: bool) -> None:
    """Pages sent again, in any order, with debug markers between and words without pages, end as last sent."""
    guest = make_guest(data.draw(st.integers(5, 20)), data.draw(st.integers(0, 1000)))
    shift, none = (28, 0xF << 28) if four else (29, 7 << 29)
    again: list[Item] = [(pfn, OLD) for pfn in data.draw(st.lists(st.integers(0, guest.pfns - 1), max_size=20))]
    order = data.draw(st.permutations(range(guest.pfns)))
    listed: list[Item] = [(none | low, None) for low in data.draw(st.lists(st.integers(0, 0xFFFFFFF), max_size=5))]
    last = items(guest, shift, order)
    for word in listed:
        last.insert(data.draw(st.integers(0, len(last))), word)
    size = data.draw(st.integers(1, 9))
    batches = [piece for one in [*cut(again, size), *cut(last, size)] for piece in (one, MARKER)]
    domain = opened(tmp_path_factory.mktemp("lgr"), c(guest, batches))
    assert pages_of(domain, 3) == list(guest.pages)
    assert types_of(domain) == list(guest.types)
    assert domain.content.variant.name == ("C2" if four else "C1")
    domain.close()


@pytest.mark.parametrize("four", [False, True])
def test_pages_without_octets_keep_their_kind(tmp_path: Path, four: bool) -> None:
    """A page that never comes is INVALID in a file that lists words without pages, else ABSENT; its type is NOTAB."""
    guest = make_guest(9, 1)
    shift, none = (28, 0xF << 28) if four else (29, 7 << 29)
    sent = items(guest, shift, [0, 1, 2, 3, 4, 6, 7])
    for more, kind in (([(none | 0x12345, None)], PageKind.INVALID), ([], PageKind.ABSENT)):
        domain = opened(tmp_path, c(guest, [batch([*sent, *more])]))
        kinds = kinds_of(domain)
        assert [pfn for pfn in range(9) if kinds[pfn] == kind] == [5, 8]
        assert [types_of(domain)[pfn] for pfn in (5, 8)] == [0, 0]
        assert pages_of(domain)[5] is None
        domain.close()


def test_a_page_listed_without_octets_after_it_was_sent_keeps_them(tmp_path: Path) -> None:
    """The words without pages tell nothing of the pages that came before."""
    guest = make_guest(6, 1)
    domain = opened(tmp_path, c(guest, [batch(items(guest, 28)), batch([(0xF << 28 | 2, None)])]))
    assert pages_of(domain) == list(guest.pages)
    domain.close()


def with_types(guest: Guest, **types: int) -> Guest:
    """The guest with other types for some pages, named p0, p1, ..."""
    import attrs

    changed = list(guest.types)
    for name, type_ in types.items():
        changed[int(name[1:])] = type_
    return attrs.evolve(guest, types=tuple(changed))


def test_three_bits_and_four_bits_are_told_apart(tmp_path: Path) -> None:
    """Words that only one variant can mean decide; where both can, the page directory does; else it is the newer."""
    plain = make_guest(5, 1)
    cases = {
        "an L1 table with four bits": (c2(plain), "C2"),
        "an L3 table with four bits": (c2(with_types(plain, p0=3, p3=0)), "C2"),
        "an L3 table with three bits": (c1(with_types(plain, p0=3)), "C1"),
        "listed as 0xE": (c(plain, [batch([*items(plain, 29), (0xE << 28, None)])]), "C1"),
        "a directory with three bits": (c1(plain), "C1"),
        "a directory with four bits, no L1 table": (c2(with_types(plain, p3=0)), "C2"),
        "nothing but plain pages": (c1(with_types(plain, p3=0, p4=0)), "C2"),
    }
    for name, (octets, expected) in cases.items():
        domain = opened(tmp_path, octets)
        assert domain.content.variant.name == expected, name
        domain.close()


def refused(folder: Path, octets: bytes) -> StreamError:
    """The error of a file that cannot be opened."""
    with pytest.raises(StreamError) as caught:
        opened(folder, octets)
    return caught.value


def test_words_of_both_kinds_are_refused(tmp_path: Path) -> None:
    """A word that only three bits explain, behind one that only four bits explain, is refused where it stands."""
    guest = make_guest(6, 1)
    good = batch(items(guest, 28))
    within = items(guest, 28)
    within[5] = (6 << 28 | 5, guest.pages[5])
    for batches, at in (
        ([good, batch([(1, OLD), (6 << 28, OLD)])], 4132 + len(good) + 8),
        ([batch(within)], 4132 + 24),
    ):
        error = refused(tmp_path, c(guest, batches))
        assert error.offset == at
        assert "has a page type that C2 does not know" in error.message


@pytest.mark.parametrize("nibble", [5, 7, 9, 0xA, 0xB, 0xC, 0xD])
def test_types_that_no_variant_knows_are_refused(tmp_path: Path, nibble: int) -> None:
    """A word with such top bits is refused where it stands."""
    guest = make_guest(6, 1)
    error = refused(tmp_path, c(guest, [batch(items(guest, 28, [0, 1])), batch([(nibble << 28, OLD)])]))
    assert error.offset == 4132 + 4 + 2 * 4100 + 4
    assert error.got == f"0x{nibble << 28:08x}"


@pytest.mark.parametrize("nibble", [1, 3, 0xE, 0xF])
def test_b_knows_three_bits_and_lists_nothing(tmp_path: Path, nibble: int) -> None:
    """In B a word has three bits of type, none of which says that no page follows."""
    guest = make_guest(6, 1)
    error = refused(tmp_path, b(guest, [batch(items(guest, 29)), batch([(nibble << 28, OLD)])]))
    assert "a page type that B does not know" in error.message


@pytest.mark.parametrize("name", ["B", "C1"])
def test_pages_out_of_range_are_refused(tmp_path: Path, name: str) -> None:
    """A word that names a page past the last is refused where it stands."""
    guest = make_guest(6, 1)
    batches = [batch(items(guest, 29)), batch([*items(guest, 29, [2]), (6, OLD)])]
    octets = b(guest, batches) if name == "B" else c(guest, batches)
    error = refused(tmp_path, octets)
    first = 10744 if name == "B" else 4132
    assert error.offset == first + len(batches[0]) + 8
    assert error.message == "word 1 of a batch names a page out of range"
    assert error.got == "0x00000006"


@pytest.mark.parametrize(("name", "count"), [("B", 1025), ("C1", 1025), ("B", 0xFFFFFFFF), ("C1", 0xFFFFFFFE)])
def test_counts_out_of_range_are_refused(tmp_path: Path, name: str, count: int) -> None:
    """A count over 1024 is refused where it stands; -1 is a marker in C only."""
    guest = make_guest(6, 1)
    batches = [batch(items(guest, 29)), struct.pack("<I", count)]
    octets = b(guest, batches) if name == "B" else c(guest, batches)
    error = refused(tmp_path, octets)
    assert error.offset == (10744 if name == "B" else 4132) + len(batches[0])
    assert error.message == "the count of a batch is out of range"


def test_a_first_count_out_of_range_is_refused(tmp_path: Path) -> None:
    """A file whose first batch is too long, which is no array of page types either, is refused there."""
    guest = make_guest(6, 1)
    assert refused(tmp_path, b(guest, [struct.pack("<I", 1025), batch(items(guest, 29))])).offset == 10744


def test_a_batched_file_cut_anywhere_is_refused_where_it_ends(tmp_path: Path) -> None:
    """B, C1 and C2 are refused at every size but their own, with that size as the offset."""
    guest = make_guest(5, 2)
    for octets in (b(guest, cut(items(guest, 29), 2)), c1(guest, 3), c2(guest, 2)):
        for size in sorted({*range(16, len(octets), 89), 4132, 4136, 10744, 10748, len(octets) - 1}):
            if size < len(octets):
                assert refused(tmp_path, octets[:size]).offset == size


def test_a_compressed_batched_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    """The same for compressed files, where the inflated octets end or where the file does."""
    guest = make_guest(5, 2)
    octets = c2(guest, 2)
    whole = gzip.compress(octets, 6, mtime=0)
    for size in range(18, len(whole), 199):
        with pytest.raises(StreamError, match="ends early"):
            pages_of(opened(tmp_path, whole[:size]))
    for size in range(16, len(octets), 401):
        with pytest.raises(StreamError, match="ends early") as caught:
            pages_of(opened(tmp_path, gzip.compress(octets[:size], 6)))
        assert caught.value.offset == size


@pytest.mark.parametrize("hollow", [MARKER, struct.pack("<II", 1, 0xF << 28)])
def test_batches_without_a_page_are_bounded(hollow: bytes, tmp_path: Path) -> None:
    """Half a megabyte of them is more than any save has."""
    guest = make_guest(5, 1)
    some = [*cut(items(guest, 28), 9), *([hollow] * (1 << 16))]
    opened(tmp_path, c(guest, some)).close()
    with pytest.raises(StreamError, match="too many batches have no page; expected at most 0x00010000") as caught:
        opened(tmp_path, c(guest, [*some, hollow]))
    assert caught.value.offset is not None


def test_batches_end_with_a_zero(tmp_path: Path) -> None:
    """What follows the count of zero is not read as a batch."""
    guest = make_guest(5, 2)
    octets = b(guest)
    assert octets.endswith(END)
    domain = opened(tmp_path, octets + batch(items(guest, 29, [0])))
    assert domain.content.end == len(octets)
    domain.close()
