"""The rules that verify holds a stream to, one by one."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from helpers import xen_streams as xs
from helpers.xen_streams import OPTIONAL, Bits, record
from helpers.xen_verdicts import verdict_of

WRONG: dict[str, tuple[list[Bits], str]] = {
    "vCPUs": ([*xs.hvm()[:6], record(9, xs.hvm_context(0)), xs.END], "the stream holds no vCPU"),
    "configuration": (xs.xl(xs.hvm(), settings=b"{"), "xl's configuration is no JSON"),
}


def test_page_tables_are_checked(tmp_path: Path) -> None:
    """An L1 entry that maps a page table writable, an entry of an L2 table to a page that is no L1 table."""
    for pfn, table, message in (
        (4, {0: xs.pte(1, 0x003)}, "a page table is mapped writable"),
        (3, {0: xs.pte(5)}, "an entry points to a page that is no L1 table"),
        (4, {0: xs.pte(999)}, "past the domain's last page"),
        (3, {0: xs.pte(4, 0x0E7)}, "PSE"),
    ):
        kind = xs.tables(8)[pfn][0]
        again = xs.page_data((xs.entry(pfn, kind), xs.table(table)))
        found = verdict_of(tmp_path, *xs.pv_head(), xs.memory(8), again, *xs.vcpus(8), xs.END)
        assert message in str(found.problem)


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told(name: str, tmp_path: Path) -> None:
    """With the file."""
    stream, message = WRONG[name]
    found = verdict_of(tmp_path, *stream)
    assert found.problem is not None
    assert message in found.problem
    assert str(tmp_path) in found.problem


def test_vcpus_that_the_configuration_lists_are_missed(tmp_path: Path) -> None:
    """A guest of two vCPUs with records of one; many are not all listed."""
    two = xs.xl(xs.pv(), settings=xs.config(available=(0, 1)))
    assert "none of vCPU 1\n" in str(verdict_of(tmp_path, *two).problem)
    many = xs.xl(xs.pv(), settings=xs.config(available=range(20)))
    assert "none of vCPU 1, 2, 3, 4, 5, 6, 7, 8 ...\n" in str(verdict_of(tmp_path, *many).problem)


def test_entries_that_xen_refuses_are_told(tmp_path: Path) -> None:
    """An HVM context with a vCPU that is too long; where its entry stands in the file."""
    context = xs.hvm_context()
    longer = context.replace(struct.pack("<HHI", 2, 0, 1032), struct.pack("<HHI", 2, 0, 1040))
    longer = longer[:-8] + bytes(8) + longer[-8:]
    found = verdict_of(tmp_path, *xs.hvm()[:6], record(9, longer), xs.END)
    assert "HVM_CONTEXT" in str(found.problem)


def test_pages_that_were_compared_are_the_same(tmp_path: Path) -> None:
    """Pages behind VERIFY with other octets, or of a page that had none, fall short; XTAB and equal ones do not."""

    def compared(*pages: tuple[int, bytes | None]) -> str | None:
        stream = [*xs.hvm()[:5], record(0x0D), xs.page_data(*pages), *xs.hvm()[5:]]
        return verdict_of(tmp_path, *stream).problem

    assert compared((xs.entry(0), xs.page(1)), (xs.entry(2, 0xF), None), (xs.entry(4), xs.page(4))) is None
    assert "PFN 0x4 was sent a second time" in str(compared((xs.entry(0), xs.page(1)), (xs.entry(4), xs.page(5))))
    assert "PFN 0x2 was sent a second time" in str(compared((xs.entry(2), xs.page(1))))


def test_damage_behind_a_checkpoint_is_told(tmp_path: Path) -> None:
    """A sender that was killed leaves a cut stream, which is good; garbage is not."""
    good = verdict_of(tmp_path, *xs.remus(), xs.hvm_pages()[:2])
    assert good.problem is None
    assert "octets behind the last complete checkpoint" in " ".join(good.uncovered)
    assert "not known" in str(verdict_of(tmp_path, *xs.remus(), record(0x77)).problem)


def test_parts_without_a_check_are_told(tmp_path: Path) -> None:
    """One by one, optional records by their type and layer."""
    found = verdict_of(tmp_path, *xs.libxl(xs.hvm(), record(OPTIONAL | 9)))
    assert "libxl record 0x80000009, which is optional and not known" in found.uncovered
    assert found.uncovered[:3] == (xs.CONTENTS, xs.NUMBERS, xs.SAVER)
    assert {xs.CPUID, xs.MSR, xs.TSC, xs.CONTEXT, xs.PARAMS} <= set(found.uncovered)
