"""An entry's body as a JSON value: fields by name, bit fields as numbers of their own, registers by theirs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final

from domctx.schema import decode, size_of, to_json
from domctx_hvm.cpu_layout import Cpu, CpuCompat
from domctx_hvm.image import Entry
from domctx_hvm.irq_layout import LAPIC_NAMES, Ioapic, LapicRegister, LapicRegs, Pic
from domctx_hvm.types import decode_entry
from domctx_hvm.vcpu_layout import CpuMsr, CpuXsave, MsrEntry
from domctx_x86.xsave import XsaveArea, area_to_json

Bits = tuple[tuple[str, int], ...]
"""Names and widths, from bit 0 on; all bits have a name."""

BITS: Final[Mapping[str, Bits]] = MappingProxyType(
    {
        "init": (("init_state", 4), ("priority_add", 4)),
        "modes": (
            ("readsel_isr", 1),
            ("poll", 1),
            ("auto_eoi", 1),
            ("rotate_on_auto_eoi", 1),
            ("special_fully_nested_mode", 1),
            ("special_mask_mode", 1),
            ("is_master", 1),
            ("unused", 1),
        ),
        "delivery": (
            ("delivery_mode", 3),
            ("dest_mode", 1),
            ("delivery_status", 1),
            ("polarity", 1),
            ("remote_irr", 1),
            ("trig_mode", 1),
        ),
        "masking": (("mask", 1), ("unused", 7)),
        "pending_event": (
            ("pending_vector", 8),
            ("pending_type", 3),
            ("pending_error_valid", 1),
            ("pending_reserved", 19),
            ("pending_valid", 1),
        ),
    }
)
"""The fields that are made of bits; their parts stand in their place."""


def fields(entry: Entry) -> dict[str, Any] | None:
    """The fields of an entry; None where they are not known."""
    value = decode_entry(entry)
    if value is None:
        return None
    view = VIEWS.get(type(value))
    return to_json(value) if view is None else view(value)


def with_bits(value: Mapping[str, Any]) -> dict[str, Any]:
    """A layout's JSON value with the parts of its bit fields in their place."""
    found: dict[str, Any] = {}
    for name, item in value.items():
        if name not in BITS:
            found[name] = item
            continue
        for part, width in BITS[name]:
            found[part] = item & (1 << width) - 1
            item >>= width
    return found


def _flat(value: Any) -> dict[str, Any]:
    return with_bits(to_json(value))


def _ioapic(value: Ioapic) -> dict[str, Any]:
    found = to_json(value)
    return found | {"redirtbl": [with_bits(pin) for pin in found["redirtbl"]]}


def _lapic_regs(value: LapicRegs) -> dict[str, Any]:
    return {
        LAPIC_NAMES.get(index, f"unused_{index * 16:03x}"): _register(register)
        for index, register in enumerate(value.data)
    }


def _register(register: LapicRegister) -> Any:
    return to_json(register) if any(register.unused) else register.value


def _xsave(value: CpuXsave) -> dict[str, Any]:
    if len(value.save_area) < size_of(XsaveArea):
        return to_json(value)
    return to_json(value) | {"save_area": area_to_json(value.save_area, value.xcr0_accum)}


def _msrs(value: CpuMsr) -> dict[str, Any]:
    size = size_of(MsrEntry)
    if len(value.msrs) != value.count * size:
        return to_json(value)
    entries = (value.msrs[place : place + size] for place in range(0, len(value.msrs), size))
    return to_json(value) | {"msrs": [to_json(decode(MsrEntry, entry)) for entry in entries]}


VIEWS: Final[Mapping[type[Any], Callable[[Any], dict[str, Any]]]] = MappingProxyType(
    {
        Cpu: _flat,
        CpuCompat: _flat,
        Pic: _flat,
        Ioapic: _ioapic,
        LapicRegs: _lapic_regs,
        CpuXsave: _xsave,
        CpuMsr: _msrs,
    }
)
"""The layouts that are told otherwise than field by field."""
