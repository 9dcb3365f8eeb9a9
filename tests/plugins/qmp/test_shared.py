"""Which blocks of a live QEMU are shared with files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from domctx_qmp import host, shared
from domctx_qmp.describe import machine_of
from domctx_qmp.host import Mapped, holding, host_address, mappings, open_mapped
from domctx_qmp.monitor import Monitor
from domctx_qmp.shared import SharedRam, shared_ram
from helpers.real_qemu import BARE, RealQemu

MEMFD = "memory-backend-memfd,id=n{},size=16M,share=on"
TWO = ("-object", MEMFD.format(0), "-object", MEMFD.format(1), "-numa", "node,memdev=n0", "-numa", "node,memdev=n1")


@contextlib.contextmanager
def found(*args: str) -> Iterator[tuple[RealQemu, Monitor, SharedRam]]:
    """A machine, and what is shared of it."""
    with RealQemu(*BARE, "-S", *args) as qemu:
        qemu.start()
        with Monitor(str(qemu.socket)) as monitor:
            ram = shared_ram(monitor, machine_of(monitor).blocks)
            yield qemu, monitor, ram
            ram.close()


def test_files_of_the_same_size_are_told_apart() -> None:
    """Two of them, both without a name: each is found by where the guest has it."""
    with found("-machine", "pc", "-m", "32", *TWO) as (qemu, _, ram):
        assert (sorted(ram.files), ram.whole) == ([0, 1], True)
        for block, address in ((0, 0x100000), (1, 0x1000000)):
            page = address % (16 << 20) >> 12
            assert ram.files[block].read(block, page, 4).pages.tobytes() == qemu.memory(address, 4 << 12)


def test_private_memory_is_not_shared() -> None:
    """Nor is the memory of a file that is copied when it is written to."""
    with found("-machine", "pc", "-m", "16") as (_, _, ram):
        assert (ram.files, ram.whole) == ({}, False)


def test_what_cannot_be_opened_is_not_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """QEMU must then not leave it out."""
    arguments = ("-machine", "pc,memory-backend=n0", "-m", "16", "-object", MEMFD.format(0))
    monkeypatch.setattr(shared, "open_mapped", lambda pid, mapped: None)
    with found(*arguments) as (_, _, ram):
        assert (ram.files, ram.whole) == ({}, False)
    monkeypatch.setattr(host, "host_address", lambda monitor, address: None)
    with found(*arguments) as (_, _, ram):
        assert (ram.files, ram.whole) == ({}, False)
    monkeypatch.setattr(host, "host_address", lambda monitor, address: 4096)
    with found(*arguments) as (_, _, ram):
        assert (ram.files, ram.whole) == ({}, False)


def test_what_goes_wrong_closes_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that were opened before."""
    opened: list[int] = []

    def once(pid: int, mapped: Mapped) -> int | None:
        if opened:
            raise KeyboardInterrupt
        descriptor = host.open_mapped(pid, mapped)
        assert descriptor is not None
        opened.append(descriptor)
        return descriptor

    monkeypatch.setattr(shared, "open_mapped", once)
    with pytest.raises(KeyboardInterrupt), found("-machine", "pc", "-m", "32", *TWO):
        pass
    assert not Path(f"/proc/self/fd/{opened[0]}").exists()


def test_places_of_one_block_that_are_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Are no file: QEMU told something else than that."""
    addresses = iter((0x1000, 0x900000))
    monkeypatch.setattr(host, "host_address", lambda monitor, address: next(addresses))
    arguments = ("-machine", "pc,max-ram-below-4g=8M,memory-backend=n0", "-m", "16", "-object", MEMFD.format(0))
    with found(*arguments) as (_, _, ram):
        assert ram.files == {}


def test_mappings() -> None:
    """Of a process that is not there there are none; what no single one holds is not held."""
    assert mappings(0) == []
    one = Mapped(0x1000, 0x3000, True, 0, 1, "")
    assert holding([one], 0x1000, 0x2000) is one
    assert holding([one], 0x2000, 0x2000) is None
    assert open_mapped(0, one) is None


def test_addresses() -> None:
    """Of RAM are told, others are not."""
    with RealQemu(*BARE, "-machine", "pc", "-m", "16", "-S") as qemu:
        qemu.start()
        monitor = Monitor(str(qemu.socket))
        address = host_address(monitor, 0x100000)
        assert address is not None
        assert holding(mappings(qemu.pid), address, 1 << 20) is not None
        assert host_address(monitor, 0xFEC0_0000) is None
        monitor.close()
        assert host_address(monitor, 0x100000) is None
