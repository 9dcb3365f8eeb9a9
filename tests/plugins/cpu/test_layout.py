"""The CPU record's layouts against formats/xen.md 1.4."""

from __future__ import annotations

import pytest

from domctx.schema import decode, offset_of, size_of
from domctx_cpu.layout import (
    ABIS,
    CONTEXT_SIZE,
    CpuBody,
    FullExecutionContext,
    TrapInfo,
    abi_named,
    abi_of,
)


def test_sizes_are_those_of_the_compiled_structures() -> None:
    """A context has 2516 octets, a trap 8."""
    assert size_of(FullExecutionContext) == CONTEXT_SIZE == 2516
    assert size_of(TrapInfo) == 8
    assert size_of(CpuBody) == 8


@pytest.mark.parametrize(
    ("name", "offset"),
    [
        ("flags", 0),
        ("cpu_ctxt", 4),
        ("fpu_ctxt", 72),
        ("trap_ctxt", 328),
        ("fast_trap_idx", 2376),
        ("ldt_base", 2380),
        ("ldt_ents", 2384),
        ("gdt_frames", 2388),
        ("gdt_ents", 2452),
        ("guestos_ss", 2456),
        ("guestos_esp", 2460),
        ("pt_base", 2464),
        ("debugreg", 2468),
        ("event_callback_cs", 2500),
        ("event_callback_eip", 2504),
        ("failsafe_callback_cs", 2508),
        ("failsafe_callback_eip", 2512),
    ],
)
def test_fields_stand_where_the_reference_says(name: str, offset: int) -> None:
    """Each field of the context stands at its offset of formats/xen.md 1.4."""
    assert offset_of(FullExecutionContext, name) == offset


def test_a_context_written_by_hand_is_read() -> None:
    """Octets composed from the reference's offsets decode to the registers that were put there."""
    octets = bytearray(2516)
    octets[0:4] = bytes.fromhex("01000000")
    octets[4:8] = bytes.fromhex("78563412")  # ebx
    octets[16:20] = bytes.fromhex("2a000000")  # esi
    octets[28:32] = bytes.fromhex("efbeadde")  # eax
    octets[72:76] = bytes.fromhex("7f030000")  # fpu control word
    octets[328 + 8 * 14 : 328 + 8 * 15] = bytes.fromhex("0e 04 1908 00001000")  # page fault
    octets[2464:2468] = bytes.fromhex("00300400")  # pt_base
    octets[2468 + 28 : 2468 + 32] = bytes.fromhex("00040000")  # DB7
    found = decode(FullExecutionContext, octets)
    assert (found.flags, found.cpu_ctxt.ebx, found.cpu_ctxt.esi, found.cpu_ctxt.eax) == (1, 0x12345678, 42, 0xDEADBEEF)
    assert found.fpu_ctxt[:2] == b"\x7f\x03"
    assert found.trap_ctxt[14] == TrapInfo(14, 4, 0x0819, 0x100000)
    assert found.pt_base >> 12 == 0x43
    assert found.debugreg[7] == 0x400


def test_abis_are_found_by_code_and_by_name() -> None:
    """Codes and names are those that were given out, once each; others are not found."""
    assert abi_of(1) is abi_named("xen-2004-i386") is ABIS[0]
    assert abi_of(2) is abi_named("xen-x86_32") is ABIS[1]
    assert abi_of(3) is abi_named("xen-x86_64") is ABIS[2]
    assert abi_of(0) is abi_of(4) is abi_named("xen-2005") is None
    assert len({abi.code for abi in ABIS}) == len({abi.name for abi in ABIS}) == len(ABIS)
