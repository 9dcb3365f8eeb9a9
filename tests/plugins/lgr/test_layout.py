"""The octets of a LinuxGuestRecord."""

from __future__ import annotations

import pytest

from domctx.schema import size_of
from domctx_lgr.layout import A0, A1, A2, A3, C1, C2, HEADER_SIZE, PAGES, B, Header, array_size, frame_groups, names


def test_sizes_are_pinned() -> None:
    """The header has 36 octets; pages or batches begin where formats/xen.md 1.3 and 1.9 say."""
    assert size_of(Header) == HEADER_SIZE == 36
    assert [variant.offset(PAGES) for variant in (A0, A1, A2, A3, B)] == [6648, 10744, 10744, 10744, 10744]
    assert [variant.offset(PAGES) for variant in (C1, C2)] == [4132, 4132]
    assert [variant.offset("frame_list") for variant in (A0, A3, C1)] == [2552, 6648, 36]
    assert A3.offset("shared_info") == 2552
    assert array_size(A3, 7) == 10744 + 4100 * 7
    assert array_size(A0, 7) == 6648 + 4100 * 7


def test_top_bits_tell_types() -> None:
    """Three bits tell the type in B and C1, four in C2."""
    assert [C1.type_of(nibble) for nibble in (0, 2, 4, 6, 8)] == [0, 1, 2, 3, 4]
    assert [C2.type_of(nibble) for nibble in (0, 1, 2, 3, 4)] == [0, 1, 2, 3, 4]
    assert B.listed == frozenset()
    assert names([C1, C2]) == "C1 or C2"


@pytest.mark.parametrize(("pfns", "groups"), [(1, 1), (1024, 1), (1025, 2), (1 << 20, 1024)])
def test_the_frame_list_has_an_entry_for_each_1024_pages(pfns: int, groups: int) -> None:
    """A group that is begun has its entry."""
    assert frame_groups(pfns) == groups
