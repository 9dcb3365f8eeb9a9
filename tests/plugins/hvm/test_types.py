"""The table of entry types: names, lengths, objects and back."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given, strategies as st

from domctx.errors import RecordError
from domctx.schema import offset_of, size_of
from domctx_hvm.cpu_layout import Cpu, CpuCompat
from domctx_hvm.image import Entry
from domctx_hvm.irq_layout import Lapic
from domctx_hvm.types import TYPES, Length, decode_entry, encode_entry, type_name, type_of
from helpers.hvm_states import SIZES, bodies

SIZES_OF_THE_REFERENCE = {
    "HEADER": 24,
    "CPU": 1032,
    "PIC": 8,
    "IOAPIC": 400,
    "LAPIC": 32,
    "LAPIC_REGS": 1024,
    "PCI_IRQ": 16,
    "ISA_IRQ": 8,
    "PCI_LINK": 8,
    "PIT": 56,
    "RTC": 24,
    "HPET": 1048,
    "PMTIMER": 8,
    "MTRR": 240,
    "VIRIDIAN_DOMAIN": 32,
    "CPU_XSAVE": 24,
    "VIRIDIAN_VCPU": 216,
    "VMCE_VCPU": 32,
    "TSC_ADJUST": 8,
    "CPU_MSR": 8,
}
"""formats/xen.md 3.2; of the two that vary the fixed part."""


def test_codes_names_and_sizes_are_those_of_the_reference() -> None:
    """Each type stands under its own code, and its layout has the size of the compiled structure."""
    assert [kind.code for kind in TYPES] == list(range(21))
    assert {kind.name: size_of(kind.layout) for kind in TYPES if kind.layout} == SIZES_OF_THE_REFERENCE
    assert size_of(CpuCompat) == 1016
    assert type_of(21) is None


def test_the_forms_of_a_cpu_entry_part_where_the_reference_says() -> None:
    """MSR EFER stands at 992 in both; behind it the old form has no TSC_AUX."""
    assert offset_of(Cpu, "msr_efer") == offset_of(CpuCompat, "msr_efer") == 992
    assert (offset_of(Cpu, "tsc"), offset_of(CpuCompat, "tsc")) == (1008, 1000)


def test_the_types_that_xen_extends_are_those_of_the_reference() -> None:
    """CPU, LAPIC, RTC, VIRIDIAN_DOMAIN, VIRIDIAN_VCPU and VMCE_VCPU may be shorter."""
    extended = [kind.name for kind in TYPES if kind.length is Length.EXTENDED]
    assert extended == ["CPU", "LAPIC", "RTC", "VIRIDIAN_DOMAIN", "VIRIDIAN_VCPU", "VMCE_VCPU"]
    assert [kind.name for kind in TYPES if kind.length is Length.VARIABLE] == ["CPU_XSAVE", "CPU_MSR"]


def test_names_of_unknown_types_tell_the_code() -> None:
    """A code without a type is named by its number."""
    assert (type_name(2), type_name(21)) == ("CPU", "TYPE_21")


@given(st.sampled_from(sorted(SIZES)).flatmap(lambda code: st.tuples(st.just(code), bodies(code))))
def test_every_body_of_a_known_length_comes_back(drawn: tuple[int, bytes]) -> None:
    """Whatever octets a body is made of, its object encodes to them."""
    typecode, body = drawn
    value = decode_entry(Entry(typecode, 0, body))
    assert value is None or encode_entry(value, len(body)) == body


def test_state_that_a_shorter_entry_has_no_room_for_is_refused() -> None:
    """An object whose state lies behind the length asked for does not encode."""
    value = decode_entry(Entry(5, 0, bytes(24)))
    assert isinstance(value, Lapic)
    assert encode_entry(value, 24) == bytes(24)
    with pytest.raises(RecordError, match=r"Lapic has state .* expected 0x00000018 octets, got 0x00000019"):
        encode_entry(attrs.evolve(value, pending_esr=5), 24)
