"""Guests that are found standing, and taken without a migration."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from domctx.api import Machine, RamBlock
from domctx.cli.run import run
from domctx.errors import StreamError
from domctx.states import PageKind
from domctx_memory.sources import in_batches
from domctx_qmp import standing
from domctx_qmp.describe import machine_of
from domctx_qmp.host import Mapped
from domctx_qmp.monitor import Monitor
from domctx_qmp.ram_file import RamFile
from domctx_qmp.standing import TakenStanding, has_footers, private_ram
from helpers.qemu_streams import TIMER, section
from helpers.real_qemu import BARE, RealQemu

SHARED = ("-object", "memory-backend-memfd,id=m0,size=16M,share=on", "-machine", "pc,memory-backend=m0")


@pytest.fixture
def qemu() -> Iterator[RealQemu]:
    """A machine that stands, with shared memory and a card that has a ROM."""
    with RealQemu(*BARE, "-m", "16", "-S", *SHARED, "-device", "virtio-net-pci") as qemu:
        yield qemu.start()


def test_private_blocks_that_are_mapped(qemu: RealQemu) -> None:
    """Are read from QEMU's own memory; ROMs that are not mapped are left out, and main memory is not read so."""
    with Monitor(str(qemu.socket)) as monitor:
        blocks = machine_of(monitor).blocks
        opened = set(os.listdir("/proc/self/fd"))
        assert private_ram(monitor, blocks, {}) is None
        assert set(os.listdir("/proc/self/fd")) == opened
        names = [block.name for block in blocks]
        found = private_ram(monitor, blocks, dict.fromkeys((0,)))  # type: ignore[arg-type]
        assert found is not None
        bios = names.index("pc.bios")
        assert bios in found
        size = blocks[bios].size
        octets = b"".join(batch.pages.tobytes() for batch in in_batches([found[bios].source(bios)], blocks, 7))
        assert octets == qemu.memory((1 << 32) - size, size)
        assert "0000:00:02.0/virtio-net-pci.rom" in names
        assert "0000:00:02.0/virtio-net-pci.rom" not in [names[index] for index in found]
        for file in found.values():
            file.close()


@pytest.mark.parametrize("broken", ["host_address", "process_ram"])
def test_memory_that_cannot_be_read(
    qemu: RealQemu, broken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Then the guest is migrated after all, which is told; it never runs."""
    monkeypatch.setattr(standing, broken, lambda *details: None)
    assert run(["save", f"qmp:{qemu.socket}", str(tmp_path / "a.dctx")]) == 0
    assert qemu.status() == "postmigrate"
    told = capfd.readouterr().err
    assert "the guest was found 'prelaunch' and is 'postmigrate' now: it never ran; cont continues it" in told


def test_blocks_of_one_name(tmp_path: Path) -> None:
    """Of two cards of one kind nobody knows which is which, so the guest is migrated."""
    with RealQemu(*BARE, "-m", "16", *SHARED, "-device", "VGA", "-device", "secondary-vga") as qemu:
        qemu.start()
        while "vga.vram" not in qemu.hmp("info mtree -f"):
            pass
        qemu.qmp("stop")
        with Monitor(str(qemu.socket)) as monitor:
            assert private_ram(monitor, machine_of(monitor).blocks, {}) is None
        assert run(["save", f"qmp:{qemu.socket}", str(tmp_path / "a.dctx")]) == 0
        assert qemu.status() == "postmigrate"


def map_video(qemu: RealQemu, command: int) -> None:
    """Write the command register of the video card: 0 takes its memory out of the guest's sight, 3 puts it back."""
    qemu.hmp("o /w 0xcf8 0x80001004")
    qemu.hmp(f"o /h 0xcfc {command}")


def video(qemu: RealQemu) -> bytes:
    """What the video memory begins with; nothing where it is not mapped."""
    found = re.search(r"([0-9a-f]{16})-[0-9a-f]{16} \(prio 1, ram\): vga.vram", qemu.hmp("info mtree -f"))
    return qemu.memory(int(found[1], 16), 1 << 18) if found is not None else b""


def test_video_memory_that_is_not_mapped(tmp_path: Path) -> None:
    """Is no ROM, and holds what it held: the guest is migrated, and loaded with it."""
    args, image = (*BARE, "-m", "16", *SHARED, "-device", "VGA"), tmp_path / "a.dctx"
    with RealQemu(*args) as qemu:
        qemu.start()
        while not any(video(qemu)):
            pass
        qemu.qmp("stop")
        shown = video(qemu)
        map_video(qemu, 0)
        assert video(qemu) == b""
        assert run(["save", f"qmp:{qemu.socket}", str(image)]) == 0
        assert qemu.status() == "postmigrate"
    with RealQemu(*args) as qemu:
        qemu.start("defer")
        assert run(["load", str(image), f"qmp:{qemu.socket}"]) == 0
        map_video(qemu, 3)
        assert video(qemu) == shown


def test_memory_of_another_process(qemu: RealQemu) -> None:
    """Where no process is known, nothing is read."""
    with Monitor(str(qemu.socket)) as monitor:
        monitor.pid = 0
        assert private_ram(monitor, machine_of(monitor).blocks, {}) is None
        block = machine_of(monitor).blocks[0]
    assert standing.process_ram(0, block, 0, [Mapped(0, block.size, False, 0, 0, "")]) is None


def test_the_id_of_the_ram_section(qemu: RealQemu) -> None:
    """Is one that no device has."""
    with Monitor(str(qemu.socket)) as monitor:
        told = machine_of(monitor)
    for used, expected in (((0, 1), 2), ((0, 1, 2, 3), 4), ((2, 7), 0)):
        devices = b"".join(section(4, number, TIMER, "timer", instance=number) for number in used) + b"\0"
        assert has_footers("x", devices)
        taken = TakenStanding("x", devices, told, {}, {})
        heads = taken.head.elements.heads
        assert [int.from_bytes(head[1:5], "big") for head in heads] == [expected, *used]
        assert taken.absent == [block.name for block in told.blocks]
        taken.close()


def test_pages_of_files_and_of_nowhere() -> None:
    """Every page of every block is told: by the block's file, or as absent."""
    told = Machine("pc", "x86_64", blocks=(RamBlock("m0", 1 << 20), RamBlock("rom", 9 << 12), RamBlock("m1", 5 << 12)))
    octets = {0: os.urandom(1 << 20), 2: os.urandom(5 << 12)}
    files = {}
    for index, contents in octets.items():
        descriptor = os.memfd_create("ram")
        os.write(descriptor, contents)
        files[index] = RamFile(descriptor, 0, len(contents), "ram")
    devices = section(4, 0, TIMER, "timer") + b"\0"
    taken = TakenStanding("x", devices, told, {0: files[0]}, {2: files[2]})
    assert taken.absent == ["rom"]
    assert [section.name for section in taken.sections] == ["timer"]
    found = {0: b"", 1: b"", 2: b""}
    kinds = set()
    for batch in in_batches(taken.sources(4), told.blocks, 4):
        assert batch.first == len(found[batch.block]) >> 12
        kinds |= {(batch.block, kind) for kind in batch.kinds.tolist()}
        found[batch.block] += batch.pages.tobytes() if batch.block in octets else bytes(batch.count << 12)
    assert found == {**octets, 1: bytes(9 << 12)}
    assert kinds == {(0, PageKind.DATA), (1, PageKind.ABSENT), (2, PageKind.DATA)}
    taken.close()
    files[0].close()


def test_sections_that_cannot_be_read() -> None:
    """Are refused."""
    with pytest.raises(StreamError, match="an element of a kind that is not known"):
        has_footers("x", b"\x55")
