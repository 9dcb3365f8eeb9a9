"""The types of entry in an HVM save image: their codes, names and layouts (formats/xen.md 3.2)."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TYPE_NAMES: Final[Mapping[int, str]] = MappingProxyType(
    {
        0: "END",
        1: "HEADER",
        2: "CPU",
        3: "PIC",
        4: "IOAPIC",
        5: "LAPIC",
        6: "LAPIC_REGS",
        7: "PCI_IRQ",
        8: "ISA_IRQ",
        9: "PCI_LINK",
        10: "PIT",
        11: "RTC",
        12: "HPET",
        13: "PMTIMER",
        14: "MTRR",
        15: "VIRIDIAN_DOMAIN",
        16: "CPU_XSAVE",
        17: "VIRIDIAN_VCPU",
        18: "VMCE_VCPU",
        19: "TSC_ADJUST",
        20: "CPU_MSR",
    }
)


def type_name(typecode: int) -> str:
    """The name of a type of entry; ``TYPE_21`` where it is not known."""
    return TYPE_NAMES.get(typecode, f"TYPE_{typecode}")
