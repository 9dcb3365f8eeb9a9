"""P2M and M2P."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import DomainError
from domctx_page_tables import NO_PFN, FrameMap


def words(*values: int) -> np.ndarray[tuple[int], np.dtype[np.uint32]]:
    return np.array(values, dtype=np.uint32)


@settings(max_examples=20, deadline=None)
@given(st.lists(st.integers(0, (1 << 20) - 1), min_size=1, max_size=50, unique=True))
def test_the_maps_undo_each_other(mfns: list[int]) -> None:
    """The PFN of the MFN of a PFN is that PFN, and no other frame has one."""
    frame_map = FrameMap(words(*mfns))
    pfns = np.arange(len(mfns), dtype=np.uint32)
    assert frame_map.pfns == len(mfns)
    assert frame_map.mfn_of(pfns).tolist() == mfns
    assert frame_map.pfn_of(words(*mfns)).tolist() == pfns.tolist()
    everything = frame_map.pfn_of(np.arange(1 << 20, dtype=np.uint32))
    assert int((everything != NO_PFN).sum()) == len(mfns)


def test_frames_that_no_machine_has_are_nobodys() -> None:
    """``pfn_of`` takes any number, also past the machine's last frame."""
    assert FrameMap(words(5)).pfn_of(words(5, 6, 1 << 20, 0xFFFFFFFF)).tolist() == [0, NO_PFN, NO_PFN, NO_PFN]


def test_the_p2m_is_a_copy_that_nobody_writes() -> None:
    """The map keeps its own P2M, and gives it out read-only."""
    given_ = words(5, 6)
    frame_map = FrameMap(given_)
    given_[0] = 9
    assert frame_map.p2m.tolist() == [5, 6]
    with pytest.raises(ValueError, match="read-only"):
        frame_map.p2m[0] = 1


@pytest.mark.parametrize("count", [0, (1 << 20) + 1])
def test_a_map_has_pages_but_not_too_many(count: int) -> None:
    """A domain has between one page and 2**20."""
    with pytest.raises(DomainError, match="no page or too many"):
        FrameMap(np.zeros(count, dtype=np.uint32))


def test_a_frame_out_of_range_is_refused() -> None:
    """An MFN past the last possible frame is refused, naming its PFN."""
    with pytest.raises(DomainError, match="for PFN 0x00000001") as caught:
        FrameMap(words(1, 1 << 20))
    assert (caught.value.expected, caught.value.got) == ("an MFN below 0x00100000", "0x00100000")


def test_a_frame_mapped_twice_is_refused() -> None:
    """An MFN that backs two pages is refused, naming both."""
    with pytest.raises(DomainError, match="MFN 0x00000007 stands twice in the P2M, for PFNs 0x00000000 and 0x00000002"):
        FrameMap(words(7, 8, 7))


def test_a_page_past_the_end_has_no_frame() -> None:
    """Asking for the MFN of a page that the domain does not have is refused."""
    with pytest.raises(DomainError, match="no such page"):
        FrameMap(words(1, 2)).mfn_of(words(2))
