"""Fields of sections that every age of QEMU wrote alike, for streams that do not describe them (formats/qemu.md 3, 4).

Each is a description as QEMU's own vmdesc has it, so that whatever reads those reads these.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from domctx.api import JSON
from domctx.states import DeviceSection


def _fields(*fields: tuple[Any, ...]) -> list[dict[str, Any]]:
    """Fields from (name, octets, type) or (name, octets, type, count)."""
    found = []
    for name, size, kind, *count in fields:
        field: dict[str, Any] = {"name": name, "type": kind, "size": size}
        found.append(field | ({"array_len": count[0]} if count else {}))
    return found


def _struct(name: str, fields: list[dict[str, Any]]) -> dict[str, Any]:
    size = sum(field["size"] * field.get("array_len", 1) for field in fields)
    return {"name": name, "type": "struct", "size": size, "struct": {"fields": fields}}


def _words(*names: str) -> list[dict[str, Any]]:
    return _fields(*((name, 4, "uint32") for name in names))


HANDLERS: Final = (
    *_words("set_tpr", "set_tpr_eax"),
    *_fields(("get_tpr", 4, "uint32", 8)),
    *_words("get_tpr_stack"),
)
ROM: Final = (
    *_fields(("unused", 8, "unused_buffer")),
    *_words("vaddr", "fixup_start", "fixup_end", "vapic_vaddr", "vapic_size", "vcpu_shift", "real_tpr_addr"),
    _struct("up", list(HANDLERS)),
    _struct("mp", list(HANDLERS)),
)
TPR: Final = (
    _struct("rom_state", list(ROM)),
    *_words("state", "real_tpr_addr", "rom_state_vaddr", "vapic_paddr", "rom_state_paddr"),
)
TIMER: Final = (("cpu_ticks_offset", 8, "int64"), ("ticks_per_sec", 8, "int64"), ("cpu_clock_offset", 8, "int64"))
"""The second number is not used since 2010; version 1 has no third."""
APIC: Final = (
    ("apicbase", 4, "uint32"),
    ("id", 1, "uint8"),
    ("arb_id", 1, "uint8"),
    ("tpr", 1, "uint8"),
    ("spurious_vec", 4, "uint32"),
    ("log_dest", 1, "uint8"),
    ("dest_mode", 1, "uint8"),
    ("isr", 4, "uint32", 8),
    ("tmr", 4, "uint32", 8),
    ("irr", 4, "uint32", 8),
    ("lvt", 4, "uint32", 6),
    ("esr", 4, "uint32"),
    ("icr", 4, "uint32", 2),
    ("divide_conf", 4, "uint32"),
    ("count_shift", 4, "int32"),
    ("initial_count", 4, "uint32"),
    ("initial_count_load_time", 8, "int64"),
    ("next_time", 8, "int64"),
    ("timer_expiry", 8, "int64"),
)
"""Version 1 has no ``timer_expiry``."""

KNOWN: Final[Mapping[tuple[str, int], Mapping[str, Any]]] = {
    ("timer", 1): {"fields": _fields(*TIMER[:2])},
    ("timer", 2): {"fields": _fields(*TIMER)},
    ("cpu_common", 1): {"fields": _words("halted", "interrupt_request")},
    ("kvm-tpr-opt", 1): {"fields": list(TPR)},
    ("apic", 1): {"fields": _fields(*APIC[:-1])},
    ("apic", 2): {"fields": _fields(*APIC)},
    ("apic", 3): {"fields": _fields(*APIC)},
    ("kvmclock", 1): {"fields": _fields(("clock", 8, "uint64"))},
    ("globalstate", 1): {"fields": _fields(("size", 4, "uint32"), ("runstate", 100, "buffer"))},
    ("__rhel5", 0): {"fields": []},
}


def description_of(section: DeviceSection) -> JSON:
    """The section's own description, else the known one; None where there is neither."""
    if section.description is not None:
        return section.description
    return KNOWN.get((section.name, section.version))
