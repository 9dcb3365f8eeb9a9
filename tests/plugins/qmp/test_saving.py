"""What is saved of a real QEMU, however its memory is held: held against what QEMU says of the standing machine."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from domctx.cli.run import run
from helpers.live_loads import SMALL, image_of, load, waiting
from helpers.live_saves import machine, ticks
from helpers.real_qemu import BARE, RealQemu

SIZE = 96 << 20
OLD = "pc-i440fx-2.3"

MEMORIES = {
    "private": (),
    "memfd": ("-object", f"memory-backend-memfd,id=m0,size={SIZE},share=on"),
    "file": ("-object", f"memory-backend-file,id=m0,size={SIZE},share=on,mem-path=RAM"),
    "anonymous": ("-object", f"memory-backend-ram,id=m0,size={SIZE},share=on"),
    "copied": ("-object", f"memory-backend-file,id=m0,size={SIZE},share=off,mem-path=RAM"),
}
"""Ways of holding memory."""

Start = Callable[..., RealQemu]


@pytest.fixture
def start(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts machines with memory that is held somehow."""
    started: list[RealQemu] = []

    def make(memory: str = "private", *args: str, kind: str = "pc") -> RealQemu:
        folder = tmp_path_factory.mktemp("qemu")
        backend = [part.replace("RAM", str(folder / "ram")) for part in MEMORIES[memory]]
        name = kind if memory == "private" else f"{kind},memory-backend=m0"
        qemu = machine(folder, "-machine", name, "-m", str(SIZE >> 20), *backend, *args)
        started.append(qemu)
        return qemu.start()

    yield make
    for qemu in started:
        qemu.__exit__(None, None, None)


def extracted(image: Path) -> bytes:
    """The guest-physical memory that an image holds, as far as RAM goes."""
    goal = image.with_suffix(".raw")
    assert run(["extract", str(image), "memory", "-o", str(goal)]) == 0
    return goal.read_bytes()[:SIZE]


def wait_for_a_tick(qemu: RealQemu) -> None:
    """Until the BIOS stands in memory and its timer runs."""
    while not ticks(qemu):
        os.sched_yield()


WINDOWS = (0xA0000, 0x100000)
"""Where what a guest sees is not its RAM: video memory and ROMs (formats/qemu.md 2.6)."""


@pytest.mark.parametrize("memory", MEMORIES)
def test_memory_is_what_qemu_says(start: Start, memory: str, tmp_path: Path) -> None:
    """Every page of RAM, however it is held: a guest found paused has the memory that QEMU writes of it."""
    qemu = start(memory, "-device", "VGA")
    wait_for_a_tick(qemu)
    qemu.qmp("stop")
    image = tmp_path / "vm.dctx"
    assert run(["save", f"qmp:{qemu.socket}", str(image)]) == 0
    assert run(["verify", str(image)]) == 0
    low, high = WINDOWS
    told, found = qemu.memory(0, SIZE), extracted(image)
    assert found[:low] == told[:low]
    assert found[high:] == told[high:]
    assert qemu.status() == ("postmigrate" if memory in ("private", "copied") else "paused")


@pytest.mark.parametrize("device", ["i6300esb", "i82559a", "dc390", "tulip"])
def test_devices_with_large_versions(device: str, tmp_path: Path) -> None:
    """Are told apart before their descriptions have come: the machine is saved, and loaded again."""
    args = (*SMALL, "-device", device)
    image = image_of(tmp_path / "vm.dctx", *args)
    assert run(["verify", str(image)]) == 0
    with waiting(*args) as qemu:
        assert load(image, qemu) == 0
        assert qemu.status() == "running"
        assert run(["registers", f"qmp:{qemu.socket}"]) == 0


def sides(a: Path, b: Path, capfd: pytest.CaptureFixture[str]) -> list[str]:
    """Where two states differ that count, by record and path."""
    capfd.readouterr()
    run(["diff", "--json", str(a), str(b)])
    rows = json.loads(capfd.readouterr().out)["differences"]
    return [f"{row['record']} {row['path']}" for row in rows if row["counted"]]


def test_a_guest_with_shared_memory_stays_paused(
    start: Start, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Its image is what QEMU's own migration then gives, but for ROMs that are not mapped, and for descriptions."""
    qemu = start("memfd", "-device", "VGA", "-smp", "2", "-rtc", "clock=vm")
    wait_for_a_tick(qemu)
    qemu.qmp("stop")
    image, again = tmp_path / "vm.dctx", tmp_path / "again.dctx"
    assert run(["save", f"qmp:{qemu.socket}", str(image)]) == 0
    assert "RAM blocks that are not mapped are left out" in capfd.readouterr().err
    assert run(["save", f"qmp:{qemu.socket}", str(again)]) == 0
    assert sides(image, again, capfd) == []
    assert qemu.status() == "paused"
    different = sides(image, qemu.save(tmp_path / "vm.mig"), capfd)
    roms = ("/rom@", "pc.rom", "0000:00:02.0/vga.rom")
    left = [
        row
        for row in different
        if ".description" not in row and not row.startswith(("FOREIGN_TAIL", *(f"MEMORY {rom}" for rom in roms)))
    ]
    assert left == []


def shared_files() -> list[str]:
    """The files in memory that this process holds open."""
    found = []
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # the folder itself, when it was looked through
            found.append(os.readlink(path))
    return [name for name in found if "memfd:" in name or "memory-backend" in name]


def test_a_save_leaves_no_descriptor_open(start: Start, tmp_path: Path) -> None:
    """None of the memory that QEMU shares, which would keep it after QEMU has ended."""
    qemu = start("memfd")
    before = shared_files()
    assert run(["save", f"qmp:{qemu.socket}", str(tmp_path / "vm.dctx")]) == 0
    assert shared_files() == before


@pytest.mark.parametrize("memory", ["private", "memfd"])
@pytest.mark.parametrize("kind", ["pc", "q35", OLD])
def test_a_saved_guest_is_loaded_by_qemu(
    start: Start, memory: str, kind: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """The image of a running guest, written as a stream, is taken by an ordinary QEMU, whatever held its memory."""
    qemu = start(memory, kind=kind)
    wait_for_a_tick(qemu)
    image, stream = tmp_path / "vm.dctx", tmp_path / "vm.mig"
    assert run(["save", f"qmp:{qemu.socket}", str(image)]) == 0
    assert qemu.status() == "running"
    assert not any(row["state"] for row in qemu.qmp("query-migrate-capabilities"))
    capfd.readouterr()
    assert run(["convert", str(image), f"qemu:{stream}"]) == 0
    standing = "the guest ran, and was stopped to be saved: QEMU loads it 'paused', and cont continues it"
    assert (standing in capfd.readouterr().err) == (kind != OLD)
    backend = [] if memory == "private" else ["-object", f"memory-backend-memfd,id=m0,size={SIZE},share=off"]
    name = kind if memory == "private" else f"{kind},memory-backend=m0"
    with RealQemu(*BARE, "-machine", name, "-m", str(SIZE >> 20), *backend) as other:
        other.start(incoming=stream)
        if kind == OLD:  # what its globalstate would say is not in its stream: it runs
            return
        assert other.status() == "paused"
        before = ticks(other)
        assert extracted(image)[0x46C:0x470] == before.to_bytes(4, "little")
        other.qmp("cont")
        while ticks(other) == before:
            os.sched_yield()


@pytest.mark.parametrize("memory", ["private", "memfd"])
def test_a_dimm_is_saved_in_its_place(start: Start, memory: str, tmp_path: Path) -> None:
    """Guest-physical memory goes on where QEMU has it, in the image as in the machine."""
    more = ("-m", f"{SIZE >> 20},slots=1,maxmem=512M", "-object", "memory-backend-ram,id=dimm,size=64M")
    qemu = start(memory, *more, "-device", "pc-dimm,memdev=dimm")
    wait_for_a_tick(qemu)
    image = tmp_path / "vm.dctx"
    assert run(["save", f"qmp:{qemu.socket}", str(image)]) == 0
    (row,) = qemu.qmp("query-memory-devices")
    assert run(["read", str(image), f"0x{row['data']['addr']:x}", "0x4000000"]) == 0
    assert run(["read", str(image), f"0x{row['data']['addr'] - 1:x}", "1"]) == 6
