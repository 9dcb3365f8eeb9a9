"""The form of records that no state holds: policies of the processor, and what libxl keeps of an emulator."""

from __future__ import annotations

from typing import Final

import numpy as np

from domctx.errors import RecordError
from domctx.schema import dtype, size_of
from domctx_xen.layout import (
    CPUID_POLICY,
    EMULATOR_CONTEXT,
    EMULATOR_XENSTORE_DATA,
    MSR_POLICY,
    CpuidLeaf,
    EmulatorHead,
    MsrEntry,
)
from domctx_xen.record import Element
from domctx_xen.walk import Walk

HEAD: Final = size_of(EmulatorHead)
EMULATORS: Final = (0, 1, 2)
"""Unknown (of a legacy stream), QEMU traditional, QEMU upstream."""


def check_forms(walk: Walk) -> None:
    """Raise RecordError for a record whose form no receiver takes."""
    for element in (*walk.epochs.before.values(), *walk.epochs.behind.values()):
        try:
            _check(walk, element)
        except RecordError as error:
            raise error.at(offset=element.offset, record=element.name) from None


def _check(walk: Walk, element: Element) -> None:
    if element.libxl and element.type in (EMULATOR_XENSTORE_DATA, EMULATOR_CONTEXT):
        _check_emulator(walk, element)
    elif not element.libxl and element.type == CPUID_POLICY:
        _check_entries(element, size_of(CpuidLeaf))
    elif not element.libxl and element.type == MSR_POLICY:
        _check_entries(element, size_of(MsrEntry))
        entries = np.frombuffer(walk.file.take(element.body, element.length, element.name), dtype(MsrEntry))
        if entries["flags"].any():
            place = int(np.argmax(entries["flags"] != 0))
            got = f"0x{int(entries['flags'][place]):08x}"
            raise RecordError(f"entry {place} has flags that are not known", expected="0x00000000", got=got)


def _check_entries(element: Element, size: int) -> None:
    if not element.length or element.length % size:
        expected, got = f"a multiple of {size} octets, not 0", f"0x{element.length:08x}"
        raise RecordError("the entries do not fill the body", expected=expected, got=got)


def _check_emulator(walk: Walk, element: Element) -> None:
    emulator = int.from_bytes(walk.file.take(element.body, 4, element.name), "little")
    if emulator not in EMULATORS:
        raise RecordError("an emulator that is not known", expected="0, 1 or 2", got=emulator)
    if element.type == EMULATOR_XENSTORE_DATA:
        _check_strings(walk.file.take(element.body + HEAD, element.length - HEAD, element.name))


def _check_strings(octets: bytes) -> None:
    """Keys and values by turns, each with a NUL behind it."""
    if octets and octets[-1]:
        raise RecordError("the last string has no NUL behind it", got=f"0x{octets[-1]:02x}")
    if octets.count(b"\0") % 2:
        raise RecordError("a key has no value", expected="an even number of strings", got=octets.count(b"\0"))
