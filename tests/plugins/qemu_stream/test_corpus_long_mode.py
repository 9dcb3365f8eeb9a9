"""A real 64-bit machine, with Xen and a Linux guest in it, against what QEMU dumped of it."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from domctx.states import MEMORY
from domctx_memory.octets import physical_reader
from domctx_memory.pages import whole
from domctx_qemu_stream.vcpus import provide
from domctx_x86.walk import Walker, descriptors
from helpers.qemu_corpus import Corpus, opened
from helpers.qemu_registers import different

NAME = "qemu7.2-machine-running-xen4.17-192MiB"
pytestmark = pytest.mark.corpus


def test_a_64_bit_machine(corpus: Path, tmp_path: Path) -> None:
    """Memory has the recorded digest, registers are those that were printed, code and GDT are found where RIP is."""
    folder = corpus / "xen" / NAME
    domain = opened(Corpus(folder, tmp_path).path("migrate.stream"))
    memory, vcpus = domain.state(MEMORY), provide(domain)
    assert memory is not None
    assert vcpus is not None
    digest = hashlib.sha256()
    for first in range(0, memory.blocks[0].pages, 1024):
        digest.update(whole(memory.read(0, first, 1024), 4096).data)
    assert digest.hexdigest() == (folder / "pmem.bin.sha256").read_text().split()[0]
    printed = re.split(r"CPU#\d+", (folder / "info-registers.txt").read_text())[1]
    registers = vcpus.vcpus[0]
    assert different(printed, registers) == {}
    code = Walker(registers, physical_reader(memory)).read(registers.general["rip"], 16)
    assert len(code) == 16
    assert any(code)
    segment = registers.segments["cs"]
    entry = descriptors(registers, physical_reader(memory), "gdt")[segment.selector >> 3]
    assert int.from_bytes(entry[4:], "little") & 0x00F0_FE00 == segment.flags & 0x00F0_FE00
    domain.close()
