"""Tests of domctx_sim.rules: entries and descriptors that Xen refuses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from domctx.errors import DomainError
from domctx_sim.frame_table import FrameTable, FrameType
from domctx_sim.rules import (
    Fault,
    check_base,
    check_gdt_entries,
    check_ldt,
    descriptor_fault,
    first_fault,
    l1_fault,
)

FLAT_RING1 = (0x0000BFFF, 0x00CEBA00)
"""A flat ring-1 code segment that ends below Xen's space."""


def descriptors(**entries: tuple[int, int]) -> np.ndarray[tuple[int, ...], np.dtype[np.uint32]]:
    """A frame of descriptors, most of them not present: ``e5=(low, high)`` is entry 5."""
    frame = np.zeros((512, 2), np.uint32)
    for name, words in entries.items():
        frame[int(name[1:])] = words
    return frame


def test_first_fault() -> None:
    """The lowest index counts, and of several rules at one index the first."""
    rules = [(np.array([False, False, True]), "late"), (np.array([False, True, True]), "early")]
    assert first_fault(rules) == Fault(1, "early")
    assert first_fault([*rules, (np.array([False, True, False]), "second")]) == Fault(1, "early")
    assert first_fault([(np.zeros(3, bool), "never")]) is None


@settings(max_examples=50, deadline=None)
@given(st.lists(st.integers(0, 0xFFFF_FFFF), min_size=1, max_size=30))
def test_entries_of_a_free_machine(tmp_path_factory: pytest.TempPathFactory, entries: list[int]) -> None:
    """Where a domain owns nothing, the first entry that is present is refused, and entries that are not never are."""
    fault = l1_fault(FrameTable(tmp_path_factory.getbasetemp()), np.array(entries, np.uint32), 1)
    first = next((index for index, entry in enumerate(entries) if entry & 1), None)
    assert (fault.index if fault else None) == first


def test_writable_entries(tmp_path: Path) -> None:
    """A frame in use as any kind of table is not mapped writable; one that is mapped writable already is."""
    table = FrameTable(tmp_path)
    table.owner[1000:1010] = 1
    for use in FrameType:
        table.type[1000], table.type_count[1000] = use, 1
        good = use is FrameType.WRITABLE
        if use is not FrameType.NONE:
            assert (l1_fault(table, np.array([1000 << 12 | 3], np.uint32), 1) is None) == good
        assert l1_fault(table, np.array([1000 << 12 | 1], np.uint32), 1) is None


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((0x0000FFFF, 0x00409A00), "privilege level 0"),
        ((0x00080000, 0x0000A900), "not a call gate"),
        ((0x08090000, 0x0000AC00), "call gate leads to a private segment"),
        ((0x08190000, 0x0000AC00), None),
        ((0x00090000, 0x0000AC00), None),
        ((0x00080000, 0x0000AC00), "call gate leads to a private segment"),
        ((0x08190000, 0x0000AC20), "call gate sets reserved bits"),
        ((0x0000FFFF, 0x00CFBA00), "reaches into Xen's space"),
        ((0x000003FF, 0xFC40BA40), "reaches into Xen's space"),
        ((0xFC0003FF, 0xFC40BA3F), None),
        (FLAT_RING1, None),
        ((0x0000FFFF, 0x0040F200), None),
        ((0x0000FFFF, 0x00407200), None),
    ],
)
def test_descriptors(words: tuple[int, int], message: str | None) -> None:
    """Descriptors of level 0, system descriptors, gates into Xen and segments over Xen are refused."""
    fault = descriptor_fault(descriptors(e7=words), reserved=False)
    if message is None:
        assert fault is None
    else:
        assert fault is not None
        assert fault.index == 7
        assert message in fault.message


def test_reserved_descriptors() -> None:
    """In the first frame of a GDT Xen's own descriptors, 256 to 295, are not looked at."""
    bad = (0x0000FFFF, 0x00409A00)
    frame = descriptors(e256=bad, e295=bad)
    assert descriptor_fault(frame, reserved=True) is None
    assert descriptor_fault(frame, reserved=False) == Fault(256, "a descriptor has privilege level 0")
    assert descriptor_fault(descriptors(e255=bad), reserved=True) is not None
    assert descriptor_fault(descriptors(e296=bad), reserved=True) is not None


def test_what_a_context_may_name() -> None:
    """LDT, GDT and page-table base have bounds, which are told."""
    check_ldt(0xFC3F_F000, 512)
    check_gdt_entries(8192)
    check_base(0x5000)
    with pytest.raises(DomainError, match=r"LDT is misplaced; .* got 0xfc3ff000, 513 entries"):
        check_ldt(0xFC3F_F000, 513)
    with pytest.raises(DomainError, match="too many entries in the GDT; expected at most 8192, got 8193"):
        check_gdt_entries(8193)
    with pytest.raises(DomainError, match="base is not the address of a page; got 0x00005001"):
        check_base(0x5001)
