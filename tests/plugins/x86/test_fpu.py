"""FXSAVE and XSAVE images as the floating-point half of a vCPU's registers."""

from __future__ import annotations

import struct

from domctx.schema import decode
from domctx_x86.fpu import fpu_fields
from domctx_x86.fxsave import Fxsave
from domctx_x86.xsave import XsaveArea


def image(top: int = 0) -> bytearray:
    """An image whose registers can be told apart; ``top`` is the physical register that is the stack's top."""
    octets = bytearray(512)
    struct.pack_into("<HHBxH", octets, 0, 0x37F, top << 11 | 0x41, 0x81, 0x7DE)
    struct.pack_into("<I", octets, 24, 0x1F80)
    for index in range(8):
        struct.pack_into("<QH", octets, 32 + 16 * index, 0x8000_0000_0000_0000 + index, 0x3FFF + index)
    for index in range(16):
        octets[160 + 16 * index] = index + 1
        octets[160 + 16 * index + 15] = 0x80
    return octets


def test_registers_stand_in_their_physical_order() -> None:
    """With the top at register 6, ST0 is register 6, ST1 register 7 and ST2 register 0."""
    found = fpu_fields(decode(Fxsave, image(6)))
    assert found["fpu"][6] == (0x8000_0000_0000_0000, 0x3FFF)
    assert found["fpu"][7] == (0x8000_0000_0000_0001, 0x4000)
    assert found["fpu"][0] == (0x8000_0000_0000_0002, 0x4001)
    assert found["fpu_control"] == {"fpuc": 0x37F, "fpus": 0x3041, "fptag": 0x81, "mxcsr": 0x1F80}


def test_vectors_are_numbers_of_128_bits() -> None:
    """XMM registers are read low octet first: sixteen of a wide vCPU, eight of a narrow one."""
    wide, narrow = fpu_fields(decode(Fxsave, image())), fpu_fields(decode(Fxsave, image()), wide=False)
    assert wide["xmm"] == tuple(0x80 << 120 | index + 1 for index in range(16))
    assert narrow["xmm"] == wide["xmm"][:8]
    assert wide["ymm"] == narrow["ymm"] == ()


def area(bits: int) -> XsaveArea:
    """An area with AVX state, which is valid where ``bits`` says so."""
    return decode(XsaveArea, bytes(image()) + struct.pack("<Q", bits) + bytes(56) + bytes(range(256)))


def test_upper_halves_come_from_the_area() -> None:
    """Where AVX is not in its initial state the upper halves are the area's, and zero where it is."""
    given, initial = area(7), area(3)
    high = fpu_fields(given.legacy, given)["ymm"]
    assert high[1] == int.from_bytes(bytes(range(16, 32)), "little")
    assert len(high) == 16
    assert fpu_fields(initial.legacy, initial)["ymm"] == (0,) * 16
    assert len(fpu_fields(given.legacy, given, wide=False)["ymm"]) == 8
