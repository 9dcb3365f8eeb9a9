"""Lengths of sections that no description tells."""

from __future__ import annotations

from pathlib import Path

from domctx_qemu_stream.files import open_file
from domctx_qemu_stream.known_sizes import known_sizes
from helpers import qemu_streams as qs
from helpers.qemu_corpus import opened
from helpers.qemu_registers import section


def sizes(folder: Path, octets: bytes, name: str, version: int) -> list[int]:
    """The lengths that a section at the file's beginning may have."""
    file = open_file(str(qs.written(folder, octets)))
    try:
        return list(known_sizes(file, name, version, 0))
    finally:
        file.close()


def test_lengths_are_those_of_the_reference(tmp_path: Path) -> None:
    """Fixed ones, and of ``cpu`` those of 64 and of 32 bits, as far as there are so many octets."""
    assert sizes(tmp_path, b"", "timer", 2) == [24]
    assert sizes(tmp_path, b"", "__rhel5", 0) == [0]
    assert sizes(tmp_path, b"", "vga", 2) == []
    assert sizes(tmp_path, section(12, True, {}) + bytes(99), "cpu", 12) == [1817, 1313]
    assert sizes(tmp_path, section(12, False, {}), "cpu", 12) == [1313]
    assert sizes(tmp_path, bytes(99), "cpu", 12) == []
    assert sizes(tmp_path, bytes(9999), "cpu", 3) == []


def test_a_clock_that_looks_like_a_footer_does_not_end_its_section(tmp_path: Path) -> None:
    """Ticks that end with 0x7E, before the eight zeros of ``timer``, are the footer of id 0; the section goes on."""
    ticks = qs.u64(0x1234567E) + bytes(8) + qs.u64(0x55)
    timer = qs.section(4, 0, ticks, "timer", version=2)
    common = qs.section(4, 1, bytes(8), "cpu_common")
    domain = opened(qs.written(tmp_path, qs.stream(timer, common, qs.ending())))
    try:
        assert [(each.name, each.octets) for each in domain.sections] == [("timer", ticks), ("cpu_common", bytes(8))]
    finally:
        domain.close()
