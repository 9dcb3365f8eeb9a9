"""A0 to A3: the variants with arrays."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import StreamError
from domctx.states import FOREIGN_TAIL, SHARED_INFO, PageKind
from helpers.lgr_domains import kinds_of, opened, pages_of, types_of
from helpers.lgr_files import a0, a1, a2, a3, make_guest, members

MAKERS = {"A0": a0, "A1": a1, "A2": a2, "A3": a3}


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(sorted(MAKERS)), st.integers(5, 60), st.integers(0, 1 << 30), st.booleans(), st.integers(1, 9))
def test_every_array_variant_is_read(
    tmp_path_factory: pytest.TempPathFactory, name: str, pfns: int, seed: int, zipped: bool, level: int
) -> None:
    """Types, pages and variant come out as they went in, plain and compressed."""
    guest = make_guest(pfns, seed)
    octets = MAKERS[name](guest)
    if zipped and name != "A2":
        octets = gzip.compress(octets, level)
    domain = opened(tmp_path_factory.mktemp("lgr"), octets)
    expected = "A2" if name == "A1" and zipped else name
    assert domain.content.variant.name == expected
    assert types_of(domain) == list(guest.types)
    assert pages_of(domain) == list(guest.pages)
    assert [kind == PageKind.ZERO for kind in kinds_of(domain)] == [not page.strip(b"\0") for page in guest.pages]
    shared = domain.state(SHARED_INFO)
    assert (shared is None) == (name == "A0")
    assert domain.state(FOREIGN_TAIL) is None
    domain.close()


def test_a_file_cut_anywhere_is_refused_where_it_ends(tmp_path: Path) -> None:
    """Every array variant is refused at every size but its own, with that size as the offset."""
    guest = make_guest(5, 3)
    for name, make in (("A0", a0), ("A1", a1), ("A3", a3)):
        octets = make(guest)
        sizes = {*range(16, len(octets), 97), 36, 2552, 6648, 10744, len(octets) - 1}
        for size in sorted(sizes):
            with pytest.raises(StreamError, match="ends early") as caught:
                opened(tmp_path, octets[:size])
            assert caught.value.offset == size, (name, size)


def test_a_gzip_file_cut_anywhere_is_refused(tmp_path: Path) -> None:
    """A compressed file is refused wherever it is cut: when it is opened, or when its pages are read."""
    whole = members(a3(make_guest(5, 3)), 9000, 20000)
    for size in range(18, len(whole), 211):
        with pytest.raises(StreamError, match="ends early"):
            pages_of(opened(tmp_path, whole[:size]))
    with pytest.raises(StreamError, match="ends early"):
        pages_of(opened(tmp_path, whole[:-1]))


def test_flipped_bits_in_a_gzip_file_are_found(tmp_path: Path) -> None:
    """No flipped bit of the compressed octets gives other pages: the file is refused, or nothing has changed."""
    guest = make_guest(5, 3)
    whole = gzip.compress(a3(guest), 6, mtime=0)
    for place in range(0, len(whole), 61):
        damaged = bytearray(whole)
        damaged[place] ^= 1 << place % 8
        try:
            found = pages_of(opened(tmp_path, bytes(damaged)))
        except StreamError:
            continue
        assert found == list(guest.pages)
        assert place < 10
