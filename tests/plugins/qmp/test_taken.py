"""A stream that is taken, held to what QEMU told before; and machines that cannot be taken."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from domctx.api import Machine, RamBlock
from domctx.errors import DomainError, StreamError
from domctx_memory.sources import in_batches
from domctx_qmp import migration
from domctx_qmp.describe import machine_of
from domctx_qmp.device_state import device_state, with_run_state
from domctx_qmp.monitor import Monitor
from domctx_qmp.ram_file import RamFile
from domctx_qmp.settings import IGNORE_SHARED, settings_for_save
from domctx_qmp.taken import TakenStream
from helpers.qemu_disks import make_disk
from helpers.real_qemu import BARE, RealQemu

SHARED = ("-object", "memory-backend-memfd,id=m0,size=16M,share=on", "-machine", "pc,memory-backend=m0")


@pytest.fixture
def qemu() -> Iterator[RealQemu]:
    """A machine that stands, with shared memory."""
    with RealQemu(*BARE, "-m", "16", "-S", *SHARED) as qemu:
        yield qemu.start()


@pytest.fixture
def monitor(qemu: RealQemu) -> Iterator[Monitor]:
    """Its monitor."""
    with Monitor(str(qemu.socket)) as monitor:
        yield monitor


def devices_of(monitor: Monitor) -> bytes:
    """What its devices are."""
    return with_run_state(device_state(monitor, lambda number: None), "prelaunch")


def take(monitor: Monitor, told: Machine, devices: bytes | None = None) -> TakenStream:
    """Its stream."""
    files: dict[int, RamFile] = {}
    return TakenStream(monitor, devices_of(monitor) if devices is None else devices, told, files)


def test_other_blocks_than_qemu_listed(monitor: Monitor) -> None:
    """Are refused, both named."""
    told = attrs.evolve(machine_of(monitor), blocks=(RamBlock("m1", 4096),))
    with pytest.raises(StreamError, match="other RAM blocks than QEMU listed; expected m1 0x1000, got m0 0x1000000"):
        take(monitor, told)
    migration.end(monitor)


def test_another_machine_than_qemu_told_of(monitor: Monitor) -> None:
    """Is refused by what is another."""
    told = attrs.evolve(machine_of(monitor), vcpus=(0, 1))
    with pytest.raises(StreamError, match=r"with another vcpus than QEMU told of; expected \(0, 1\), got \(0,\)"):
        take(monitor, told)
    migration.end(monitor)


def test_other_devices_than_were_told(monitor: Monitor) -> None:
    """Are refused when they have come; what was told of them stands in the image already."""
    devices = devices_of(monitor)
    last = devices.rindex(b"\x04", 0, devices.rindex(b"globalstate"))
    before = os.listdir("/proc/self/fd")
    taken = take(monitor, machine_of(monitor), devices[:last] + b"\0")
    with pytest.raises(StreamError, match="not what QEMU told of the standing machine; got sections\n  migrate it"):
        _ = taken.whole
    taken.close()
    taken.close()
    assert os.listdir("/proc/self/fd") == before


def test_memory_that_is_left_out_and_nowhere_else(monitor: Monitor) -> None:
    """Is refused by the block's name: an image without it would be no save."""
    wanted, undo = settings_for_save(monitor, (IGNORE_SHARED,))
    wanted.apply(monitor)
    taken = take(monitor, machine_of(monitor))
    with pytest.raises(DomainError, match="QEMU left out RAM block 'm0', and no file has it"):
        _ = taken.whole
    taken.close()
    undo.apply(monitor)


def test_pages_pass_once(monitor: Monitor) -> None:
    """The second time there are none; the sections then have descriptions."""
    taken = take(monitor, machine_of(monitor))
    assert list(taken.tail) == []
    assert all(section.description is None for section in taken.sections)
    blocks = taken.head.blocks
    assert sum(batch.count for batch in in_batches(taken.sources(64), blocks, 64)) == sum(each.pages for each in blocks)
    assert list(taken.sources(64)) == []
    assert all(section.description is not None for section in taken.sections)
    (part,) = taken.tail
    assert part.name == "vmdesc"
    taken.close()


def test_a_device_that_cannot_be_migrated() -> None:
    """QEMU says which it is, and is as it was."""
    with RealQemu(*BARE, "-machine", "pc", "-m", "16", "-S", "-device", "ivshmem-plain,memdev=m", "-object",
                  "memory-backend-ram,id=m,size=1M,share=on", "-device", "nvme,serial=1") as qemu:  # fmt: skip
        qemu.start()
        with Monitor(str(qemu.socket)) as monitor:
            outgoing = migration.Outgoing(monitor)
            with pytest.raises(DomainError, match=r"QEMU refuses 'migrate'; got .*non-migratable device .*nvme"):
                outgoing.start()
            with pytest.raises(DomainError, match="QEMU refuses 'closefd'"):
                monitor.execute("closefd", {"fdname": migration.NAME})
            assert qemu.status() == "prelaunch"


def test_a_migration_that_fails(monitor: Monitor) -> None:
    """Is told with the state in which it ended."""
    outgoing = migration.Outgoing(monitor)
    os.close(outgoing.reading)
    outgoing.start()
    with pytest.raises(DomainError, match="QEMU's migration ended as 'failed'"):
        outgoing.complete()


def test_a_disk_that_qemu_cannot_find_again(tmp_path: Path) -> None:
    """QEMU gives no reason for the migration that fails; where to look for it is told."""
    disk = make_disk(tmp_path / "d.img", "raw")
    drive = ("-drive", f"file={disk},format=raw,if=virtio")
    with RealQemu(*BARE, "-machine", "pc", "-m", "16", *drive) as qemu:
        qemu.start()
        disk.unlink()
        with Monitor(str(qemu.socket)) as monitor:
            monitor.execute("stop")
            taken = take(monitor, machine_of(monitor))
            with pytest.raises(DomainError, match=r"ended as 'failed'\n  QEMU's standard error may say why"):
                _ = taken.whole
            taken.close()


def test_a_descriptor_that_qemu_does_not_take(monitor: Monitor) -> None:
    """Leaves none open here."""
    before = len(os.listdir("/proc/self/fd"))
    monitor.close()
    with pytest.raises(DomainError, match="is lost, at 'getfd'"):
        migration.Outgoing(monitor)
    assert len(os.listdir("/proc/self/fd")) <= before
