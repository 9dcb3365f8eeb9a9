"""The sizes of structures, and names of records."""

from __future__ import annotations

import pytest

from domctx.schema import size_of
from domctx_xen import layout

SIZES = {
    layout.XlHeader: 48,
    layout.LibxlHeader: 16,
    layout.ImageHeader: 24,
    layout.DomainHeader: 16,
    layout.RecordHeader: 8,
    layout.PvInfo: 8,
    layout.P2mFrames: 8,
    layout.VcpuHead: 8,
    layout.TscBody: 24,
    layout.Counted: 8,
    layout.CpuidLeaf: 24,
    layout.MsrEntry: 16,
    layout.EmulatorHead: 8,
}


@pytest.mark.parametrize("structure", SIZES)
def test_sizes_are_those_of_the_reference(structure: type) -> None:
    """formats/xen.md 4.1, 4.2, 5."""
    assert size_of(structure) == SIZES[structure]


def test_records_have_names() -> None:
    """Known ones their own, others their number; bit 31 makes another record of a known one."""
    assert layout.libxc_name(1) == "PAGE_DATA"
    assert layout.libxc_name(0x80000001) == "record 0x80000001"
    assert layout.libxc_name(0x99) == "record 0x00000099"
    assert layout.libxl_name(3) == "EMULATOR_CONTEXT"
    assert layout.libxl_name(9) == "record 0x00000009"


def test_bodies_are_padded_to_eight() -> None:
    """Nothing is added where nothing is missing."""
    assert [layout.padded(length) for length in (0, 1, 7, 8, 9)] == [0, 8, 8, 8, 16]
