"""The rules of the restore: what Xen's verifier lets pass is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from helpers import xen_streams as xs
from helpers.xen_faults import PASSED, pv_with
from helpers.xen_verdicts import verdict_of


@pytest.mark.parametrize("name", PASSED)
def test_what_no_receiver_takes_is_told(name: str, tmp_path: Path) -> None:
    """Missing records, an order that the receiver refuses, frames that are not what they must be."""
    stream, message = PASSED[name]
    found = verdict_of(tmp_path, *stream)
    assert found.problem is not None
    assert message in found.problem


def test_guests_need_no_gdt_and_no_user_tables(tmp_path: Path) -> None:
    """Xen's own GDT, and a guest whose user and kernel share their page tables."""
    assert verdict_of(tmp_path, *pv_with(context=xs.context64(user=None, gdt=[]))).problem is None


def test_a_32_bit_guests_cr3_is_folded(tmp_path: Path) -> None:
    """Its upper bits stand in its low ones: a page past the domain's last is told whole."""
    vcpu = xs.vcpu(4, 0, xs.context32(cr3=0x1_2345 << 4))
    found = verdict_of(tmp_path, *xs.pv_head(4), xs.memory(4), vcpu, xs.END)
    assert "(cr3) names a page that the domain does not have" in str(found.problem)
    assert "got 0x123450" in str(found.problem)


def test_xens_entries_of_the_gdt_are_its_own(tmp_path: Path) -> None:
    """The last two of sixteen frames."""
    found = verdict_of(tmp_path, *pv_with(context=xs.context64(gdt=[12] * 15)))
    assert "the GDT has too many entries; expected at most 7168, got 7680" in str(found.problem)


def test_a_32_bit_guest_starts_with_its_info(tmp_path: Path) -> None:
    """start_info stands in edx."""
    vcpu = xs.vcpu(4, 0, xs.context32(start_info=3))
    found = verdict_of(tmp_path, *xs.pv_head(4), xs.memory(4), vcpu, xs.END)
    assert "start_info (edx) names PFN 0x3, which is a page table" in str(found.problem)
