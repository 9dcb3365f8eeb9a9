"""The rules that verify holds a stream to, one by one."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest

from helpers import xen_streams as xs
from helpers.xen_streams import OPTIONAL, Bit, Bits, made, record
from helpers.xen_verdicts import verdict_of


def emulated(*records: Bits) -> list[Bits]:
    """An HVM guest in a libxl stream with other records of libxl."""
    return xs.libxl(xs.hvm(), *records)


def hvm_with(*records: Bits) -> list[Bits]:
    """An HVM guest with other records before STATIC_DATA_END."""
    return [xs.headers(2), *records, *xs.hvm()[3:]]


def behind(*records: Bits) -> list[Bits]:
    """An HVM guest with other records behind its own."""
    return [*xs.hvm()[:-1], *records, xs.END]


def reserved(place: int, stream: list[Bits]) -> list[Bits]:
    """A stream with an octet set."""
    octets = bytearray(made(*stream).octets)
    octets[place] = 2
    return [(Bit(bytes(octets)),)]


def pv_head_with(*records: Bits) -> list[Bits]:
    """A PV guest of other static records."""
    return [*records, xs.memory(8), *xs.vcpus(8), xs.END]


EMULATOR = struct.pack("<II", 2, 0)
WRONG: dict[str, tuple[list[Bits], str]] = {
    "options of libxl": (reserved(14, emulated()), "the options of libxl: octets that must be zero"),
    "options of libxc": (reserved(17, xs.hvm()), "the options of libxc: octets"),
    "image header": (reserved(20, xs.hvm()), "the image header: octets"),
    "domain header": (reserved(30, xs.hvm()), "the domain header: octets"),
    "padding": (behind(record(OPTIONAL | 1, b"abc", padding=b"\0\0\0\0\1")), "padding of record 0x80000001: octets"),
    "page word": ([*xs.hvm()[:4], xs.page_data((1 | 1 << 55, xs.page(1))), *xs.hvm()[5:]], "PAGE_DATA record: octets"),
    "TSC": ([*xs.hvm()[:5], record(8, bytes(20), b"\1\0\0\0"), *xs.hvm()[6:]], "X86_TSC_INFO: octets"),
    "CPUID policy": (hvm_with(record(0x11, bytes(25))), "X86_CPUID_POLICY: the entries do not fill"),
    "no CPUID policy": (hvm_with(record(0x11)), "X86_CPUID_POLICY: the entries do not fill"),
    "MSR policy": (hvm_with(record(0x12, bytes(17))), "X86_MSR_POLICY: the entries do not fill"),
    "MSR flags": (hvm_with(record(0x12, bytes(20) + b"\1" + bytes(11))), "entry 1 has flags that are not known"),
    "emulator": (emulated(record(3, struct.pack("<II", 7, 0))), "an emulator that is not known"),
    "no NUL": (emulated(record(2, EMULATOR, b"key\0value")), "has no NUL behind it"),
    "no value": (emulated(record(2, EMULATOR, b"key\0value\0key\0")), "a key has no value"),
    "emulator of PV": (xs.libxl(xs.pv(), xs.emulator_context()), "a paravirtualised guest has no emulator"),
    "policies in version 2": ([xs.headers(2, 2), xs.policies()[0], *xs.hvm(2)[1:]], "2 has no record X86_CPUID"),
    "v10 in version 3": ([*xs.hvm()[:5], xs.domain_context(), *xs.hvm()[6:]], "version 3 has no record DOMAIN_CONTEXT"),
    "TSC in version 4": ([xs.headers(2, 4), *xs.hvm()[1:]], "version 4 has no record X86_TSC_INFO"),
    "toolstack": (behind(record(0x0B, b"abc")), "has no record TOOLSTACK"),
    "no v10": ([xs.headers(2, 4), *xs.hvm()[1:5], *xs.hvm()[6:]], "no record DOMAIN_CONTEXT"),
    "shared info first": (pv_head_with(xs.headers(1), xs.shared_info(), *xs.pv_head()[1:]), "SHARED_INFO stands"),
    "P2M first": (pv_head_with(xs.headers(1), xs.pv_info(), xs.p2m_frames(), xs.STATIC_END), "STATIC_DATA_END"),
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
