"""The order of records, and which a stream of each version has."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import xen_streams as xs
from helpers.xen_streams import Bits, record
from helpers.xen_verdicts import verdict_of


def behind(*records: Bits) -> list[Bits]:
    """An HVM guest with other records behind its own."""
    return [*xs.hvm()[:-1], *records, xs.END]


def pv_head_with(*records: Bits) -> list[Bits]:
    """A PV guest of other static records."""
    return [*records, xs.memory(8), *xs.vcpus(8), xs.END]


WRONG: dict[str, tuple[list[Bits], str]] = {
    "emulator of PV": (xs.libxl(xs.pv(), xs.emulator_context()), "a paravirtualised guest has no emulator"),
    "policies in version 2": ([xs.headers(2, 2), xs.policies()[0], *xs.hvm(2)[1:]], "2 has no record X86_CPUID"),
    "v10 in version 3": ([*xs.hvm()[:5], xs.domain_context(), *xs.hvm()[6:]], "version 3 has no record DOMAIN_CONTEXT"),
    "TSC in version 4": ([xs.headers(2, 4), *xs.hvm()[1:]], "version 4 has no record X86_TSC_INFO"),
    "toolstack": (behind(record(0x0B, b"abc")), "has no record TOOLSTACK"),
    "no v10": ([xs.headers(2, 4), *xs.hvm()[1:5], *xs.hvm()[6:]], "no record DOMAIN_CONTEXT"),
    "shared info first": (pv_head_with(xs.headers(1), xs.shared_info(), *xs.pv_head()[1:]), "SHARED_INFO stands"),
    "P2M first": (pv_head_with(xs.headers(1), xs.pv_info(), xs.p2m_frames(), xs.STATIC_END), "STATIC_DATA_END"),
}


@pytest.mark.parametrize("name", WRONG)
def test_orders_that_no_receiver_takes_are_told(name: str, tmp_path: Path) -> None:
    """With the offset of the record that no receiver takes."""
    stream, message = WRONG[name]
    found = verdict_of(tmp_path, *stream)
    assert found.problem is not None
    assert message in found.problem
    assert str(tmp_path) in found.problem
