"""start_info of today: formats/xen.md 4.6."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from domctx.schema import decode, offset_of, size_of
from domctx_sim import start_info
from domctx_sim.platforms import FOUR_LEVEL, PAE_TODAY, Platform
from domctx_sim.start_info import StartInfo32, StartInfo64

OFFSETS_64 = {
    "nr_pages": 32,
    "shared_info": 40,
    "flags": 48,
    "store_mfn": 56,
    "store_evtchn": 64,
    "console_mfn": 72,
    "console_evtchn": 80,
    "pt_base": 88,
    "nr_pt_frames": 96,
    "mfn_list": 104,
    "mod_start": 112,
    "mod_len": 120,
    "cmd_line": 128,
    "first_p2m_pfn": 1152,
    "nr_p2m_frames": 1160,
}
OFFSETS_32 = {
    "nr_pages": 32,
    "shared_info": 36,
    "flags": 40,
    "store_mfn": 44,
    "store_evtchn": 48,
    "console_mfn": 52,
    "console_evtchn": 56,
    "pt_base": 60,
    "nr_pt_frames": 64,
    "mfn_list": 68,
    "mod_start": 72,
    "mod_len": 76,
    "cmd_line": 80,
    "first_p2m_pfn": 1104,
    "nr_p2m_frames": 1108,
}
KINDS = [(FOUR_LEVEL, StartInfo64, 1168, OFFSETS_64), (PAE_TODAY, StartInfo32, 1112, OFFSETS_32)]


@pytest.mark.parametrize(("platform", "kind", "size", "offsets"), KINDS)
def test_fields_stand_where_the_reference_says(
    platform: Platform, kind: type[Any], size: int, offsets: dict[str, int]
) -> None:
    """Each guest's structure has the size and the offsets that Xen's headers give it."""
    assert start_info.layout_of(platform) is kind
    assert size_of(kind) == size
    assert {name: offset_of(kind, name) for name in offsets} == offsets


@pytest.mark.parametrize(("platform", "kind", "size", "offsets"), KINDS)
def test_a_page_keeps_what_stands_behind(
    platform: Platform, kind: type[Any], size: int, offsets: dict[str, int]
) -> None:
    """Any page of a guest is read and written back as it was, texts of any octets among it."""
    page = np.random.default_rng(1).integers(0, 1 << 32, 1024, dtype=np.uint64).astype(np.uint32)
    before = page.copy()
    info = start_info.read(page, platform)
    assert info == decode(kind, before.tobytes()[:size])
    start_info.write(page, info)
    assert np.array_equal(page, before)


def test_magics() -> None:
    """The ABI's name, padded to 32 octets."""
    assert [start_info.magic_of(each) for each in (FOUR_LEVEL, PAE_TODAY)] == [
        b"xen-3.0-x86_64".ljust(32, b"\0"),
        b"xen-3.0-x86_32p".ljust(32, b"\0"),
    ]
