"""Legacy streams of Xen before 4.6, as a 64-bit toolstack wrote them, and Xen's own converter.

A stream has no magic: u64 number of pages; of a paravirtualised guest a block that tells its width, and the frames of
its P2M; then chunks, each behind an s32 that is a number of pages or, below 0, what the chunk holds; then the tail.
Facts: what convert-legacy-stream of xen-utils-4.17 reads.
"""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

from helpers import xen_streams as xs
from helpers.xen_corpus import XEN_TOOLS

TYPE_SHIFT = 28
"""Page types stand above the PFN in a word of 32 bits, which takes 64."""


def pages_chunk(pages: dict[int, tuple[int, bytes | None]]) -> bytes:
    """A chunk of pages: (type, octets) by PFN."""
    words = b"".join(struct.pack("<Q", kind << TYPE_SHIFT | pfn) for pfn, (kind, _) in pages.items())
    octets = b"".join(octets for _, octets in pages.values() if octets is not None)
    return struct.pack("<i", len(pages)) + words + octets


def pv() -> bytes:
    """A 64-bit paravirtualised guest of two vCPUs, the one that ``xen_streams.pv`` writes."""
    extended = b"vcpu" + struct.pack("<I", 5168) + xs.context64() + b"extv" + struct.pack("<I", 0)
    head = struct.pack("<QQI", xs.PAGES, 0xFFFF_FFFF_FFFF_FFFF, len(extended)) + extended
    pages: dict[int, tuple[int, bytes | None]] = {
        pfn: xs.tables(8).get(pfn, (0, xs.page(pfn) if pfn else bytes(4096))) for pfn in range(13)
    }
    pages |= {13: (0xF, None), 15: (0xD, None)}
    vcpu_info = struct.pack("<iiQ", -2, 1, 0b11)
    tsc = struct.pack("<iIQII", -7, 1, 123_456_789_012, 2_500_000, 1)
    chunks = vcpu_info + tsc + pages_chunk(pages) + struct.pack("<i", 0)
    vcpus = (xs.context64() + bytes(range(128))) * 2
    return head + struct.pack("<Q", xs.P2M) + chunks + struct.pack("<I", 0) + vcpus + xs.page(99)


def hvm(emulator: bytes = b"QEVM" + bytes(9)) -> bytes:
    """An HVM guest, its console and ident_pt told in chunks, and its emulator behind it."""
    pages: dict[int, tuple[int, bytes | None]] = {0: (0, xs.page(1)), 1: (0, bytes(4096)), 4: (0, xs.page(4))}
    params = struct.pack("<iIQ", -8, 0, 0xFEFFF) + struct.pack("<iIQ", -3, 0, 0xFC000)
    name = b"ram\0"
    physmap = struct.pack("<QQQI", 0xF0000000, 0x1000, 0x2000, len(name)) + name + bytes(4)
    toolstack = struct.pack("<II", 1, 1) + physmap
    chunks = params + struct.pack("<iI", -18, len(toolstack)) + toolstack + pages_chunk(pages) + struct.pack("<i", 0)
    context = xs.hvm_context()
    tail = struct.pack("<QQQI", 0xFEFFD, 0xFEFFE, 0xFEFFC, len(context)) + context
    return struct.pack("<Q", 5) + chunks + tail + b"DeviceModelRecord0002" + struct.pack("<I", len(emulator)) + emulator


def convert(legacy: Path, goal: Path, guest: str, framing: str) -> None:
    """Let Xen's own tool convert a legacy stream."""
    tool = str(XEN_TOOLS / "bin/convert-legacy-stream")
    command = [sys.executable, tool, "-i", str(legacy), "-o", str(goal), "-w", "64", "-g", guest, "-f", framing]
    command += ["--skip-qemu"] if framing == "libxc" else []
    environment = {"PYTHONPATH": str(XEN_TOOLS / "lib/python")}
    subprocess.run(command, env=environment, check=True, capture_output=True)
