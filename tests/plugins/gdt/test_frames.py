"""A GDT's frames: checked and translated."""

from __future__ import annotations

import attrs
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import DomainError, RecordError
from domctx.states import GdtContext, PageType
from domctx_gdt.frames import body_of, canonicalise, check, context_of, frame_count, localise
from helpers.vcpu_states import gdt_contexts


@settings(max_examples=50, deadline=None)
@given(gdt_contexts())
def test_a_gdt_comes_back_from_its_body(context: GdtContext) -> None:
    """A GDT put into a record's body and taken out again is the same."""
    assert context_of(body_of(context)) == context


@pytest.mark.parametrize(("entries", "count"), [(0, 0), (1, 1), (512, 1), (513, 2), (8191, 16), (8192, 16)])
def test_there_is_a_frame_for_each_512_entries_begun(entries: int, count: int) -> None:
    """The number of frames is the number of entries divided by 512, rounded up."""
    assert frame_count(entries) == count
    check(GdtContext((0,) * count, entries))


def test_too_many_entries_are_refused() -> None:
    """A GDT has at most 8192 entries."""
    message = r"too many entries; expected at most 0x00002000, got 0x00002001"
    with pytest.raises(RecordError, match=message):
        check(GdtContext((0,) * 17, 8193))
    with pytest.raises(RecordError, match=message):
        context_of(attrs.evolve(body_of(GdtContext((), 0)), entries=8193))


@pytest.mark.parametrize("frames", [(), (1, 2)])
def test_a_wrong_number_of_frames_is_refused(frames: tuple[int, ...]) -> None:
    """512 entries take one frame, no more and no fewer."""
    with pytest.raises(
        RecordError, match=rf"wrong number of frames; expected 1 for 0x00000200 entries, got {len(frames)}"
    ):
        body_of(GdtContext(frames, 512))


def test_a_frame_that_the_entries_do_not_reach_is_refused() -> None:
    """Of a body's sixteen frames those behind the last that counts are zero."""
    body = attrs.evolve(body_of(GdtContext((1,), 512)), frames=(1, 0, 5, *[0] * 13))
    with pytest.raises(RecordError, match=r"frames\[2\] is set.*expected 1 frames for 0x00000200.*0x0000000000000005"):
        context_of(body)


def test_the_second_frame_stands_at_index_1_and_not_at_512() -> None:
    """Regression for formats/xen.md 8, seed 000 bug 2: each frame of a GDT over 512 entries is canonicalised."""
    pfn_of = {0x9001: 11, 0x9002: 12, 0x9003: 13}.get
    mfns = [0x9001, 0x9002, 0x9003, *[0xDEAD] * 13]
    assert canonicalise(mfns, 1025, pfn_of) == (11, 12, 13)
    mfn_of = {11: 0x7001, 12: 0x7002, 13: 0x7003}.__getitem__
    assert localise((11, 12, 13), 1025, mfn_of, pages=16, types=np.zeros(16, np.uint8)) == (0x7001, 0x7002, 0x7003)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 8192), st.permutations(range(32)))
def test_localised_frames_canonicalise_to_what_they_were(entries: int, order: list[int]) -> None:
    """From PFN to MFN and back every frame is the same, whatever the machine calls it."""
    pfns = tuple(order[: frame_count(entries)])
    mfns = localise(pfns, entries, lambda pfn: pfn + 1000, pages=32, types=[0] * 32)
    assert canonicalise(mfns, entries, lambda mfn: mfn - 1000) == pfns


def test_a_foreign_frame_cannot_be_saved() -> None:
    """A frame that is not the domain's has no PFN."""
    with pytest.raises(DomainError, match=r"GDT frame 1 is not a frame of the domain; got MFN 0x00009002"):
        canonicalise([0x9001, 0x9002], 513, {0x9001: 1}.get)


def test_too_few_frames_cannot_be_saved() -> None:
    """A context that lists fewer frames than its entries need is refused."""
    with pytest.raises(RecordError, match="wrong number of frames; expected 2"):
        canonicalise([0x9001], 513, {0x9001: 1}.get)


@pytest.mark.parametrize(
    ("pfns", "message"),
    [
        ((1, 4), r"GDT frame 1 lies outside .* expected a PFN below 0x00000004, got 0x00000004"),
        ((2, 1), r"GDT frame 0 has the wrong page type; .* \(NOTAB\) at PFN 0x00000002, got 0x01"),
        ((1, 3), r"GDT frame 1 has the wrong page type; .* at PFN 0x00000003, got 0x02"),
        ((1,), r"wrong number of frames; expected 2 for 0x00000201 entries, got 1"),
    ],
)
def test_a_frame_that_may_not_be_a_gdt_is_refused(pfns: tuple[int, ...], message: str) -> None:
    """A GDT's frames are ordinary pages of the domain (formats/xen.md 1.8 step 11)."""
    types = [PageType.NOTAB, PageType.NOTAB, PageType.L1TAB, PageType.L2TAB | PageType.PINNED]
    with pytest.raises(RecordError, match=message):
        localise(pfns, 513, lambda pfn: pfn, pages=4, types=types)
