"""The kinds of machine."""

from __future__ import annotations

import pytest

from domctx_cpu.layout import abi_named
from domctx_sim.platforms import FOUR_LEVEL, NAMES, PAE_TODAY, PLATFORMS, TWO_LEVEL, platform_named


def test_platforms_are_found_by_their_names() -> None:
    """Each name that --paging takes is one machine's."""
    assert NAMES == ("2-level", "pae", "4-level")
    assert [platform_named(name) for name in NAMES] == list(PLATFORMS)
    with pytest.raises(KeyError):
        platform_named("5-level")


def test_words_and_frames() -> None:
    """A PAE guest has words of four octets and entries of eight; machines of today have 16 GiB."""
    assert [platform.word for platform in PLATFORMS] == ["<u4", "<u4", "<u8"]
    assert [platform.frames >> 18 for platform in PLATFORMS] == [4, 16, 16]
    assert [platform.today for platform in PLATFORMS] == [False, True, True]


def test_where_segments_end() -> None:
    """32-bit guests have what lies below Xen, and of 2004 the M2P too; 64-bit guests have addresses above it."""
    assert TWO_LEVEL.segment_limit == 0xFC40_0000
    assert PAE_TODAY.segment_limit == 0xF580_0000
    assert FOUR_LEVEL.segment_limit == 1 << 64


def test_contexts_are_those_that_records_hold() -> None:
    """Each machine's ABI is one that the CPU record knows."""
    assert all(abi_named(platform.abi) for platform in PLATFORMS)
