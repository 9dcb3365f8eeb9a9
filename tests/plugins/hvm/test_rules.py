"""What Xen would refuse of an HVM context."""

from __future__ import annotations

import contextlib
import struct
from pathlib import Path

import pytest
from hypothesis import given

from domctx.errors import RecordError
from domctx_hvm.rules import check_image
from helpers.hvm_golden import golden
from helpers.hvm_states import entry, image, images
from helpers.xen_corpus_records import HVM_NAMES, record


def changed(body: bytes, *words: tuple[int, int, int]) -> bytes:
    """A body with (offset, width, value) put into it."""
    octets = bytearray(body)
    for offset, width, value in words:
        octets[offset : offset + width] = value.to_bytes(width, "little")
    return bytes(octets)


def cpu(*words: tuple[int, int, int], size: int = 1032) -> bytes:
    """A CPU entry that Xen takes, with (offset, width, value) put into it."""
    return entry(2, changed(bytes(size), (656, 8, 0x8000_0011), *words))


XSAVE = changed(bytes(24 + 576), (8, 8, 3), (16, 8, 7), (536, 8, 6))
MSR = struct.pack("<IIIIQ", 1, 0, 0x48, 0, 5)

GOOD = [
    *(cpu(), cpu((1024, 4, 1)), cpu(size=1024), cpu(size=1016), cpu((656, 8, 0x10))),
    *(entry(3, bytes(8), 1), entry(4, bytes(400)), entry(5, bytes(24)), entry(5, changed(bytes(24), (0, 8, 0xC00)))),
    *(entry(9, bytes([15, 0, 1, 5, 0, 0, 0, 0])), entry(11, bytes(16)), entry(15, bytes(16)), entry(18, bytes(24))),
    *(entry(16, XSAVE), entry(16, bytes(24)), entry(17, bytes(216), 3), entry(17, bytes(8)), entry(20, MSR, 2)),
]


@pytest.mark.parametrize("octets", GOOD, ids=range(len(GOOD)))
def test_what_xen_takes_is_taken(octets: bytes) -> None:
    """Entries of every known length, with values that a machine may have, break no rule."""
    check_image(image(octets))


@pytest.mark.corpus
@pytest.mark.parametrize("name", HVM_NAMES)
def test_what_xen_saved_is_taken(name: str, corpus: Path) -> None:
    """Real contexts break no rule."""
    check_image(record(corpus, name, "HVM_CONTEXT"))


@pytest.mark.parametrize(
    ("octets", "message"),
    [
        (entry(21, b""), r"TYPE_21\[0\] .* its type is not known to Xen; expected a type code below 0x15, got 0x15"),
        (entry(3, bytes(8), 2), r"PIC\[2\] .* there is no such unit; .* got 0x2"),
        (entry(4, bytes(400), 1), r"IOAPIC\[1\] .* there is no such unit"),
        (entry(3, bytes(7)), r"PIC\[0\] .* a length that it cannot have; expected 0x8 octets, strict, got 0x7"),
        (entry(2, bytes(1033)), r"CPU\[0\] .* a length .* expected 0x408 octets, zero-extend, got 0x409"),
        (
            cpu((656, 8, 1)),
            r"CPU\[0\] .*: cr0 is none that a processor has; expected ET, and PE wherever PG is, got 0x1",
        ),
        (cpu((656, 8, 0x8000_0010)), r"cr0 is none that a processor has"),
        (cpu((656, 8, 0x8000_0010), size=1016), r"cr0 is none that a processor has"),
        (cpu((720, 8, 1 << 32)), r"dr6 is longer than 32 bits; expected at most 0xffffffff, got 0x100000000"),
        (cpu((728, 8, 1 << 32)), r"dr7 is longer"),
        (cpu((1000, 8, 1 << 32)), r"msr_tsc_aux is longer"),
        (cpu((1024, 4, 3)), r"what flags has beside bit 0 is not zero; expected 0x0, got 0x2"),
        (cpu((1028, 4, 7)), r"pad0 is not zero; expected 0x0, got 0x7"),
        (entry(5, changed(bytes(32), (0, 8, 0x400)), 1), r"LAPIC\[1\] .* in x2APIC mode, but off; .* got 0x400"),
        (
            entry(9, bytes([0, 16, 0, 0, 0, 0, 0, 0])),
            r"a link leads to no ISA interrupt; expected at most 0xf, got 0x10",
        ),
        (entry(16, XSAVE[:-1]), r"its area is too short; expected at least 0x240 octets, got 0x23f"),
        (entry(16, changed(XSAVE, (8, 8, 8))), r"xcr0 has what xcr0_accum has not; expected bits of 0x7, got 0x8"),
        (entry(16, changed(XSAVE, (536, 8, 8))), r"xstate_bv has what xcr0_accum has not"),
        (entry(16, changed(XSAVE, (544, 8, 1 << 63))), r"the area's header behind xstate_bv is not zero"),
        (entry(16, changed(XSAVE, (592, 8, 1))), r"the area's header behind xstate_bv is not zero"),
        (entry(17, changed(bytes(216), (9, 1, 1))), r"VIRIDIAN_VCPU\[0\] .*: pad is not zero"),
        (entry(20, bytes(8)), r"CPU_MSR\[0\] .*: count does not fit its length; expected 0x0, and not 0, got 0x0"),
        (entry(20, MSR + bytes(16)), r"count does not fit its length; expected 0x2, and not 0, got 0x1"),
        (entry(20, changed(MSR, (12, 4, 1))), r"a reserved field is not zero"),
    ],
)
def test_what_xen_refuses_is_refused(octets: bytes, message: str) -> None:
    """Each broken rule is told with the entry, its place, what it asks for and what is there."""
    with pytest.raises(RecordError, match=message) as caught:
        check_image(image(octets))
    assert caught.value.offset == 40


def test_a_golden_entry_with_another_pad_is_refused() -> None:
    """The golden files hold values that no Xen writes, so that every octet counts: the rules find them."""
    with pytest.raises(RecordError, match=r"VIRIDIAN_VCPU\[0\] .*: pad is not zero"):
        check_image(image(entry(17, golden("viridian_vcpu").body)))


@given(images())
def test_any_image_is_refused_with_a_typed_error_or_taken(octets: bytes) -> None:
    """Whatever an image holds, the rules end in a RecordError or in nothing."""
    with contextlib.suppress(RecordError):
        check_image(octets)
