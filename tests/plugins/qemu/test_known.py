"""Fields that every age of QEMU wrote alike."""

from __future__ import annotations

import pytest

from domctx.states import DeviceSection
from domctx_qemu.fields import REST, decode
from domctx_qemu.known import KNOWN, description_of

SIZES = {
    ("timer", 1): 16,
    ("timer", 2): 24,
    ("cpu_common", 1): 8,
    ("kvm-tpr-opt", 1): 144,
    ("apic", 1): 173,
    ("apic", 2): 181,
    ("apic", 3): 181,
    ("kvmclock", 1): 8,
    ("globalstate", 1): 104,
    ("__rhel5", 0): 0,
}
"""Octets by formats/qemu.md 3.2, 3.5 and 3.6."""


@pytest.mark.parametrize(("name", "version"), KNOWN)
def test_fields_take_the_octets_that_the_reference_counts(name: str, version: int) -> None:
    """All octets have a name, and one octet more has none."""
    octets = bytes(index % 251 for index in range(SIZES[name, version]))
    told = decode(KNOWN[name, version], octets)
    assert isinstance(told, dict)
    assert REST not in told
    more = decode(KNOWN[name, version], octets + b"x")
    assert isinstance(more, dict)
    assert more[REST] == "78"


def test_a_section_tells_of_itself_first() -> None:
    """The source's own description counts, then the known one; for others there is none."""
    own: dict[str, list[str]] = {"fields": []}
    assert description_of(DeviceSection("timer", 0, 2, b"", own)) is own
    assert description_of(DeviceSection("timer", 0, 2, b"")) is KNOWN["timer", 2]
    assert description_of(DeviceSection("timer", 0, 3, b"")) is None
