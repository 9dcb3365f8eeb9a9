"""A live QEMU as a Domain."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from domctx import options
from domctx.cli.run import run
from domctx.context import OpenContext, Operation
from domctx.errors import DomainError
from domctx.states import DEVICES, FOREIGN_HEAD, FOREIGN_TAIL, MEMORY, VCPUS, DeviceSection, ForeignPart, PageBatch
from domctx_disks import DISKS, DisksContext
from domctx_qmp.domain import LiveDomain, open_domain
from domctx_qmp.plugin import domctx_formats
from helpers.live_saves import ticks
from helpers.qemu_disks import make_disk
from helpers.real_qemu import BARE, RealQemu, narrow

Open = Callable[..., LiveDomain]


@pytest.fixture
def qemu() -> Iterator[RealQemu]:
    """A small machine that runs its BIOS."""
    with RealQemu(*BARE, "-machine", "pc", "-m", "16") as qemu:
        yield qemu.start()


@pytest.fixture
def notes() -> list[str]:
    """What was told."""
    return []


@pytest.fixture
def live(qemu: RealQemu, notes: list[str]) -> Iterator[Open]:
    """Opens the machine as a domain, with options; it is closed in the end."""
    found: list[LiveDomain] = []

    def opened(*given: str) -> LiveDomain:
        (format_,) = domctx_formats()
        context = OpenContext(
            Operation(given, note=notes.append), format_.options, options.select(given, format_.options)
        )
        found.append(open_domain(str(qemu.socket), context))
        return found[-1]

    yield opened
    for domain in found:
        domain.close()


def test_a_running_guest_is_saved_and_runs_on(qemu: RealQemu, tmp_path: Path) -> None:
    """A guest that runs is saved to an image that is good, and runs afterwards; its monitor is free again."""
    image = tmp_path / "vm.dctx"
    assert run(["save", f"qmp:{qemu.socket}", str(image)]) == 0
    assert run(["verify", str(image)]) == 0
    assert qemu.status() == "running"


@pytest.mark.parametrize("arguments", [["info"], ["save", "--dry-run"]])
def test_what_only_looks_does_not_stop_the_guest(qemu: RealQemu, arguments: list[str]) -> None:
    """Neither a description nor the sizes of a save need a guest that stands."""
    with qemu_events(qemu) as seen:
        assert run([*arguments, f"qmp:{qemu.socket}"]) == 0
        assert seen() == []


def test_numpy_comes_while_the_guardian_starts() -> None:
    """Neither opening a live QEMU nor describing it needs arrays: a save imports them meanwhile."""
    script = "import sys, domctx_qmp.domain; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_a_save_stops_the_guest_once(qemu: RealQemu, tmp_path: Path) -> None:
    """Also where the room on the disk is looked at."""
    with qemu_events(qemu) as seen:
        assert run(["save", f"qmp:{qemu.socket}", str(tmp_path / "a.dctx")]) == 0
        assert seen() == ["STOP", "RESUME"]


class qemu_events:
    """The events STOP and RESUME that another client sees meanwhile."""

    def __init__(self, qemu: RealQemu) -> None:
        from qemu.qmp import EventListener

        self.qemu, self.listener = qemu, EventListener(("STOP", "RESUME"))

    def __enter__(self) -> Callable[[], list[str]]:
        assert self.qemu._client is not None
        self.qemu._client.register_listener(self.listener)
        return self.seen

    def __exit__(self, *details: object) -> None:
        assert self.qemu._client is not None
        self.qemu._client.remove_listener(self.listener)

    def seen(self) -> list[str]:
        """Their names, in order."""
        self.qemu.status()
        return [str(event["event"]) for event in self.listener.clear()]


def test_registers_of_a_running_guest(qemu: RealQemu, capfd: pytest.CaptureFixture[str]) -> None:
    """Are those of its devices; the guest runs on."""
    assert run(["registers", "--json", f"qmp:{qemu.socket}"]) == 0
    assert json.loads(capfd.readouterr().out)
    assert qemu.status() == "running"


@pytest.mark.parametrize("paused", [False, True])
def test_memory_at_random(qemu: RealQemu, paused: bool, capfd: pytest.CaptureFixture[str]) -> None:
    """Is read from QEMU's own memory, whether the guest runs or stands: it is what QEMU says of it."""
    while not ticks(qemu):
        os.sched_yield()
    if paused:
        qemu.qmp("stop")
    assert run(["read", "--json", f"qmp:{qemu.socket}", "0", "4096"]) == 0
    told = json.loads(capfd.readouterr().out)
    assert not paused or told["octets"] == qemu.memory(0, 4096).hex()
    assert qemu.status() == ("paused" if paused else "running")


def test_memory_that_cannot_be_read(live: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since it is not mapped for the guest, or outside of its block, or not to be had from here."""
    memory = live().state(MEMORY)
    assert memory is not None
    names = [block.name for block in memory.blocks]
    with pytest.raises(DomainError, match=r"'pc.rom' cannot be read while QEMU runs\n  save the machine"):
        memory.read(names.index("pc.rom"), 0, 1)
    with pytest.raises(DomainError, match="there are no such pages; expected pages below 0x1000, got 0x1000"):
        memory.read(0, 0x1000, 1)
    with pytest.raises(DomainError, match="there is no such RAM block; expected below"):
        memory.read(len(names), 0, 1)
    monkeypatch.setattr("domctx_qmp.looking.process_ram", lambda *details: None)
    with pytest.raises(DomainError, match="cannot be read while QEMU runs"):
        memory.read(0, 0, 1)


@pytest.mark.parametrize("then", ["continue", "stop", "quit"])
def test_what_comes_after_a_save(qemu: RealQemu, then: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The guest goes on, or stands from when it was saved on, or QEMU quits when the image is safe."""
    image = tmp_path / "vm.dctx"
    assert run(["save", "--then", then, f"qmp:{qemu.socket}", str(image)]) == 0
    assert run(["verify", str(image)]) == 0
    if then == "quit":
        assert qemu.process is not None
        assert qemu.process.wait(60) == 0
        return
    assert qemu.status() == ("running" if then == "continue" else "postmigrate")
    if then == "stop":
        assert "the guest stays as it is, 'postmigrate'; cont continues it" in capfd.readouterr().err
        qemu.qmp("cont")


@pytest.mark.parametrize("then", ["stop", "quit"])
def test_a_save_that_fails_gives_the_guest_back(qemu: RealQemu, then: str, tmp_path: Path) -> None:
    """Also where it was not to go on: what was saved of it is nothing."""
    assert run(["save", "--then", then, f"qmp:{qemu.socket}", str(tmp_path / "none" / "a.dctx")]) == 6
    assert qemu.status() == "running"
    assert run(["save", "--then", then, "-O", "level=99", f"qmp:{qemu.socket}", str(tmp_path / "a.dctx")]) == 2
    assert qemu.status() == "running"
    assert run(["save", "--then", then, "--plain-xen", f"qmp:{qemu.socket}", str(tmp_path / "a.dctx")]) == 6
    assert qemu.status() == "running"
    assert list(tmp_path.iterdir()) == []


def test_a_lost_connection_gives_the_guest_back(qemu: RealQemu, live: Open, notes: list[str]) -> None:
    """Over another one, in the middle of a save."""
    domain = live()
    domain.pause()
    memory = domain.state(MEMORY)
    assert memory is not None
    next(memory.batches(8))
    assert qemu.status() in ("paused", "postmigrate")
    domain._monitor._drop()
    domain.unpause()
    assert qemu.status() == "running"
    assert notes[-1].startswith("the guest stood still for ")


def test_an_interrupt_while_the_guest_is_stopped(qemu: RealQemu, live: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Gives it back at once."""
    domain = live()
    execute = domain._monitor.execute

    def interrupted(command: str, *rest: object, **more: object) -> object:
        found = execute(command, *rest, **more)  # type: ignore[arg-type]
        if command == "stop":
            raise KeyboardInterrupt
        return found

    monkeypatch.setattr(domain._monitor, "execute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        domain.pause()
    assert qemu.status() == "running"
    domain.unpause()


def test_a_guest_that_cannot_be_saved(qemu: RealQemu, live: Open) -> None:
    """Is refused by its state, and left alone: while it waits for a state, is migrated, or was."""
    reading, writing = os.pipe()
    uri = qemu.give(narrow(writing))
    os.close(writing)
    qemu.qmp("migrate", uri=uri)
    domain = live()
    with pytest.raises(DomainError, match="the guest is being migrated\n  wait until that is over"):
        domain.pause()
    qemu.qmp("migrate_cancel")
    os.close(reading)
    qemu.wait_migration("cancelled", "failed")
    with RealQemu(*BARE, "-machine", "pc", "-m", "16") as waiting:
        waiting.start("defer")
        assert run(["save", f"qmp:{waiting.socket}", "/nonexistent/a.dctx"]) == 6
        assert waiting.status() == "inmigrate"


@pytest.mark.parametrize("device", ["nvme,serial=1", "ivshmem-plain,memdev=shared"])
@pytest.mark.parametrize("options", [(), ("--disks", "overlay", "--then", "quit")])
def test_a_device_that_cannot_be_migrated(
    tmp_path: Path, device: str, options: tuple[str, ...], capfd: pytest.CaptureFixture[str]
) -> None:
    """Is refused by name before anything is asked of it: the guest goes on, and nothing is made."""
    disk = make_disk(tmp_path / "disk.qcow2")
    shared = "memory-backend-memfd,id=shared,size=1M,share=on"
    drive = f"if=virtio,file={disk},format=qcow2"
    with RealQemu(*BARE, "-machine", "pc", "-m", "16", "-drive", drive, "-object", shared, "-device", device) as qemu:
        goal = f"qmp:{qemu.start().socket}"
        before = qemu.qmp("query-named-block-nodes")
        assert run(["save", *options, goal, str(tmp_path / "vm.dctx")]) == 6
        assert (
            f"got {qemu.qmp('query-migrate')['blocked-reasons'][0]}\n  take the device away" in capfd.readouterr().err
        )
        assert run(["registers", goal]) == 6
        assert run(["show", goal, "DEVICE:0"]) == 6
        assert qemu.status() == "running"
        assert qemu.qmp("query-named-block-nodes") == before
    assert list(tmp_path.iterdir()) == [disk]


@pytest.mark.parametrize("memory", [(), ("-object", "memory-backend-memfd,id=ram,size=16M,share=on")])
def test_a_disk_that_a_job_works_on(memory: tuple[str, ...], tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Is refused by the job's name while it works: QEMU would abort; nothing stops, and later it is saved."""
    goal = tmp_path / "vm.dctx"
    nodes = [part for name in ("disk", "copy") for part in ("-blockdev", f"null-co,node-name={name},size={1 << 30}")]
    kind = "pc,memory-backend=ram" if memory else "pc"
    with RealQemu(*BARE, "-machine", kind, "-m", "16", *memory, *nodes, "-device", "virtio-blk-pci,drive=disk") as qemu:
        reference = f"qmp:{qemu.start().socket}"
        qemu.qmp("blockdev-mirror", job_id="j", device="disk", target="copy", sync="full", speed=1, auto_dismiss=False)
        for stopped in (False, True):
            if stopped:
                qemu.qmp("stop")
            assert run(["save", reference, str(goal)]) == 6
            assert "at work on the disks of this machine; got mirror 'j', running\n" in capfd.readouterr().err
            assert qemu.status() == ("paused" if stopped else "running")
            assert [job["status"] for job in qemu.qmp("query-jobs")] == ["running"]
        qemu.qmp("job-cancel", id="j")
        while qemu.qmp("query-jobs")[0]["status"] != "concluded":
            pass
        assert not goal.exists()
        assert run(["save", reference, str(goal)]) == 0


def test_a_guest_whose_run_is_recorded(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Is refused: QEMU would abort."""
    recorded = ("-icount", f"shift=5,rr=record,rrfile={tmp_path / 'record'}")
    with RealQemu(*BARE, "-machine", "pc", "-m", "16", *recorded) as qemu:
        assert run(["save", f"qmp:{qemu.start().socket}", str(tmp_path / "vm.dctx")]) == 6
        assert "recorded or replayed cannot be saved; got rr=record\n" in capfd.readouterr().err
        assert qemu.status() == "running"


def test_states_are_had_while_it_is_paused(live: Open) -> None:
    """And nothing is stored in any."""
    domain = live()
    assert domain.one_pass
    memory, devices, head = domain.state(MEMORY), domain.state(DEVICES), domain.state(FOREIGN_HEAD)
    assert memory is not None
    assert devices is not None
    assert head is not None
    assert domain.state(VCPUS) is None
    assert [key.name for key in domain.owned_states()] == ["foreign_head", "memory", "devices", "foreign_tail"]
    assert [part.name for part in head.parts] == ["header", "configuration", "sections"]
    tail = domain.state(FOREIGN_TAIL)
    assert tail is not None
    assert tail.parts == ()
    with pytest.raises(DomainError, match="can be had while it is paused"):
        next(memory.batches())
    with pytest.raises(DomainError, match="takes pages only while it is loaded"):
        memory.store(PageBatch(0, 0, np.zeros(0, np.uint8), np.zeros((0, 4096), np.uint8)))
    with pytest.raises(DomainError, match="takes devices only while it is loaded"):
        devices.store(DeviceSection("a", 0, 1, b""))
    with pytest.raises(DomainError, match="takes no parts"):
        head.store(ForeignPart("qemu", "a", b""))


@pytest.mark.skipif(shutil.which("qemu-img") is None, reason="qemu-img is not installed")
def test_disks_are_kept(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Those that the guest can write to, as they are when its state has passed."""
    disk, image = tmp_path / "disk.qcow2", tmp_path / "vm.dctx"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "1M"], check=True)
    drive = f"if=virtio,file={disk},format=qcow2"
    with RealQemu(*BARE, "-machine", "pc", "-m", "16", "-drive", drive) as qemu:
        qemu.start()
        assert run(["save", f"qmp:{qemu.socket}", str(image)]) == 0
        assert "the image is good only with a copy" in capfd.readouterr().err
        assert qemu.status() == "running"
        assert run(["show", "--json", str(image), "DISKS"]) == 0
        assert str(disk) in capfd.readouterr().out
        (format_,) = domctx_formats()
        context = OpenContext(Operation(()), format_.options, options.select((), format_.options))
        domain = open_domain(str(qemu.socket), context)
        disks = domain.state(DISKS)
        assert disks is not None
        with pytest.raises(DomainError, match="the disks of a live QEMU are its own"):
            disks.store(DisksContext(()))
        domain.close()
