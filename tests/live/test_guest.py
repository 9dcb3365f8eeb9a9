"""The guest itself, by QEMU alone: what it does on each machine, and that its judges see when something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from helpers.guest.judge import FIRST_SECTOR, STRIDE, check_disk, check_pages, check_serial, read_report
from helpers.guest.machines import DISK_SIZE, GuestMachine
from helpers.guest.running import Guest
from helpers.real_qemu import RealQemu

MACHINES = [
    GuestMachine("pc", vcpus=2, memory=16),
    GuestMachine("q35", vcpus=2, memory=32, local_timer=True),
    GuestMachine("isapc", memory=16),
    GuestMachine("microvm", vcpus=2, memory=16),
    GuestMachine("microvm,pit=off,pic=off", memory=16, local_timer=True),
]


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.name)
def test_a_file_stream_of_qemu_alone_goes_on(machine: GuestMachine, guest_kernel: Path, tmp_path: Path) -> None:
    """Stopped, migrated to a file and loaded by QEMU itself, the guest counts on, its pages, disk and text right."""
    guest = Guest(machine, guest_kernel, tmp_path)
    with guest.qemu() as qemu:
        guest.begin(qemu)
        qemu.qmp("stop")
        before = guest.judge(qemu)
        check_serial(before, guest.serial.read_bytes())
        stream = qemu.save(tmp_path / "vm.mig")
    with guest.qemu() as qemu:
        qemu.start(stream)
        guest.goes_on(qemu, before)


@pytest.fixture(scope="module")
def standing(guest_kernel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Guest, RealQemu]]:
    """A guest that has worked and stands still."""
    guest = Guest(GuestMachine("pc", vcpus=2), guest_kernel, tmp_path_factory.mktemp("standing"))
    with guest.qemu() as qemu:
        guest.begin(qemu)
        qemu.qmp("stop")
        yield guest, qemu


@pytest.mark.parametrize("which", [0, -1])
def test_a_page_with_a_flipped_bit_is_seen(standing: tuple[Guest, RealQemu], which: int) -> None:
    """One bit of the first or last page that is filled, and the judge of the pages names it."""
    _, qemu = standing
    report = read_report(qemu.memory)
    damaged = report.frames[which] * 4096

    def read(address: int, length: int) -> bytes:
        found = bytearray(qemu.memory(address, length))
        found[2000] ^= 4 * (address == damaged)
        return bytes(found)

    with pytest.raises(AssertionError, match=hex(report.frames[which])):
        check_pages(report, read)


def test_pages_of_another_moment_are_seen(standing: tuple[Guest, RealQemu]) -> None:
    """Pages and report that are not of the same moment do not pass."""
    _, qemu = standing
    report = read_report(qemu.memory)
    with pytest.raises(AssertionError, match="after step"):
        check_pages(attrs.evolve(report, step=report.step + 3), qemu.memory)


def test_a_disk_of_another_moment_is_seen(standing: tuple[Guest, RealQemu], tmp_path: Path) -> None:
    """A disk that misses one completed write does not pass, nor does one with a write too many."""
    guest, qemu = standing
    report = read_report(qemu.memory)
    done = [number for number in range(report.issued - 80, report.issued) if number not in report.under_way]
    request = next(number for number in reversed(done) if number % 4 != 3)
    disk = bytearray(guest.disk.read_bytes())
    at = (FIRST_SECTOR + request * STRIDE % report.sectors) * 512
    disk[at : at + 512] = bytes(512)
    (tmp_path / "old.raw").write_bytes(disk)
    with pytest.raises(AssertionError, match="sectors"):
        check_disk(report, tmp_path / "old.raw")
    earlier = attrs.evolve(report, issued=request - 20, completed=request - 20, under_way=())
    with pytest.raises(AssertionError, match="sectors"):
        check_disk(earlier, guest.disk)


def test_a_gap_in_the_text_is_seen(standing: tuple[Guest, RealQemu]) -> None:
    """A line too few, and an octet too many, do not pass."""
    guest, qemu = standing
    report, text = read_report(qemu.memory), guest.serial.read_bytes()
    check_serial(report, text)
    with pytest.raises(AssertionError, match="goes wrong"):
        check_serial(report, text[:43] + text[58:])
    with pytest.raises(AssertionError):
        check_serial(attrs.evolve(report, octets=report.octets - 2), text)


def test_the_guest_sees_that_its_disk_was_changed(guest_kernel: Path, tmp_path: Path) -> None:
    """The guest reads back what it wrote, and tells when it is something else."""
    guest = Guest(GuestMachine("pc"), guest_kernel, tmp_path)
    with guest.qemu() as qemu:
        report = guest.begin(qemu)
        qemu.qmp("stop")
        guest.disk.write_bytes(b"other" * (DISK_SIZE // 5))
        qemu.qmp("cont")
        with pytest.raises(AssertionError, match="the disk gave other data"):
            guest.let_work(qemu, report)
