"""Tests of domctx_sim.layout: the sizes and offsets of Xen's structs on i386."""

from __future__ import annotations

import pytest

from domctx.schema import decode, encode, size_of
from domctx_sim.layout import (
    BuildDomain,
    Command,
    CreateDomain,
    DomainInfo,
    MmuUpdate,
    PageFrameInfo,
    StartInfo,
    SuspendRecord,
    Update,
)

SIZES = {
    MmuUpdate: 8,
    StartInfo: 292,
    SuspendRecord: 300,
    CreateDomain: 28,
    BuildDomain: 2528,
    DomainInfo: 2572,
    PageFrameInfo: 16,
}


@pytest.mark.parametrize("struct", SIZES, ids=lambda struct: struct.__name__)
def test_sizes(struct: type) -> None:
    """Each struct has the size that gcc -m32 gives it, and any octets of it come back."""
    assert size_of(struct) == SIZES[struct]
    octets = bytes(SIZES[struct])
    assert encode(decode(struct, octets)) == octets


def test_offsets_of_start_info() -> None:
    """The fields stand where formats/xen.md 1.7 says."""
    numbers = {"nr_pages": 0, "shared_info": 4, "flags": 8, "pt_base": 12, "nr_pt_frames": 16, "mfn_list": 20}
    numbers |= {"mod_start": 24, "mod_len": 28, "domain_controller_evtchn": 288}
    info = StartInfo(**{name: offset + 1 for name, offset in numbers.items()}, cmd_line="console")
    octets = encode(info)
    assert {name: int.from_bytes(octets[at : at + 4], "little") - 1 for name, at in numbers.items()} == numbers
    assert octets[32:40] == b"console\0"
    record = encode(SuspendRecord(resume_info=info, pfn_to_mfn_frame_list=7, nr_pfns=9))
    assert record[:292] == octets
    assert record[292:] == b"\x07\0\0\0\x09\0\0\0"


def test_numbers() -> None:
    """Updates and commands have Xen's numbers of 2004."""
    assert [update.value for update in Update] == [0, 2, 3]
    assert [command.value for command in Command] == list(range(11))
