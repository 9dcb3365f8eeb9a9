"""Lengths of sections that no description tells."""

from __future__ import annotations

from pathlib import Path

from domctx_qemu_stream.files import open_file
from domctx_qemu_stream.known_sizes import known_sizes
from helpers import qemu_streams as qs
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
