"""A machine is saved with its disks, and loaded over them, over copies, and over what changed since: by real QEMUs."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest

from domctx.cli.run import run
from domctx.errors import DomainError
from domctx_disks import Disk, DiskFile, DisksContext
from domctx_qmp.disk_check import CheckedDisks
from domctx_qmp.disks import told
from domctx_qmp.monitor import Monitor
from helpers.adopted_qemu import AdoptedQemu
from helpers.live_loads import SMALL, load, save, waiting
from helpers.qemu_disks import MIB, make_disk
from helpers.real_qemu import RealQemu


def machine(disk: Path) -> tuple[str, ...]:
    """A small machine with that disk."""
    return (*SMALL, "-drive", f"file={disk},if=virtio,format=qcow2")


def write(qemu: RealQemu, octet: int) -> None:
    """Write to the machine's disk as the guest would; nothing comes back where that went well."""
    assert qemu.hmp(f'qemu-io virtio0 "write -P {octet} 0 64k"') == ""


@pytest.fixture
def disk(tmp_path: Path) -> Path:
    """A disk."""
    return make_disk(tmp_path / "d.qcow2")


def saved(disk: Path, *options: str) -> Path:
    """An image of such a machine, which ran."""
    with RealQemu(*machine(disk)) as qemu:
        return save(qemu.start(), disk.with_name("a.dctx"), *options)


def test_a_disk_that_nobody_touched(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is loaded over without a word."""
    image = saved(disk, "--then", "stop")
    capsys.readouterr()
    with waiting(*machine(disk)) as qemu:
        assert load(image, qemu) == 0
        assert qemu.status() == "running"
    assert capsys.readouterr().err == ""


def test_a_disk_that_changed_is_refused_by_name(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing of it is written; it is loaded over where that is forced, and said to be."""
    image = saved(disk, "--then", "stop")
    with RealQemu(*machine(disk)) as qemu:
        qemu.start()
        write(qemu, 0x55)
    changed = told(str(disk))
    capsys.readouterr()
    with waiting(*machine(disk)) as qemu:
        assert load(image, qemu) == 6
    said = capsys.readouterr().err
    assert f"disk virtio0 changed since the save: its {disk} is not what the machine's state belongs to" in said
    assert "--force-disks loads all the same, and may ruin its file systems" in said
    assert told(str(disk)) == changed
    with waiting(*machine(disk)) as qemu:
        assert load(image, qemu, "--force-disks") == 0
        assert f"disk virtio0: {disk} changed since the save, and is used all the same" in capsys.readouterr().err


def test_a_machine_that_lacks_the_disks_device(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """QEMU ends when it meets the device's state; that is told, and not that its disks cannot be asked for."""
    image = saved(disk, "--then", "stop")
    capsys.readouterr()
    with waiting() as qemu:
        assert load(image, qemu) == 6
    said = capsys.readouterr().err
    assert "QEMU refuses the state, and has ended\n  QEMU ends when it cannot load a state" in said


def test_a_qemu_that_is_gone(disk: Path) -> None:
    """Its disks cannot be compared; why that is the loading side may know."""
    with waiting(*machine(disk)) as qemu, Monitor(str(qemu.socket)) as monitor:
        qemu.kill()
        checked = CheckedDisks(lambda: monitor, print, force=False)
        with pytest.raises(DomainError, match="the connection to QEMU is lost, at 'query-block'"):
            checked.store(DisksContext(()))
        asking = CheckedDisks(lambda: monitor, print, force=False, why=lambda error: DomainError(f"why: {error}"))
        with pytest.raises(DomainError, match=r"why: .* is lost"):
            asking.store(DisksContext(()))


def test_a_disk_that_another_machine_uses(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The guest is loaded and stands; what to do is told, and then it can be continued."""
    with RealQemu(*machine(disk)) as first, RealQemu(*machine(disk)) as second:
        image = save(first.start(), disk.with_name("a.dctx"), "--then", "stop")
        first.qmp("cont")
        capsys.readouterr()
        assert load(image, second.start("defer")) == 6
        assert '"write" lock\n  where a disk is in use, by the machine that was saved for instance, end that; then' in (
            capsys.readouterr().err
        )
        assert (first.status(), second.status()) == ("running", "paused")
        assert run(["load", str(image), "--run", "--trust-command-line"]) == 6
        assert "end that; then load it again\n" in capsys.readouterr().err
        first.stop()
        second.qmp("cont")
        assert second.status() == "running"


def test_a_copy_of_the_disk(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing tells whether it is one; that is said."""
    image = saved(disk, "--then", "stop")
    copy = Path(shutil.copy(disk, disk.with_name("copy.qcow2")))
    with waiting(*machine(copy)) as qemu:
        assert load(image, qemu) == 0
    said = capsys.readouterr().err
    assert f"disk virtio0 is {copy}, and was {disk}: nothing tells whether it is as it was" in said


def test_a_guest_that_went_on_wrote_to_its_disk(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The save says at once what that means; loading over the disk is then refused."""
    image = disk.with_name("a.dctx")
    with RealQemu(*machine(disk)) as qemu:
        save(qemu.start(), image)
        assert "the image is good only with a copy of them" in capsys.readouterr().err
        write(qemu, 0x66)
    with waiting(*machine(disk)) as qemu:
        assert load(image, qemu) == 6
    assert "disk virtio0 changed since the save" in capsys.readouterr().err


def test_an_overlay_takes_what_the_guest_writes_later(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The state is loaded over a new overlay of the disk; over itself where that ruins nothing, or is forced."""
    image = disk.with_name("a.dctx")
    with RealQemu(*machine(disk)) as qemu:
        save(qemu.start(), image, "--disks", "overlay")
        write(qemu, 0x77)
    (overlay,) = disk.parent.glob("d.*.qcow2")
    capsys.readouterr()
    with waiting(*machine(overlay)) as qemu:
        assert load(image, qemu) == 6
    assert f"disk virtio0 changed since the save: its {overlay}" in capsys.readouterr().err
    fresh = make_disk(disk.with_name("fresh.qcow2"), base=disk)
    with waiting(*machine(fresh)) as qemu:
        assert load(image, qemu) == 0
    assert capsys.readouterr().err == ""
    with waiting(*machine(disk)) as qemu:
        assert load(image, qemu) == 6
    assert f"disk virtio0: {overlay} holds what the machine wrote since the save, and is based on {disk}\n  start" in (
        capsys.readouterr().err
    )
    with waiting(*machine(disk)) as qemu:
        assert load(image, qemu, "--force-disks") == 0
    assert f"the guest writes to {disk}; {overlay} is based on that, and worth nothing from now on" in (
        capsys.readouterr().err
    )


def test_a_disk_behind_a_filter(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """QEMU tells the file twice, of the filter and of what it filters: it is one disk, and its own."""
    nodes = (f"qcow2,node-name=q,file.driver=file,file.filename={disk}", "throttle,node-name=f,throttle-group=t,file=q")
    line = (*SMALL, "-object", "throttle-group,id=t", *(part for node in nodes for part in ("-blockdev", node)))
    line = (*line, "-device", "virtio-blk-pci,drive=f")
    with RealQemu(*line) as qemu:
        image = save(qemu.start(), disk.with_name("a.dctx"), "--then", "quit")
    capsys.readouterr()
    with waiting(*line) as qemu:
        assert load(image, qemu) == 0
    assert capsys.readouterr().err == ""


def test_what_the_disk_is_based_on(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Lacks what the guest wrote since: it is refused, also where the image's command line names it, unless forced."""
    image = disk.with_name("b.dctx")
    with RealQemu(*machine(disk)) as qemu:
        save(qemu.start(), disk.with_name("a.dctx"), "--disks", "overlay")
        write(qemu, 0x77)
        save(qemu, image, "--then", "quit")
    (overlay,) = disk.parent.glob("d.*.qcow2")
    before = told(str(disk))
    capsys.readouterr()
    assert run(["load", str(image), "--run", "--trust-command-line"]) == 6
    said = capsys.readouterr().err
    assert "disk virtio0 lacks what the machine wrote" in said
    assert f"expected {overlay}, got {disk}\n" in said
    assert told(str(disk)) == before
    with waiting(*machine(disk)) as qemu:
        assert load(image, qemu, "--force-disks") == 0
    assert f"disk virtio0: {disk} lacks what {overlay} has over it, and is used all the same" in capsys.readouterr().err
    with waiting(*machine(overlay)) as qemu:
        assert load(image, qemu) == 0
    assert capsys.readouterr().err == ""


def test_disks_that_were_not_noted(disk: Path) -> None:
    """Nothing is compared."""
    image = saved(disk, "--disks", "none")
    disk.unlink()
    make_disk(disk, size=16 * MIB)
    with waiting(*machine(disk)) as qemu:
        assert load(image, qemu) == 0


@pytest.mark.parametrize(("then", "status"), [("continue", "running"), ("stop", "postmigrate"), ("quit", "ended")])
def test_what_happens_after_a_save(then: str, status: str, disk: Path) -> None:
    """The guest goes on, stays, or QEMU is no more; in each case the image loads to where the guest was."""
    image = disk.with_name("a.dctx")
    with RealQemu(*machine(disk)) as qemu:
        save(qemu.start(), image, "--then", then)
        assert qemu.process is not None
        if status == "ended":
            assert qemu.process.wait(60) == 0
        else:
            assert qemu.status() == status
            qemu.stop()
    if then != "continue":
        with waiting(*machine(disk)) as qemu:
            assert load(image, qemu) == 0
            assert qemu.status() == "running"


def test_an_overlay_that_nobody_wrote_to(disk: Path) -> None:
    """QEMU that quits leaves it as it was noted: the state may be loaded over it."""
    image = disk.with_name("a.dctx")
    with RealQemu(*machine(disk)) as qemu:
        save(qemu.start(), image, "--disks", "overlay", "--then", "quit")
        assert qemu.process is not None
        qemu.process.wait(60)
    (overlay,) = disk.parent.glob("d.*.qcow2")
    with waiting(*machine(overlay)) as qemu:
        assert load(image, qemu) == 0


def test_an_overlay_that_is_gone(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is ruined where the disk is written to again: it is loaded over without a word."""
    image = disk.with_name("a.dctx")
    with RealQemu(*machine(disk)) as qemu:
        save(qemu.start(), image, "--disks", "overlay")
        write(qemu, 0x77)
    (overlay,) = disk.parent.glob("d.*.qcow2")
    overlay.unlink()
    capsys.readouterr()
    with waiting(*machine(disk)) as qemu:
        assert load(image, qemu) == 0
    assert capsys.readouterr().err == ""


def test_an_image_that_cannot_be_published_does_not_end_the_guest(disk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With --then quit it goes on where its image gets no name."""

    def refuse(source: Path, goal: Path) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with RealQemu(*machine(disk)) as qemu:
        qemu.start()
        for then in ("quit", "stop"):
            assert run(["save", f"qmp:{qemu.socket}", str(disk.with_name("a.dctx")), "--then", then]) == 6
            assert qemu.status() == "running"
    assert not disk.with_name("a.dctx").exists()


def test_a_disk_that_gets_no_overlay_is_no_reason_to_stay(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The save is refused by name, nothing is made, and the guest goes on."""
    with RealQemu(*machine(disk), "-drive", "file=null-co://,if=virtio,format=raw,file.read-zeroes=on") as qemu:
        qemu.start()
        image = disk.with_name("a.dctx")
        assert run(["save", f"qmp:{qemu.socket}", str(image), "--disks", "overlay", "--then", "quit"]) == 6
        assert "disk virtio1 is no plain file, and gets no overlay" in capsys.readouterr().err
        assert qemu.status() == "running"
    assert [path.name for path in disk.parent.iterdir()] == ["d.qcow2"]


def test_a_machine_with_disks_is_started_again(disk: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Over its disk, where nobody touched it; else QEMU is ended, and nothing is written."""
    image = saved(disk, "--then", "quit")
    line = ["load", str(image), "--run", "--trust-command-line"]
    capsys.readouterr()
    assert run(line) == 0
    with AdoptedQemu(capsys.readouterr().err) as qemu:
        assert qemu.status() == "running"
    os.utime(disk, (1, 1))
    changed = told(str(disk))
    assert run(line) == 6
    assert f"disk virtio0 changed since the save: its {disk}" in capsys.readouterr().err
    assert told(str(disk)) == changed


def floppy(disk: Path) -> tuple[str, ...]:
    """A small machine with that floppy disk."""
    return (*SMALL, "-drive", f"file={disk},if=floppy,format=raw")


def test_a_machine_that_had_another_disk_than_it_was_started_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its command line is not repeated over the first one while its own is there; unless that is forced."""
    first, second = (make_disk(tmp_path / name, "raw", 1440 << 10) for name in ("1.img", "2.img"))
    image = tmp_path / "a.dctx"
    with RealQemu(*floppy(first)) as qemu:
        qemu.start().qmp("blockdev-change-medium", device="floppy0", filename=str(second), format="raw")
        save(qemu, image, "--then", "quit")
        qemu.ended()
    line = ["load", str(image), "--run", "--trust-command-line"]
    capsys.readouterr()
    assert run(line) == 6
    expected = f"disk floppy0 is another file than the machine had: its own is there; expected {second}, got {first}\n"
    assert expected in capsys.readouterr().err
    assert run([*line, "--force-disks"]) == 0
    said = capsys.readouterr().err
    AdoptedQemu(said).kill()
    assert f"disk floppy0 is {first}, and was {second}" in said
    with waiting(*floppy(first)) as qemu:
        assert load(image, qemu) == 0
    second.unlink()
    assert run(line) == 0
    AdoptedQemu(capsys.readouterr().err).kill()


class TestChecked:
    """What is stored is compared with a real QEMU's disks at once."""

    @pytest.fixture
    def live(self, disk: Path) -> Iterator[Monitor]:
        """A QEMU that waits, with the disk ``virtio0``."""
        with waiting(*machine(disk)) as qemu, Monitor(str(qemu.socket)) as monitor:
            yield monitor

    def checked(self, live: Monitor, disk: Disk) -> list[str]:
        """The notes about a disk that is stored."""
        notes: list[str] = []
        CheckedDisks(lambda: live, notes.append, force=False).store(DisksContext((disk,)))
        return notes

    def test_a_disk_by_another_name(self, live: Monitor, disk: Path) -> None:
        """It is found by its file, and refused where that changed, or is there no more."""
        noted = Disk("ide0-hd0", "qcow2", (told(str(disk)),))
        assert self.checked(live, noted) == []
        link = disk.with_name("link")
        link.symlink_to(disk)
        by_link = attrs.evolve(noted, files=(attrs.evolve(noted.files[0], path=str(link)),))
        assert self.checked(live, by_link) == []
        os.utime(disk, (1, 1))
        with pytest.raises(DomainError, match=r"disk ide0-hd0 changed .* octets of 20.*\d{9} ns, got .* of 1970-01-01"):
            self.checked(live, noted)
        disk.unlink()
        with pytest.raises(DomainError, match=r"got no file\n"):
            self.checked(live, noted)

    def test_a_disk_that_qemu_lacks(self, live: Monitor) -> None:
        """It is told, and no reason to refuse: its device is missing too."""
        (note,) = self.checked(live, Disk("ide0-hd0", "raw", (DiskFile("/gone", 1, 1),)))
        assert note == "disk ide0-hd0 of the image is none of those that QEMU writes to"

    def test_a_base_that_changed(self, tmp_path: Path) -> None:
        """Every file that a disk is based on is looked at."""
        base = make_disk(tmp_path / "base.qcow2")
        top = make_disk(tmp_path / "top.qcow2", base=base)
        noted = Disk("virtio0", "qcow2", (told(str(top)), told(str(base))))
        time.sleep(0.01)
        base.touch()
        with waiting(*machine(top)) as qemu, Monitor(str(qemu.socket)) as live, pytest.raises(DomainError) as caught:
            self.checked(live, noted)
        assert f"its {base} is not what" in str(caught.value)
