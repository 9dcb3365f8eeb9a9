"""The form of records that no state holds."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from helpers import xen_streams as xs
from helpers.xen_streams import Bits, record
from helpers.xen_verdicts import verdict_of


def emulated(*records: Bits) -> list[Bits]:
    """An HVM guest in a libxl stream with other records of libxl."""
    return xs.libxl(xs.hvm(), *records)


def hvm_with(*records: Bits) -> list[Bits]:
    """An HVM guest with other records before STATIC_DATA_END."""
    return [xs.headers(2), *records, *xs.hvm()[3:]]


EMULATOR = struct.pack("<II", 2, 0)
WRONG: dict[str, tuple[list[Bits], str]] = {
    "CPUID policy": (hvm_with(record(0x11, bytes(25))), "X86_CPUID_POLICY: the entries do not fill"),
    "no CPUID policy": (hvm_with(record(0x11)), "X86_CPUID_POLICY: the entries do not fill"),
    "MSR policy": (hvm_with(record(0x12, bytes(17))), "X86_MSR_POLICY: the entries do not fill"),
    "MSR flags": (hvm_with(record(0x12, bytes(20) + b"\1" + bytes(11))), "entry 1 has flags that are not known"),
    "emulator": (emulated(record(3, struct.pack("<II", 7, 0))), "an emulator that is not known"),
    "no NUL": (emulated(record(2, EMULATOR, b"key\0value")), "has no NUL behind it"),
    "no value": (emulated(record(2, EMULATOR, b"key\0value\0key\0")), "a key has no value"),
}


@pytest.mark.parametrize("name", WRONG)
def test_forms_that_no_receiver_takes_are_told(name: str, tmp_path: Path) -> None:
    """With the record and its offset."""
    stream, message = WRONG[name]
    found = verdict_of(tmp_path, *stream)
    assert found.problem is not None
    assert message in found.problem
    assert str(tmp_path) in found.problem
